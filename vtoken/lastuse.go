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

// uses are the tokens whose use is to be noted in the store. A login with a PIN
// that is remembered commits nothing, and does not wait for this either: what is
// lost, where the store fails or too many wait, the next login notes.
type uses struct {
	mu      sync.Mutex
	waiting map[record.TokenID]struct{}
	writing bool
	paused  time.Time // no note before
}

// useDue reports whether a use now is to be noted: LastUsedAt is right to within
// an hour. A time that is ahead of the clock, which was set back, is noted anew.
func useDue(last, now time.Time) bool {
	return now.Sub(last) >= useInterval || last.After(now)
}

// noteUse has a use of the token by its holder noted, soon.
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

// writeUses notes what waits, one token after the other, and ends.
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

// errNoted ends an update that has nothing to note any more.
var errNoted = errors.New("the use is noted")

// markUsed notes in a record that is about to be written that its holder used it.
func (e *Engine) markUsed(r *record.Token) {
	if now := e.opts.Now(); useDue(r.LastUsedAt, now) {
		r.LastUsedAt = now.UTC()
	}
}

// first takes a token from those that wait. What is noted while it is written waits again.
// Where there is none the writer ends.
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

// pause forgets what waits after a fault, and none comes for a while.
func (u *uses) pause(now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.waiting)
	u.paused = now.Add(afterFailure)
}
