package vtoken

import (
	"time"

	"vtoken/vtoken/record"
)

// clock looks again at what applications see when a token expires or an
// assignment begins or ends: changes that no commit tells of. It is guarded by
// Engine.mu.
type clock struct {
	last  time.Time   // when it was looked at it last
	next  time.Time   // when it rings, zero for never
	timer *time.Timer // nil until first needed
}

// maxClock bounds one wait, so that a clock that was set is noticed.
const maxClock = time.Hour

// watchClock makes the clock ring no later than at the next change of the token.
// e.mu is locked.
func (e *Engine) watchClock(t *record.Token) {
	now := e.opts.Now()
	next := t.NextChange(now)
	if next.IsZero() || !e.clock.next.IsZero() && !next.Before(e.clock.next) {
		return
	}
	e.clock.next = next
	wait := min(next.Sub(now), maxClock)
	if e.clock.timer == nil {
		e.clock.timer = time.AfterFunc(wait, e.Tick)
		return
	}
	e.clock.timer.Reset(wait)
}

// Tick makes every application see what the time of now lets it see: sessions
// with tokens that it may no longer use are closed, and slots that came or went
// raise events. The engine calls it by itself when the next token expires.
func (e *Engine) Tick() {
	e.applyMu.Lock()
	defer e.applyMu.Unlock()
	e.mu.Lock()
	last, now := e.clock.last, e.opts.Now()
	e.clock.last, e.clock.next = now, time.Time{}
	var turned []*record.Token
	for _, t := range e.known {
		if next := t.NextChange(last); !next.IsZero() && !next.After(now) {
			turned = append(turned, t)
		}
		e.watchClock(t)
	}
	e.mu.Unlock()
	if len(turned) == 0 {
		return
	}
	for _, c := range e.everyClient() {
		c.lookAgain(turned, last, now)
	}
}

// lookAgain closes what the application may no longer have and raises the events
// of tokens that the clock turned.
func (c *Client) lookAgain(turned []*record.Token, last, now time.Time) {
	c.closeWhere(func(s *session) bool { return !c.sees(s.token().record()) })
	for _, t := range turned {
		for _, u := range c.actsFor() {
			if t.VisibleTo(u.ID, last) != t.VisibleTo(u.ID, now) {
				c.events.raise(t.Slot)
			}
		}
	}
}
