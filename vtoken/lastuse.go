package vtoken

import (
	"errors"
	"sync"
	"time"

	"vtoken/vtoken/record"
)

// How often the use of a token is noted, how many tokens wait for that, and how
// long none is noted after a fault of the store.
const (
	useInterval  = time.Hour
	maxNoted     = 1024
	afterFailure = time.Minute
)

// uses are the tokens whose LastUsedAt is to be updated. A login with a remembered PIN commits
// nothing and does not wait for the update either. If the store fails, or too many updates
// wait, the next login tries again.
type uses struct {
	mu      sync.Mutex
	waiting map[record.TokenID]struct{}
	writing bool
	paused  time.Time // no note before
}

// useDue reports whether LastUsedAt needs an update: it is correct to within an hour. A time
// in the future, from before the clock was set back, is replaced.
func useDue(last, now time.Time) bool {
	return now.Sub(last) >= useInterval || last.After(now)
}

// noteUse schedules an update of LastUsedAt.
func (e *Engine) noteUse(t *token) {
	now := e.opts.Now()
	if !useDue(t.record().LastUsedAt, now) {
		return
	}
	u := &e.uses
	u.mu.Lock()
	defer u.mu.Unlock()
	if wait := u.paused.Sub(now); wait > 0 && wait <= afterFailure || len(u.waiting) >= maxNoted {
		return
	}
	if u.waiting == nil {
		u.waiting = map[record.TokenID]struct{}{}
	}
	u.waiting[t.id] = struct{}{}
	if !u.writing {
		u.writing = true
		go e.writeUses()
	}
}

// writeUses writes the scheduled updates, one token after the other, and returns.
func (e *Engine) writeUses() {
	for id, more := e.uses.first(); more; id, more = e.uses.first() {
		if err := e.writeUse(id); err != nil {
			e.uses.pause(e.opts.Now())
		}
	}
}

func (e *Engine) writeUse(id record.TokenID) error {
	err := e.changeToken(id, func(r *record.Token) error {
		if !useDue(r.LastUsedAt, e.opts.Now()) {
			return errNoted
		}
		e.markUsed(r)
		return nil
	})
	if errors.Is(err, errNoted) {
		return nil
	}
	return err
}

// errNoted ends an update that is no longer needed.
var errNoted = errors.New("the use is noted")

// markUsed sets LastUsedAt in a record that is about to be written.
func (e *Engine) markUsed(r *record.Token) {
	if now := e.opts.Now(); useDue(r.LastUsedAt, now) {
		r.LastUsedAt = now.UTC()
	}
}

// first takes a token from those that wait. A use that is noted while it is being written
// waits again. If none waits, the writer ends.
func (u *uses) first() (id record.TokenID, more bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id = range u.waiting {
		delete(u.waiting, id)
		return id, true
	}
	u.writing = false
	return "", false
}

// pause drops the scheduled updates after an error of the store, and accepts none for a while.
func (u *uses) pause(now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.waiting)
	u.paused = now.Add(afterFailure)
}
