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

// ErrTooMuch is returned if too much work of an owner waits already.
var ErrTooMuch = errors.New("too much slow work of the same user waits for a processor; try again later")

// Queue hands out turns. Its methods are safe for concurrent use.
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

// owner is somebody with work, now or since the queue was last empty.
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

// New returns a queue for that many processors; 0 is as many as Go uses.
func New(processors int) *Queue {
	if processors == 0 {
		processors = runtime.GOMAXPROCS(0)
	}
	q := &Queue{processors: processors, now: time.Now, shared: true, owners: make(map[string]*owner)}
	q.watch = time.AfterFunc(time.Hour, q.look)
	q.watch.Stop()
	return q
}

// Share sets whether several owners are active. A single owner may use all processors for slow
// work; otherwise one stays free, if there are two or more. A new queue is shared.
func (q *Queue) Share(shared bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shared = shared
	q.grant()
}

// Do runs work when it is the owner's turn, and returns nil when work has returned. If ctx
// ends before, work does not run, and Do returns ctx's error; if too much waits, it returns
// [ErrTooMuch].
//
// Work with many steps calls pause between them: others may then have a turn first. An error
// of pause is ctx's, and work must return.
//
// Work must not call Do, because it could wait for itself.
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

// ask appends a turn to its owner's line.
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

// await returns when the turn has begun, or removes it from the line if ctx ends first.
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

// pause ends the turn and waits for another one, if somebody else is next.
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

// isBehind reports whether an owner waits that has used less.
func (q *Queue) isBehind(o *owner) bool {
	next := q.next()
	return next != nil && next != o && next.used < o.used
}

// end ends a turn, unless a failed pause has done so.
func (q *Queue) end(t *turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.running {
		q.stop(t)
		q.grant()
	}
}

// The rest is called with q.mu locked.

// limit is the number of turns that run at a time.
func (q *Queue) limit() int {
	if q.shared {
		return max(1, q.processors-1)
	}
	return q.processors
}

// ownLimit is how many of them one owner may have. If there are several turns, one is always
// for another owner.
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

// look runs while turns wait, because a running turn may have become overdue.
func (q *Queue) look() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.grant()
}

// next returns the owner with the next turn, or nil.
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

// hasRoom reports whether a turn of the owner can begin. Beside an overdue turn, an owner
// without a turn gets the processor that is left free, or the only one.
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

// charge counts the time of a turn since it began or last paused.
func (q *Queue) charge(t *turn) {
	now := q.now()
	t.owner.used += now.Sub(t.began)
	t.began = now
}

// stop removes a turn from the running ones.
func (q *Queue) stop(t *turn) {
	q.charge(t)
	t.running = false
	t.owner.running--
	i := slices.Index(q.running, t)
	q.running = slices.Delete(q.running, i, i+1)
}
