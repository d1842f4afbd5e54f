package main

import (
	"errors"
	"log/slog"
	"sync"

	"vtoken/daemon/p11server"
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
	refused func() // counts a ticket that was refused

	mu       sync.Mutex
	stopping bool
}

// newResumption opens the records beside the socket of the applications.
func newResumption(socket string, sealer resume.Sealer, engine *vtoken.Engine, log *slog.Logger) *resumption {
	records, err := resume.Open(socket+".logins", sealer)
	if err != nil {
		log.Warn("applications will have to log in again after a crash of the daemon", "error", err)
	}
	return &resumption{engine: engine, records: records, log: log, refused: func() {}}
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
	peer := record.Peer{UID: who.Process.UID, GID: who.Process.GID, PID: who.Process.PID}
	if r.records == nil {
		client := r.engine.Connect(peer)
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
		peer.UID, peer.GID = a.Process.UID, a.Process.GID
	case errors.Is(err, resume.ErrForeign):
		r.refused()
		r.log.Warn("refused the ticket of an application", "uid", peer.UID, "pid", peer.PID, "error", err)
		return p11server.Admission{}, ck.Errorf(ck.CKR_ACTION_PROHIBITED, "%w", err)
	case !errors.Is(err, resume.ErrNone):
		r.log.Warn("an application has to log in again: its record cannot be read", "uid", peer.UID, "pid", peer.PID, "error", err)
	}
	client := r.engine.Connect(peer)
	return p11server.Admission{
		Client: r.keep(client, a), Resume: resumer(client, found.Logins), Resumed: err == nil,
	}, nil
}

// keep has the record of an application follow its logins.
func (r *resumption) keep(client *vtoken.Client, a resume.Application) p11server.Client {
	if r.records == nil {
		return client
	}
	client.OnLogins(func(logins []vtoken.Login) {
		if err := r.records.Keep(a, logins); err != nil {
			r.log.Warn("an application will have to log in again after a crash of the daemon",
				"uid", a.Process.UID, "pid", a.Process.PID, "error", err)
		}
	})
	return &application{Client: client, about: a, ended: func() { r.ended(a) }}
}

// ended forgets the record of an application that ended.
func (r *resumption) ended(a resume.Application) {
	if r.isStopping() {
		return
	}
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
