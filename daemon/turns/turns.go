package turns

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	// quantum is how long a turn lasts before a pause ends it, where others wait.
	quantum = 10 * time.Millisecond
	// overdue is how long a turn lasts without a pause before another owner is let in
	// beside it.
	overdue = 100 * time.Millisecond
	// maxWaiting bounds the work of one owner that waits: each piece of it holds a
	// goroutine and its stack.
	maxWaiting = 1024
)

// ErrTooMuch is returned where as much work of an owner waits as may.
var ErrTooMuch = errors.New("too much slow work of the same user waits for a processor; try again later")

// Queue gives out turns. Its methods are safe for concurrent use.
type Queue struct {
	processors int
	now        func() time.Time

	mu      sync.Mutex
	shared  bool // quick work of several owners is to be expected
	owners  map[string]*owner
	running []*turn
	waiting int
	arrived uint64        // counts turns that were asked for
	floor   time.Duration // what somebody who comes is taken to have used already
	watch   *time.Timer   // runs while turns wait
}

// owner is one who has work, and has had some since the queue was last empty.
type owner struct {
	used    time.Duration // of processors
	running int
	line    []*turn // those that wait, the first to run first
}

// turn is one piece of work.
type turn struct {
	owner   *owner
	number  uint64 // in the order of arrival
	granted chan struct{}
	running bool
	began   time.Time // or paused last
}

// New is a queue for so many processors; 0 is as many as Go uses.
func New(processors int) *Queue {
	if processors == 0 {
		processors = runtime.GOMAXPROCS(0)
	}
	q := &Queue{processors: processors, now: time.Now, shared: true, owners: make(map[string]*owner)}
	q.watch = time.AfterFunc(time.Hour, q.look)
	q.watch.Stop()
	return q
}

// Share says whether several owners are about. While there is one only, its slow work may
// have all processors; else one is left free, as long as there are two. A new queue is
// shared.
func (q *Queue) Share(shared bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shared = shared
	q.grant()
}

// Do runs work when it is the owner's turn, and returns nil when work has returned. Where
// ctx ends before, it does not run it and returns ctx's error; where too much waits, it
// returns [ErrTooMuch].
//
// Work that consists of many steps calls pause between them: others may then have a turn
// first. An error of pause is ctx's, and work has to end.
//
// Work does not call Do: it could wait for itself.
func (q *Queue) Do(ctx context.Context, name string, work func(pause func() error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t, err := q.ask(name)
	if err != nil {
		return err
	}
	if err := q.await(ctx, t); err != nil {
		return err
	}
	defer q.end(t)
	work(func() error { return q.pause(ctx, t) })
	return nil
}

// ask puts a turn at the end of its owner's line.
func (q *Queue) ask(name string) (*turn, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := q.owners[name]
	if o == nil {
		o = &owner{used: q.floor}
		q.owners[name] = o
	}
	if len(o.line) >= maxWaiting {
		return nil, ErrTooMuch
	}
	if o.running == 0 && len(o.line) == 0 {
		o.used = max(o.used, q.floor) // nobody saves up
	}
	q.arrived++
	t := &turn{owner: o, number: q.arrived, granted: make(chan struct{}, 1)}
	o.line = append(o.line, t)
	q.waiting++
	q.grant()
	return t, nil
}

// await returns when the turn has begun, or takes it out of the line where ctx ends first.
func (q *Queue) await(ctx context.Context, t *turn) error {
	select {
	case <-t.granted:
		if ctx.Err() == nil {
			return nil
		}
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.running {
		q.stop(t)
	} else {
		i := slices.Index(t.owner.line, t)
		t.owner.line = slices.Delete(t.owner.line, i, i+1)
		q.waiting--
	}
	q.grant()
	return ctx.Err()
}

// pause ends the turn and waits for the next where that is somebody else's by now.
func (q *Queue) pause(ctx context.Context, t *turn) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	if q.now().Sub(t.began) < quantum {
		q.mu.Unlock()
		return nil
	}
	q.charge(t)
	if len(q.running) <= q.limit() && !q.isBehind(t.owner) {
		q.mu.Unlock()
		return nil
	}
	q.stop(t)
	t.owner.line = slices.Insert(t.owner.line, 0, t)
	q.waiting++
	q.grant()
	q.mu.Unlock()
	return q.await(ctx, t)
}

// isBehind reports whether somebody waits who has used less.
func (q *Queue) isBehind(o *owner) bool {
	next := q.next()
	return next != nil && next != o && next.used < o.used
}

// end ends a turn, unless a pause that failed has done so.
func (q *Queue) end(t *turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.running {
		q.stop(t)
		q.grant()
	}
}

// The rest is called with q.mu locked.

// limit is how many turns run at a time.
func (q *Queue) limit() int {
	if q.shared {
		return max(1, q.processors-1)
	}
	return q.processors
}

// ownLimit is how many of them one owner has: where there are several, one of them is
// always another's.
func (q *Queue) ownLimit() int {
	if q.shared {
		return max(1, q.limit()-1)
	}
	return q.limit()
}

// grant begins as many turns as may run.
func (q *Queue) grant() {
	for {
		o := q.next()
		if o == nil || !q.hasRoom(o) {
			break
		}
		t := o.line[0]
		o.line = slices.Delete(o.line, 0, 1)
		q.waiting--
		q.floor = max(q.floor, o.used)
		t.running, t.began = true, q.now()
		o.running++
		q.running = append(q.running, t)
		t.granted <- struct{}{}
	}
	switch {
	case q.waiting > 0:
		q.watch.Reset(overdue)
	case len(q.running) == 0:
		q.watch.Stop()
		clear(q.owners)
		q.floor = 0
	default:
		q.watch.Stop()
	}
}

// look is called while turns wait: one that runs may have become overdue.
func (q *Queue) look() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.grant()
}

// next is the owner whose turn comes next, nil where nobody may have one.
func (q *Queue) next() *owner {
	var best *owner
	for _, o := range q.owners {
		if len(o.line) == 0 || o.running >= q.ownLimit() {
			continue
		}
		if best == nil || o.used < best.used || o.used == best.used && o.line[0].number < best.line[0].number {
			best = o
		}
	}
	return best
}

// hasRoom reports whether a turn of the owner can begin. Beside a turn that is overdue, an
// owner who has none gets the processor that is left free, or the one that there is.
func (q *Queue) hasRoom(o *owner) bool {
	if len(q.running) < q.limit() {
		return true
	}
	if o.running > 0 || len(q.running) >= max(2, q.processors) {
		return false
	}
	now := q.now()
	return slices.ContainsFunc(q.running, func(t *turn) bool { return now.Sub(t.began) >= overdue })
}

// charge counts the time of a turn since it began or paused last.
func (q *Queue) charge(t *turn) {
	now := q.now()
	t.owner.used += now.Sub(t.began)
	t.began = now
}

// stop takes a turn out of those that run.
func (q *Queue) stop(t *turn) {
	q.charge(t)
	t.running = false
	t.owner.running--
	i := slices.Index(q.running, t)
	q.running = slices.Delete(q.running, i, i+1)
}
