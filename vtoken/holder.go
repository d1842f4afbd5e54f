package vtoken

import (
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// holder is the tokens that one user holds, alone or with others, by slot. It is kept current by the
// feed, so that info calls and C_GetSlotList need no database.
type holder map[ck.SlotID]*record.Token

// maxHolders bounds the users whose tokens are kept in memory though none of
// their applications is connected.
const maxHolders = 1024

// hold makes sure that the tokens of the user are known.
func (e *Engine) hold(user record.UserID) error {
	e.mu.RLock()
	_, ok := e.holders[user]
	e.mu.RUnlock()
	if ok {
		return nil
	}
	var tokens []*record.Token
	read := func(tx ReadTx) (err error) {
		tokens, err = tx.TokensOf(user)
		return err
	}
	return e.load(read, func(missed []record.Change) {
		if _, ok := e.holders[user]; ok {
			return
		}
		e.forgetHolders()
		e.holders[user] = holder{}
		for _, t := range tokens {
			e.place(t)
		}
		for _, change := range missed {
			e.placeChange(change)
		}
	})
}

// placeChange brings holders up to date with one change. e.mu is locked.
func (e *Engine) placeChange(change record.Change) {
	switch {
	case change.Deleted:
		e.displace(change.TokenID)
	case change.Token != nil:
		e.place(change.Token)
	}
}

// place puts a record where it belongs, unless a newer one is there. e.mu is
// locked.
func (e *Engine) place(t *record.Token) {
	if old := e.known[t.ID]; old != nil {
		if old.Version >= t.Version {
			return
		}
		e.displace(t.ID)
	}
	for _, a := range t.Holders {
		if h, ok := e.holders[a.User]; ok {
			h[t.Slot] = t
			e.known[t.ID] = t
		}
	}
	if e.known[t.ID] != nil {
		e.watchClock(t)
	}
}

func (e *Engine) displace(id record.TokenID) {
	if old := e.known[id]; old != nil {
		for _, a := range old.Holders {
			delete(e.holders[a.User], old.Slot)
		}
		delete(e.known, id)
	}
}

// forgetHolders drops the users without applications when there are too many.
// e.mu is locked.
func (e *Engine) forgetHolders() {
	if len(e.holders) < maxHolders {
		return
	}
	used := map[record.UserID]bool{}
	for c := range e.clients {
		for _, u := range c.actsFor() {
			used[u.ID] = true
		}
	}
	for user, h := range e.holders {
		if used[user] {
			continue
		}
		delete(e.holders, user)
		for _, t := range h {
			if !e.stands(t) {
				delete(e.known, t.ID)
			}
		}
	}
}

// stands reports whether a token is still among those of one of its holders.
// e.mu is locked.
func (e *Engine) stands(t *record.Token) bool {
	return slices.ContainsFunc(t.Holders, func(a record.Assignment) bool { return e.holders[a.User][t.Slot] != nil })
}
