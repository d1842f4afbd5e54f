package main

import (
	"errors"
	"log/slog"
	"sync"

	"vtoken/daemon/config"
	"vtoken/daemon/p11server"
	"vtoken/daemon/peer"
	"vtoken/daemon/resume"
	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/record"
)

// resumption lets applications go on after the daemon crashed. records is nil where that is
// switched off or not possible.
type resumption struct {
	engine  *vtoken.Engine
	records *resume.Records
	log     *slog.Logger
	tell    func(p peer.Process, reason error) // of a refused ticket

	mu       sync.Mutex
	stopping bool
}

// newResumption opens the records beside the socket of the applications, or removes them if
// none are wanted.
func newResumption(
	cfg config.Config, sealer resume.Sealer, engine *vtoken.Engine, log *slog.Logger, tell func(peer.Process, error),
) *resumption {
	r := &resumption{engine: engine, log: log, tell: tell}
	folder := cfg.P11Socket + ".logins"
	var err error
	if cfg.Resume == config.ResumeOn {
		r.records, err = openRecords(cfg, folder, sealer)
	} else {
		err = resume.Remove(folder)
	}
	if err != nil {
		log.Warn("applications will have to log in again after a crash of the daemon", "error", err)
	}
	return r
}

// openRecords opens the records. At the first start of a daemon the folder of its socket is not
// there yet.
func openRecords(cfg config.Config, folder string, sealer resume.Sealer) (*resume.Records, error) {
	applications, _ := unixSockets(cfg)
	if err := applications.makeFolder(); err != nil {
		return nil, err
	}
	return resume.Open(folder, sealer)
}

// stop keeps the records of the applications that end from now on: the daemon ends, not they.
func (r *resumption) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopping = true
}

func (r *resumption) isStopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopping
}

// join registers an application, with the logins that it had with an earlier daemon.
func (r *resumption) join(who p11server.Applicant) (p11server.Admission, error) {
	applicant := record.Peer{UID: who.Process.UID, GID: who.Process.GID, PID: who.Process.PID}
	if r.records == nil {
		client := r.engine.Connect(applicant)
		return p11server.Admission{Client: client, Resume: resumer(client, nil)}, nil
	}
	a, err := resume.NewApplication(who.ID, who.Process, who.Ticket)
	if err != nil {
		return p11server.Admission{}, ck.Errorf(ck.CKR_ARGUMENTS_BAD, "%w", err)
	}
	found, err := r.records.Find(a, who.Ticket)
	switch {
	case err == nil:
		a = found.Application
		applicant.UID, applicant.GID = a.Process.UID, a.Process.GID
	case errors.Is(err, resume.ErrForeign), errors.Is(err, resume.ErrTicket):
		return p11server.Admission{}, ck.Errorf(ck.CKR_ACTION_PROHIBITED, "%w", err)
	case !errors.Is(err, resume.ErrNone):
		r.logOf(applicant).Warn("an application has to log in again: its record cannot be read", "error", err)
	}
	client := r.engine.Connect(applicant)
	return p11server.Admission{
		Client: r.keep(client, a), Resume: resumer(client, found.Logins), Resumed: err == nil,
		Finalized: func() { r.forget(a) },
	}, nil
}

// keep has the record of an application follow its logins.
func (r *resumption) keep(client *vtoken.Client, a resume.Application) p11server.Client {
	if r.records == nil {
		return client
	}
	client.OnLogins(func(logins []vtoken.Login) {
		if err := r.records.Keep(a, logins); err != nil {
			r.logOf(client.Peer()).Warn("an application will have to log in again after a crash of the daemon", "error", err)
		}
	})
	return &application{Client: client, about: a, ended: func() { r.ended(a) }}
}

// refused tells of a process that wanted to be another application.
func (r *resumption) refused(p peer.Process, reason error) {
	r.logOf(record.Peer{UID: p.UID, PID: p.PID}).Warn("refused the ticket of an application", "error", reason)
	r.tell(p, reason)
}

// logOf is the log with the process, whose lines are limited.
func (r *resumption) logOf(p record.Peer) *slog.Logger { return r.log.With("uid", p.UID, "pid", p.PID) }

// ended forgets the record of an application that ended without C_Finalize.
func (r *resumption) ended(a resume.Application) {
	if !r.isStopping() {
		r.forget(a)
	}
}

func (r *resumption) forget(a resume.Application) {
	if err := r.records.Forget(a.ID); err != nil {
		r.log.Warn("the record of an application that ended stays until the daemon starts again", "error", err)
	}
}

// application is an application with a record.
type application struct {
	*vtoken.Client
	about resume.Application
	ended func()
}

// Close ends the application, and then its record.
func (a *application) Close() {
	a.Client.Close()
	a.ended()
}

// resumer gives an application its sessions back, and the logins that it had.
func resumer(client *vtoken.Client, logins []vtoken.Login) func([]p11rpc.ResumedSession) []ck.SessionHandle {
	var mu sync.Mutex
	return func(list []p11rpc.ResumedSession) []ck.SessionHandle {
		mu.Lock()
		defer mu.Unlock()
		sessions := make([]vtoken.ResumedSession, len(list))
		for i, s := range list {
			sessions[i] = vtoken.ResumedSession{
				Handle: ck.SessionHandle(s.Handle), Slot: ck.SlotID(s.Slot), Flags: ck.Flags(s.Flags),
			}
		}
		had := logins
		var lost []ck.SessionHandle
		lost, logins = client.Resume(sessions, had)
		wipeResumed(had, logins)
		return lost
	}
}

// wipeResumed wipes the keys of the logins that are not in rest.
func wipeResumed(had, rest []vtoken.Login) {
	waits := make(map[record.TokenID]bool, len(rest))
	for _, l := range rest {
		waits[l.Token] = true
	}
	for _, l := range had {
		if !waits[l.Token] {
			l.Bound.Wipe()
		}
	}
}
