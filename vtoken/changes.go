package vtoken

import (
	"bytes"
	"slices"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// effect is what a change of a token's record means for applications.
type effect struct {
	old, new *record.Token // nil where it was not known, or is gone
	id       record.TokenID
	ends     [2]bool // the logins of this pin.Role are over
	affected []*Client
}

// applyChanges applies the changes of one commit to memory. Nothing else changes what is
// there. The store calls it inside of Update, so it waits for no session, no PIN check and no
// store call.
func (e *Engine) applyChanges(changes []record.Change) {
	e.restoring.Store(nil) // before an application is told to look again
	e.applyMu.Lock()
	defer e.applyMu.Unlock()
	effects, doomed, stale := e.updateMemory(changes)
	e.wipeKeys(doomed)
	if stale {
		for _, c := range e.allClients() {
			c.stale.Store(true)
			c.events.nudge()
			c.endLost(changes)
		}
	}
	for _, f := range effects {
		for _, c := range f.affected {
			c.applyEffect(f)
		}
	}
}

// updateMemory updates what is in memory. It returns the effects on applications, the parsed
// keys to wipe, and whether users changed.
func (e *Engine) updateMemory(changes []record.Change) (effects []effect, doomed []*liveKey, stale bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for r := range e.recordings {
		r.note(changes)
	}
	for _, change := range changes {
		stale = stale || change.UserID != ""
		if change.Token != nil || change.Deleted {
			effects = e.appendEffect(effects, change)
		}
		if t := e.tokens[change.TokenID]; t != nil {
			doomed = append(doomed, t.applyChange(change)...)
			e.recount(t)
		}
		e.updateHolders(change)
	}
	return effects, doomed, stale
}

// appendEffect compares a changed record with the known one. e.mu is locked.
func (e *Engine) appendEffect(list []effect, change record.Change) []effect {
	f := effect{old: e.known[change.TokenID], new: change.Token, id: change.TokenID}
	if t := e.tokens[change.TokenID]; t != nil && f.old == nil {
		f.old = t.record()
	}
	if change.Deleted {
		f.new = nil
	}
	if f.old == nil && f.new == nil {
		return list
	}
	if f.old != nil && f.new != nil {
		if f.old.Version >= f.new.Version {
			return list
		}
		for _, role := range []pin.Role{pin.User, pin.SO} {
			f.ends[role] = e.endsLogins(f.old.PIN(role), f.new.PIN(role))
		}
	}
	f.affected = e.clientsOf(f.old, f.new)
	return append(list, f)
}

// endsLogins reports whether somebody other than the holder set the PIN.
func (e *Engine) endsLogins(old, now *pin.State) bool {
	if bytes.Equal(old.Verifier, now.Verifier) {
		return false
	}
	_, own := e.ownPINs[string(now.Verifier)]
	return !own
}

// raisesSlotEvent reports whether applications that saw the old record or see the new one get
// a slot event. NSS waits for such events to update what it shows.
func (f effect) raisesSlotEvent() bool {
	switch {
	case f.old == nil:
		return f.new.Initialized
	case f.new == nil:
		return f.old.Initialized
	}
	o, n := f.old, f.new
	return o.Activation != n.Activation || o.Enabled != n.Enabled || o.Deceased != n.Deceased ||
		!o.ExpiresAt.Equal(n.ExpiresAt) || !slices.Equal(o.Holders, n.Holders) || o.Label != n.Label ||
		o.Initialized != n.Initialized ||
		o.UserPIN.Locked() != n.UserPIN.Locked() || o.SOPIN.Locked() != n.SOPIN.Locked()
}

// endLost closes the sessions that the application has only through users that are lost to it.
// It does not wait for the next call, before which the user may be there again.
func (c *Client) endLost(changes []record.Change) {
	lost := make(map[record.UserID]bool)
	for _, change := range changes {
		if change.UserLost {
			lost[change.UserID] = true
		}
	}
	users := c.actsFor()
	if !slices.ContainsFunc(users, func(u *record.User) bool { return lost[u.ID] }) {
		return
	}
	now := c.engine.opts.Now()
	c.closeWhere(func(a *attachment) bool {
		return !slices.ContainsFunc(users, func(u *record.User) bool { return !lost[u.ID] && a.token.record().VisibleTo(u.ID, now) })
	})
}
