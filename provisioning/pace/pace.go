package pace

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vtoken/vtoken/pin"
)

// Bounds of [Paces]: the keys whose wrong tries are kept, and the tries of one secret that
// wait for each other.
const (
	maxKeys    = 10_000
	maxWaiting = 64
)

// Paces has the paces of wrong tries. The first key of a comparison names the secret, for
// all credentials together, so that more credentials get no more tries. Further ones name
// who makes the tries. The zero value is ready to use, and safe for concurrent use.
type Paces[K comparable] struct {
	mu sync.Mutex
	of map[K]*entry
}

// entry is the pace of a key. busy has room for the one comparison that is running, and
// users counts references.
type entry struct {
	pace  pin.Pace
	busy  chan struct{}
	users int
}

// Verdict is the result of a comparison.
type Verdict int

// The verdicts.
const (
	Undecided Verdict = iota // nothing was compared, or the result tells nothing
	Right
	Wrong
)

// ErrBusy is returned where too many comparisons of a secret wait for each other.
var ErrBusy = errors.New("too many comparisons at the same time")

// TooSoonError is returned where the wait after wrong tries is too long.
type TooSoonError struct {
	Wait time.Duration
}

// Error says how long the wait is.
func (e *TooSoonError) Error() string { return fmt.Sprintf("try again in %v", e.Wait) }

// EndedError is returned where the context ended before the comparison.
type EndedError struct {
	Err error
}

// Error says why the context ended.
func (e *EndedError) Error() string { return fmt.Sprintf("ended while it waited: %v", e.Err) }

// Unwrap returns the error of the context.
func (e *EndedError) Unwrap() error { return e.Err }

// Clock is the time as a comparison uses it.
type Clock struct {
	Now func() time.Time
	// Wait waits for a duration, or returns an error when ctx ends first.
	Wait func(ctx context.Context, d time.Duration) error
}

// Compare calls compare at the pace of its keys, and records the verdict. It returns the
// error of compare, or [ErrBusy], a [TooSoonError] or an [EndedError] if compare was not
// called. compare must store the try before it compares.
func (p *Paces[K]) Compare(ctx context.Context, clock Clock, keys []K, compare func() (Verdict, error)) error {
	e := p.join(keys[0], clock.Now())
	if e == nil {
		return ErrBusy
	}
	defer func() { p.leave(keys[0], e, clock.Now()) }()
	if err := e.enter(ctx); err != nil {
		return err
	}
	inside := true
	defer func() {
		if inside {
			<-e.busy
		}
	}()
	wait, ok := p.reserve(keys, clock.Now())
	if !ok {
		return &TooSoonError{wait}
	}
	if wait > 0 {
		<-e.busy // others may compare meanwhile
		inside = false
		if err := clock.Wait(ctx, wait); err != nil {
			return &EndedError{err}
		}
		if err := e.enter(ctx); err != nil {
			return err
		}
		inside = true
	}
	v, err := compare()
	p.record(keys, v, clock.Now())
	return err
}

// enter waits until no other comparison is running. The caller receives from busy when it
// is done.
func (e *entry) enter(ctx context.Context) error {
	select {
	case e.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &EndedError{ctx.Err()}
	}
}

// join returns the entry of a key and holds a reference to it, or nil where too many hold
// one.
func (p *Paces[K]) join(key K, now time.Time) *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.findLocked(key, now)
	if e.users >= maxWaiting {
		return nil
	}
	e.users++
	return e
}

// leave drops the reference of join, and deletes an entry without wrong tries.
func (p *Paces[K]) leave(key K, e *entry, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.users--; e.users == 0 && e.pace.Over(now) {
		delete(p.of, key)
	}
}

func (p *Paces[K]) findLocked(key K, now time.Time) *entry {
	if e := p.of[key]; e != nil {
		return e
	}
	if len(p.of) >= maxKeys {
		p.makeRoomLocked(now)
	}
	if p.of == nil {
		p.of = map[K]*entry{}
	}
	e := &entry{busy: make(chan struct{}, 1)}
	p.of[key] = e
	return e
}

// makeRoomLocked deletes the entries whose wrong tries are old, or at least the oldest one.
func (p *Paces[K]) makeRoomLocked(now time.Time) {
	var oldest K
	var until time.Time
	for key, e := range p.of {
		switch {
		case e.users > 0:
		case e.pace.Over(now):
			delete(p.of, key)
		case until.IsZero() || e.pace.Until().Before(until):
			oldest, until = key, e.pace.Until()
		}
	}
	if len(p.of) >= maxKeys {
		delete(p.of, oldest)
	}
}

// reserve reserves a place in the queues of all keys, or in none if one of them is too
// long.
func (p *Paces[K]) reserve(keys []K, now time.Time) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	after := make([]pin.Pace, len(keys))
	for i, key := range keys {
		if e := p.of[key]; e != nil {
			after[i] = e.pace
		}
		long, ok := after[i].Turn(now)
		if wait = max(wait, long); !ok {
			return wait, false
		}
	}
	for i, key := range keys {
		if e := p.of[key]; e != nil {
			e.pace = after[i]
		}
	}
	return wait, true
}

// record records a verdict. A right secret clears the wrong tries of the secret, but not
// those of who made them: it may be the secret of the attacker's own token.
func (p *Paces[K]) record(keys []K, v Verdict, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch v {
	case Right:
		if e := p.of[keys[0]]; e != nil {
			e.pace = pin.Pace{}
		}
	case Wrong:
		for _, key := range keys {
			p.findLocked(key, now).pace.Wrong(now)
		}
	}
}
