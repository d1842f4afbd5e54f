package main

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
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
	away    *away
	log     *slog.Logger
	tell    func(p peer.Process, reason error) // of a refused ticket
	// written says that the daemon before has written the records of the applications that it
	// handed over. To write or read them all again takes long, while all applications wait.
	written bool

	mu       sync.Mutex
	stopping bool
}

// newResumption opens the records beside the socket of the applications, or removes them if
// none are wanted. before is the daemon whose place this one takes, or nil.
func newResumption(
	cfg config.Config, sealer resume.Sealer, store viewer, engine *vtoken.Engine, log *slog.Logger, tell func(peer.Process, error),
	before *handedOver,
) *resumption {
	r := &resumption{engine: engine, log: log, tell: tell}
	folder := cfg.P11Socket + ".logins"
	var err error
	switch {
	case cfg.Resume != config.ResumeOn:
		err = resume.Remove(folder)
	case before != nil && before.Records == folder:
		r.records, err = resume.OpenAgain(folder, sealer)
		r.written = err == nil
	default:
		r.records, err = openRecords(cfg, folder, sealer)
	}
	if err != nil {
		log.Warn("applications will have to log in again after a crash of the daemon", "error", err)
	}
	r.away = newAway(engine, store, r.records, r.notKept)
	return r
}

// findAway looks for applications that have not come back since a crash. isThere reports those
// that a daemon before has handed over.
func (r *resumption) findAway(isThere func(resume.ID) bool) {
	if err := r.away.load(isThere); err != nil {
		r.log.Warn("not all logins that wait for their applications since a crash are known: "+
			"the others do not end with their tokens until the applications come", "error", err)
	}
}

func (r *resumption) notKept(p record.Peer, err error) {
	r.logOf(p).Warn("an application will have to log in again after a crash of the daemon", "error", err)
}

// folder is where the records are; empty without.
func (r *resumption) folder() string {
	if r.records == nil {
		return ""
	}
	return r.records.Folder()
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
		return p11server.Admission{Client: client, Resume: (&waiting{client: client}).resume}, nil
	}
	a, err := resume.NewApplication(who.ID, who.Process, who.Ticket)
	if err != nil {
		return p11server.Admission{}, ck.Errorf(ck.CKR_ARGUMENTS_BAD, "%w", err)
	}
	waiting := &waiting{}
	found, err := r.away.find(a.ID, waiting, func() (resume.Found, error) { return r.records.Find(a, who.Ticket) })
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
	waiting.client, waiting.ended = client, a.Ended
	waiting.done = func() { r.away.forget(a.ID) }
	return p11server.Admission{
		Client: r.keep(client, a, waiting, false), Resume: waiting.resume, Resumed: len(found.Logins) > 0,
		Finalized: func() { r.forget(a) },
	}, nil
}

// goOn has an application go on that a daemon before has handed over, with what it has not got
// back yet since a crash. It takes the keys in handed.Waiting.
func (r *resumption) goOn(one *p11server.FrozenApplication, client *vtoken.Client, handed handedApplication) {
	w := &waiting{client: client, ended: handed.Ended}
	one.Resume = w.resume
	if r.records == nil || handed.Public == nil {
		for _, l := range handed.Waiting {
			clear(l.Bound)
		}
		return
	}
	for _, l := range handed.Waiting {
		w.logins = append(w.logins, vtoken.Login{Token: l.Token, Role: l.Role, Verifier: l.Verifier, Bound: l.Bound})
	}
	a := resume.Restored(handed.ID, handed.Process, handed.Ticket, handed.Public, handed.Ended)
	w.done = func() { r.away.forget(a.ID) }
	if err := r.away.came(a, w); err != nil {
		r.logOf(client.Peer()).Warn("the logins that an application has not got back yet do not end with their tokens until it has", "error", err)
	}
	one.Client = r.keep(client, a, w, r.written && len(client.NotRestored()) == 0)
	one.Finalized = func() { r.forget(a) }
}

// keep has the record of an application follow its logins. waiting is what the application has
// not got back yet. written says that the record has what the client has at first.
func (r *resumption) keep(client *vtoken.Client, a resume.Application, w *waiting, written bool) p11server.Client {
	client.OnLogins(func(logins []vtoken.Login) {
		if written { // it is told of the logins that were restored
			written = false
			resume.Wipe(logins)
			return
		}
		about := a
		about.Ended = w.endedSessions()
		if err := r.records.Keep(about, append(logins, w.notAmong(logins)...)); err != nil {
			r.notKept(client.Peer(), err)
		}
	})
	return &application{Client: client, about: a, waiting: w, ended: func() { r.ended(a) }}
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
	r.away.forget(a.ID)
	if err := r.records.Forget(a.ID); err != nil {
		r.log.Warn("the record of an application that ended stays until the daemon starts again", "error", err)
	}
}

// application is an application with a record.
type application struct {
	*vtoken.Client
	about   resume.Application
	waiting *waiting
	ended   func()
}

// EndUse ends the sessions and logins, also those that the application has not got back yet.
// When it returns, no ticket brings them back.
func (a *application) EndUse(by string, chosen func(*record.Token) bool) ([]vtoken.TokenUse, error) {
	ended, err := a.Client.EndUse(by, chosen)
	a.waiting.end(ended, chosen)
	a.TellLogins()
	return ended, err
}

// Close ends the application, and then its record.
func (a *application) Close() {
	a.Client.Close()
	a.ended()
}

// waiting is what an application has not got back yet after a crash.
type waiting struct {
	client *vtoken.Client

	done func() // called when no login waits any more; nil is nothing to do

	mu sync.Mutex // held while the client resumes, and while logins is changed

	endedMu sync.Mutex // held while nothing else is done
	logins  []vtoken.Login
	ended   map[uint64]uint64 // as resume.Application has it; a map is never changed
	over    map[record.TokenID]bool
}

// drop notes that logins with a token are over.
func (w *waiting) drop(token record.TokenID) {
	w.endedMu.Lock()
	defer w.endedMu.Unlock()
	if w.over == nil {
		w.over = make(map[record.TokenID]bool)
	}
	w.over[token] = true
}

// notAmong returns the logins that wait, but for those that the application has, with keys of
// their own. The record has them, so that another crash does not lose them.
func (w *waiting) notAmong(has []vtoken.Login) (list []vtoken.Login) {
	w.endedMu.Lock()
	defer w.endedMu.Unlock()
	for _, l := range w.logins {
		same := func(other vtoken.Login) bool { return other.Token == l.Token }
		if !w.over[l.Token] && !slices.ContainsFunc(has, same) {
			l.Bound = l.Bound.Clone()
			list = append(list, l)
		}
	}
	return list
}

func (w *waiting) setLogins(logins []vtoken.Login) {
	w.endedMu.Lock()
	defer w.endedMu.Unlock()
	w.logins = logins
}

func (w *waiting) isOver(l vtoken.Login) bool {
	w.endedMu.Lock()
	defer w.endedMu.Unlock()
	return w.over[l.Token]
}

// resume gives the application its sessions back, and the logins that it had.
func (w *waiting) resume(list []p11rpc.ResumedSession) ([]ck.SessionHandle, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lost []ck.SessionHandle
	var sessions []vtoken.ResumedSession
	over := w.endedSessions()
	for _, s := range list {
		h := ck.SessionHandle(s.Handle)
		if upTo, some := over[s.Slot]; some && s.Handle <= upTo {
			lost = append(lost, h)
			continue
		}
		sessions = append(sessions, vtoken.ResumedSession{Handle: h, Slot: ck.SlotID(s.Slot), Flags: ck.Flags(s.Flags)})
	}
	had := w.logins
	gone, rest, err := w.client.Resume(sessions, slices.DeleteFunc(slices.Clone(had), w.isOver))
	if err != nil {
		return nil, err
	}
	w.setLogins(rest)
	wipeResumed(had, rest)
	if len(had) > len(rest) {
		w.client.TellLogins() // of those that did not hold any more
	}
	if len(rest) == 0 && w.done != nil {
		w.done()
	}
	return append(lost, gone...), nil
}

// end notes that an administrator ended the use of tokens, and drops the chosen logins that wait.
func (w *waiting) end(uses []vtoken.TokenUse, chosen func(*record.Token) bool) {
	w.mu.Lock()
	had := w.logins
	left := slices.DeleteFunc(slices.Clone(had), func(l vtoken.Login) bool { return chosen(&record.Token{ID: l.Token}) })
	w.setLogins(left)
	wipeResumed(had, left)
	w.mu.Unlock()

	w.endedMu.Lock()
	defer w.endedMu.Unlock()
	ended := maps.Clone(w.ended)
	if ended == nil {
		ended = make(map[uint64]uint64)
	}
	for _, u := range uses {
		ended[uint64(u.Token.Slot)] = uint64(w.client.LastHandle())
	}
	w.ended = ended
}

func (w *waiting) endedSessions() map[uint64]uint64 {
	w.endedMu.Lock()
	defer w.endedMu.Unlock()
	return w.ended
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
