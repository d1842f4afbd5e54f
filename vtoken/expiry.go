package vtoken

import (
	"container/heap"
	"time"

	"vtoken/vtoken/record"
)

// clock applies what changes with time alone: tokens that expire, assignments that begin or
// end. Engine.mu guards it.
type clock struct {
	last   time.Time   // when it was looked at it last
	next   time.Time   // when it rings, zero for never
	timer  *time.Timer // nil until first needed
	alarms alarms
	of     map[record.TokenID]*alarm
}

// alarm is the next change of a token with time.
type alarm struct {
	at    time.Time
	token *record.Token
	index int // in clock.alarms
}

// alarms is a heap; the earliest is first.
type alarms []*alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}
func (a *alarms) Push(x any) {
	one := x.(*alarm)
	one.index = len(*a)
	*a = append(*a, one)
}
func (a *alarms) Pop() any {
	last := len(*a) - 1
	one := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	return one
}

// maxClock bounds one wait, so that a change of the system clock is noticed.
const maxClock = time.Hour

func (c *clock) begin(now time.Time) { c.last, c.of = now, map[record.TokenID]*alarm{} }

// set schedules the token's next change after now.
func (c *clock) set(t *record.Token, now time.Time) {
	c.forget(t.ID)
	if at := t.NextChange(now); !at.IsZero() {
		one := &alarm{at: at, token: t}
		c.of[t.ID] = one
		heap.Push(&c.alarms, one)
	}
}

// forget cancels the token's alarm, if there is one.
func (c *clock) forget(id record.TokenID) {
	if one := c.of[id]; one != nil {
		delete(c.of, id)
		heap.Remove(&c.alarms, one.index)
	}
}

// watchExpiry schedules the token's next change. e.mu is locked.
func (e *Engine) watchExpiry(t *record.Token) {
	now := e.opts.Now()
	e.clock.set(t, now)
	e.armTimer(now)
}

// armTimer sets the timer to the earliest alarm. e.mu is locked.
func (e *Engine) armTimer(now time.Time) {
	c := &e.clock
	if len(c.alarms) == 0 {
		return
	}
	next := c.alarms[0].at
	if !c.next.IsZero() && !next.Before(c.next) {
		return
	}
	c.next = next
	wait := min(next.Sub(now), maxClock)
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, e.Tick)
		return
	}
	c.timer.Reset(wait)
}

// Tick applies what has changed with time: it closes sessions with tokens that applications
// may no longer use, and raises events for slots that appear or disappear. The engine calls it
// when the next alarm is due.
func (e *Engine) Tick() {
	e.applyMu.Lock()
	defer e.applyMu.Unlock()
	for _, t := range e.dueChanges() {
		t()
	}
}

// dueChanges returns what changed since the last call, one function for each token.
func (e *Engine) dueChanges() (all []func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	last, now := e.clock.last, e.opts.Now()
	e.clock.last, e.clock.next = now, time.Time{}
	if now.Before(last) { // it was set back, so changes that were will be again
		for _, t := range e.known {
			e.clock.set(t, now)
		}
	}
	for len(e.clock.alarms) > 0 && !e.clock.alarms[0].at.After(now) {
		t := e.clock.alarms[0].token
		e.clock.set(t, now)
		clients := e.clientsOf(t)
		all = append(all, func() {
			for _, c := range clients {
				c.updateVisibility(t, last, now)
			}
		})
	}
	e.armTimer(now)
	return all
}

// updateVisibility closes what the application may no longer see, and raises the slot event of
// a token that changed with time.
func (c *Client) updateVisibility(t *record.Token, last, now time.Time) {
	if !c.sees(t) {
		c.detach(t.ID)
	}
	for _, u := range c.actsFor() {
		if t.VisibleTo(u.ID, last) != t.VisibleTo(u.ID, now) {
			c.events.raise(t.Slot)
		}
	}
}
