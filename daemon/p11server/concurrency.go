package p11server

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// stuckAfter is how long nobody may go in or out while others wait. Then one is let in
// beside those who are in: they do not compute, but wait for something.
const stuckAfter = 20 * time.Millisecond

// maxSlow is how many slow requests of one owner are worked on at the same time. Most of
// them wait: for the queue of slow work, or for the disk, which writes many changes at
// once.
const maxSlow = 64

// owner is what the connections of one owner have in common: the work that is done for
// them at the same time is bounded, so that who has many connections does not have the
// processors that much more often.
type owner struct {
	conns int  // Server.mu
	quick gate // for requests that compute from their beginning to their end
	slow  gate // for those that wait in between
}

func newOwner(quick func(now int64) int) *owner {
	return &owner{quick: gate{limit: quick}, slow: gate{limit: func(int64) int { return maxSlow }}}
}

// contention tells whether several owners have work at about the same time, and how many quick
// requests of one are worked on at once.
type contention struct {
	alone, beside int                   // while there is one owner only, and beside others
	last          atomic.Pointer[owner] // who had a request last
	until         atomic.Int64          // several owners have work, as of time.UnixNano
}

// Quick requests of one owner at once, for each processor, while nobody else has any: more
// than a few applications with a few threads each have.
const aloneForEach = 16

// rivalryLasts is how long an owner is expected to come again.
const rivalryLasts = 200 * time.Millisecond

// newContention leaves one processor to the others, as long as there are two.
func newContention() *contention {
	n := runtime.GOMAXPROCS(0)
	return &contention{alone: aloneForEach * n, beside: max(1, n-1)}
}

// note is told of every request.
func (r *contention) note(o *owner, now int64) {
	if r.last.Load() != o && r.last.Swap(o) != nil {
		r.until.Store(now + int64(rivalryLasts))
	}
}

func (r *contention) limit(now int64) int {
	if now < r.until.Load() {
		return r.beside
	}
	return r.alone
}

// gate lets so many in at the same time, and the others one after the other in the order
// in which they came.
type gate struct {
	limit   func(now int64) int // as of time.UnixNano
	inside  atomic.Int32
	waiting atomic.Int32 // is len(line)

	mu    sync.Mutex
	line  []chan struct{}
	let   uint64      // in from the line, since the beginning
	seen  uint64      // what let was when watch last looked
	watch *time.Timer // runs while somebody waits
}

// enter returns when the caller may go in, and has to leave; or ctx's error where that
// ends before. As long as nobody has to wait, it costs one atomic operation.
func (g *gate) enter(ctx context.Context, now int64) error {
	if g.waiting.Load() == 0 && g.tryEnter(now) {
		return nil
	}
	turn := make(chan struct{})
	g.join(turn)
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.line, turn)
	if i < 0 {
		return nil // it was let in meanwhile
	}
	g.line = slices.Delete(g.line, i, i+1)
	g.waiting.Add(-1)
	return ctx.Err()
}

// join puts the caller at the end of the line.
func (g *gate) join(turn chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.line = append(g.line, turn)
	g.waiting.Add(1) // before admitWaiting looks, so that a caller that leaves meanwhile looks as well
	g.admitWaiting()
	switch {
	case len(g.line) != 1: // nobody waits, or the watch runs
	case g.watch == nil:
		g.watch = time.AfterFunc(stuckAfter, g.admitStuck)
	default:
		g.watch.Reset(stuckAfter)
	}
}

// admitStuck lets one in where nobody was since it last looked.
func (g *gate) admitStuck() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.line) > 0 && g.let == g.seen {
		g.inside.Add(1)
		g.admitFirst()
	}
	g.seen = g.let
	if len(g.line) > 0 {
		g.watch.Reset(stuckAfter)
	}
}

// leave lets the next one in.
func (g *gate) leave() {
	g.inside.Add(-1)
	if g.waiting.Load() > 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.admitWaiting()
	}
}

// tryEnter takes a place, where there is one.
func (g *gate) tryEnter(now int64) bool {
	for limit := int32(g.limit(now)); ; {
		n := g.inside.Load()
		if n >= limit {
			return false
		}
		if g.inside.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// admitWaiting lets those in who have waited, as long as there is a place. g.mu is locked.
func (g *gate) admitWaiting() {
	now := time.Now().UnixNano()
	for len(g.line) > 0 && g.tryEnter(now) {
		g.admitFirst()
	}
}

// admitFirst lets the first one in, who has a place. g.mu is locked.
func (g *gate) admitFirst() {
	close(g.line[0])
	g.line[0] = nil
	g.line = g.line[1:]
	g.waiting.Add(-1)
	g.let++
}

// gateOf is where a request waits until it is worked on.
func (c *conn) gateOf(t *task) *gate {
	if c.isSlow(t) {
		return &c.ownerState.slow
	}
	return &c.ownerState.quick
}
