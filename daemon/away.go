package main

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vtoken/daemon/resume"
	"vtoken/vtoken"
	"vtoken/vtoken/record"
)

// After a crash, logins wait for their applications: in the records, until the application
// comes, and in memory, until it has a session with the token again. What would end a live login
// ends these as well, at the moment when it happens: a token that is disabled and enabled again
// has ended its logins.

// waitingLogins are the logins of one application that wait for it.
type waitingLogins struct {
	resume.Record
	// number is what administrators see; 0 until one asks. It is of no use once the
	// application has come.
	number uint64
	// users are those that the process acts for.
	users []record.UserID
	// came is what keeps the logins in memory; nil until the application has come.
	came *waiting
}

func (w *waitingLogins) peer() record.Peer {
	return record.Peer{UID: w.Process.UID, GID: w.Process.GID, PID: w.Process.PID}
}

// away are the applications with logins that wait.
type away struct {
	engine  *vtoken.Engine
	store   viewer
	records *resume.Records
	failed  func(record.Peer, error) // of a record that could not be changed, and is removed

	// some says that there are applications. Each commit asks, and mostly there are none.
	some   atomic.Bool
	mu     sync.Mutex // not held across files, but for those of logins that end
	apps   map[resume.ID]*waitingLogins
	loaded bool // all that there were are in apps, or have ended
}

// viewer reads the store.
type viewer interface {
	View(fn func(tx vtoken.ReadTx) error) error
}

func newAway(engine *vtoken.Engine, store viewer, records *resume.Records, failed func(record.Peer, error)) *away {
	return &away{engine: engine, store: store, records: records, failed: failed, apps: map[resume.ID]*waitingLogins{}}
}

// load reads the records of applications, but for those that are there.
func (a *away) load(isThere func(resume.ID) bool) error {
	if a.records == nil {
		return nil
	}
	list, err := a.records.All(isThere)
	apps := make(map[resume.ID]*waitingLogins, len(list))
	for _, one := range list {
		app := &waitingLogins{Record: one}
		err = errors.Join(err, a.findUsers(app))
		apps[one.ID] = app
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.Copy(a.apps, apps)
	a.loaded = err == nil
	a.some.Store(len(a.apps) > 0)
	return err
}

// came notes the logins of an application that has come to a daemon before, and has not got them
// back yet.
func (a *away) came(about resume.Application, w *waiting) error {
	if len(w.logins) == 0 {
		return nil
	}
	app := &waitingLogins{Record: resume.Record{ID: about.ID, Process: about.Process}, came: w}
	for _, l := range w.logins {
		app.Logins = append(app.Logins, vtoken.Login{Token: l.Token, Role: l.Role, Verifier: l.Verifier})
	}
	err := a.findUsers(app)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.apps[about.ID] = app
	a.some.Store(true)
	return err
}

// findUsers finds the users that a process acts for.
func (a *away) findUsers(app *waitingLogins) error {
	return a.store.View(func(tx vtoken.ReadTx) error {
		users, err := tx.UsersOf(app.peer())
		for _, u := range users {
			app.users = append(app.users, u.ID)
		}
		return err
	})
}

// find looks for the logins of an application that has come, which are those of w from then on.
// What ended while it looked is not among them.
func (a *away) find(id resume.ID, w *waiting, find func() (resume.Found, error)) (resume.Found, error) {
	found, err := find()
	if err != nil {
		return found, err
	}
	w.setLogins(found.Logins)
	a.mu.Lock()
	defer a.mu.Unlock()
	app := a.apps[id]
	if app != nil {
		app.came = w
	}
	for _, l := range found.Logins {
		if a.loaded && !app.has(l.Token) {
			w.drop(l.Token)
		}
	}
	return found, nil
}

// has reports whether the application has a login with a token. A nil one has none.
func (w *waitingLogins) has(token record.TokenID) bool {
	return w != nil && slices.ContainsFunc(w.Logins, func(l vtoken.Login) bool { return l.Token == token })
}

// forget is for an application whose logins do not wait any more.
func (a *away) forget(id resume.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remove(id)
}

// remove removes an application. a.mu is locked.
func (a *away) remove(id resume.ID) {
	delete(a.apps, id)
	a.some.Store(len(a.apps) > 0)
}

// apply ends the logins that a commit has ended. The store calls it inside of Update.
func (a *away) apply(changes []record.Change) {
	if !a.some.Load() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for _, change := range changes {
		if change.Token == nil && !change.Deleted && !change.UserLost {
			continue // of an object, mostly
		}
		for _, app := range a.apps {
			for _, l := range app.Logins {
				if app.isEnded(l, change, now) {
					a.end(app, l.Token, 0, 0)
				}
			}
		}
	}
}

// isEnded reports whether a change ends a login.
func (w *waitingLogins) isEnded(l vtoken.Login, change record.Change, now time.Time) bool {
	switch {
	case change.UserLost:
		return slices.Contains(w.users, change.UserID)
	case change.TokenID != l.Token:
		return false
	case change.Deleted:
		return true
	}
	return change.Token != nil && !l.Outlives(change.Token, w.users, now)
}

// end ends the logins of an application with a token. a.mu is locked.
func (a *away) end(app *waitingLogins, token record.TokenID, slot, handle uint64) {
	app.Logins = slices.DeleteFunc(slices.Clone(app.Logins), func(l vtoken.Login) bool { return l.Token == token })
	if app.came != nil {
		app.came.drop(token)
	}
	if err := a.records.End(app.ID, token, slot, handle); err != nil {
		a.failed(app.peer(), err)
	}
	if len(app.Logins) == 0 {
		a.remove(app.ID)
	}
}

// list returns the applications that have not come, with a number each. It forgets those whose
// processes have ended.
func (a *away) list(number func() uint64) (list []waitingLogins) {
	for _, app := range a.notCome(number) {
		if app.Process.Lives() {
			list = append(list, app)
			continue
		}
		a.forget(app.ID)
		if err := a.records.Forget(app.ID); err != nil {
			a.failed(app.peer(), err)
		}
	}
	return list
}

// notCome returns the applications that have not come, as they are now.
func (a *away) notCome(number func() uint64) (list []waitingLogins) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, app := range a.apps {
		if app.came != nil {
			continue
		}
		if app.number == 0 {
			app.number = number()
		}
		list = append(list, *app)
	}
	return list
}

// endUse ends the logins of an application that has not come, and its sessions, with the chosen
// tokens, because an administrator of that name wants it. It returns the first error of the
// listener, which can refuse the end of each. found is false where there is no such application.
func (a *away) endUse(number uint64, by string, chosen []*record.Token) (found bool, err error) {
	app, logins := a.byNumber(number)
	if app == nil {
		return false, nil
	}
	client := a.engine.Connect(app.peer())
	defer client.Close()
	for _, t := range chosen {
		for _, l := range logins {
			if l.Token != t.ID {
				continue
			}
			err = errors.Join(err, client.EndAway(by, t, l.Role, func() error {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.end(app, t.ID, uint64(t.Slot), uint64(client.LastHandle()))
				return nil
			}))
		}
	}
	return true, err
}

// byNumber returns an application that has not come, and its logins; nil where there is none.
func (a *away) byNumber(number uint64) (*waitingLogins, []vtoken.Login) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, app := range a.apps {
		if app.number == number && app.came == nil {
			return app, app.Logins
		}
	}
	return nil, nil
}

// tokensOf are the tokens with which an application has logins.
func (w waitingLogins) tokensOf(store viewer) (list []vtoken.TokenUse) {
	_ = store.View(func(tx vtoken.ReadTx) error {
		for _, l := range w.Logins {
			if t, err := tx.Token(l.Token); err == nil { // else its logins end in a moment
				list = append(list, vtoken.TokenUse{Token: t, LoggedIn: true, Role: l.Role})
			}
		}
		return nil
	})
	return list
}
