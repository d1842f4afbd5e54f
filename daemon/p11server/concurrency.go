package p11server

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// stuckAfter is how long a gate may stand still while requests wait. Then it admits one more:
// those inside are not computing, but waiting for something.
const stuckAfter = 20 * time.Millisecond

// maxSlow is how many slow requests of one owner run at the same time. Most of them wait, for
// the queue of slow work or for the disk, which commits many changes at once.
const maxSlow = 64

// owner is the state that the connections of one owner share. It bounds the requests that run
// for them at the same time, so that more connections do not get more of the processors.
type owner struct {
	conns int  // Server.mu
	quick gate // for requests that compute from their beginning to their end
	slow  gate // for those that wait in between
}

func newOwner(quick func(now int64) int) *owner {
	return &owner{quick: gate{limit: quick}, slow: gate{limit: func(int64) int { return maxSlow }}}
}

// contention tracks whether several owners have work at about the same time, and how many
// quick requests of one owner may run at once.
type contention struct {
	alone, beside int                   // while there is one owner only, and beside others
	last          atomic.Pointer[owner] // who had a request last
	until         atomic.Int64          // several owners have work, as of time.UnixNano
}

// aloneForEach is how many quick requests of one owner run at once, for each processor, while
// no other owner has any: more than a few applications with a few threads need.
const aloneForEach = 16

// rivalryLasts is how long another owner is expected to come back.
const rivalryLasts = 200 * time.Millisecond

// newContention leaves one processor to other owners, if there are two or more.
func newContention() *contention {
	n := runtime.GOMAXPROCS(0)
	return &contention{alone: aloneForEach * n, beside: max(1, n-1)}
}

// note records a request of an owner.
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

// gate admits a limited number of callers at the same time. The others wait in the order in
// which they came.
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

// enter returns when the caller is admitted, and must leave; or ctx's error if that ends
// first. If nobody has to wait, it costs one atomic operation.
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

// join appends the caller to the line.
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

// admitStuck admits one caller if nobody was admitted since its last call.
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

// leave gives up the caller's place, and admits the next one.
func (g *gate) leave() {
	g.inside.Add(-1)
	if g.waiting.Load() > 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.admitWaiting()
	}
}

// tryEnter takes a place, if there is one.
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

// admitWaiting admits waiting callers as long as there is a place. g.mu is locked.
func (g *gate) admitWaiting() {
	now := time.Now().UnixNano()
	for len(g.line) > 0 && g.tryEnter(now) {
		g.admitFirst()
	}
}

// admitFirst admits the first waiting caller, whose place is taken already. g.mu is locked.
func (g *gate) admitFirst() {
	close(g.line[0])
	g.line[0] = nil
	g.line = g.line[1:]
	g.waiting.Add(-1)
	g.let++
}

// gateOf returns the gate of a request.
func (c *conn) gateOf(t *task) *gate {
	if c.isSlow(t) {
		return &c.ownerState.slow
	}
	return &c.ownerState.quick
}
