package vtoken

import (
	"container/list"
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// holder is the tokens that one user holds, alone or with others, by slot, and the
// applications that act for the user. The store's changes keep it current, so that info calls
// and C_GetSlotList need no database. Engine.mu guards it.
type holder struct {
	user    record.UserID
	tokens  map[ck.SlotID]*record.Token
	clients map[*Client]struct{}
	idle    *list.Element // in Engine.unheld, nil while there are clients
}

// idleHolders are users without applications whose tokens stay in memory, so that a
// short-lived process finds them loaded. The one that is idle longest is first.
type idleHolders struct {
	list   list.List // of *holder
	tokens int       // of all of them
}

// The users without applications are kept until there are more than these.
const (
	maxHolders      = 1024
	maxIdleHoldings = 50_000 // tokens of theirs
)

// holdUser loads the tokens of the user, which stay in memory until the client releases them.
func (e *Engine) holdUser(c *Client, user record.UserID) error {
	var tokens []*record.Token
	closed := false
	err := e.obtain(c, user, loader{
		take: func() bool {
			_, open := e.clients[c]
			if closed = !open; closed {
				return true
			}
			h := e.holders[user]
			if h != nil {
				e.addClient(c, h)
			}
			return h != nil
		},
		read: func(tx ReadTx) (err error) {
			tokens, err = tx.TokensOf(user)
			return err
		},
		concerns: func(change record.Change) bool { return change.Token != nil || change.Deleted },
		install: func(missed []record.Change) {
			e.holders[user] = &holder{user: user, tokens: make(map[ck.SlotID]*record.Token, len(tokens)), clients: map[*Client]struct{}{}}
			for _, t := range tokens {
				e.putRecord(t)
			}
			for _, change := range missed {
				e.updateHolders(change)
			}
			e.idleIfUnused(e.holders[user])
		},
	})
	if err == nil && closed {
		return errClosed
	}
	return err
}

// addClient adds the client to those that act for the user. e.mu is locked.
func (e *Engine) addClient(c *Client, h *holder) {
	if h.idle != nil {
		e.idleHolders.list.Remove(h.idle)
		e.idleHolders.tokens -= len(h.tokens)
		h.idle = nil
	}
	h.clients[c] = struct{}{}
	c.holds[h.user] = h
}

// releaseHolders releases the client's users, except for the given ones.
func (e *Engine) releaseHolders(c *Client, users []*record.User) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, h := range c.holds {
		if !slices.ContainsFunc(users, func(u *record.User) bool { return u.ID == id }) {
			delete(c.holds, id)
			delete(h.clients, c)
			e.idleIfUnused(h)
		}
	}
}

// idleIfUnused makes a holder idle if no client acts for it, and evicts the oldest idle
// holders if there are too many. e.mu is locked.
func (e *Engine) idleIfUnused(h *holder) {
	if len(h.clients) > 0 || h.idle != nil {
		return
	}
	h.idle = e.idleHolders.list.PushBack(h)
	e.idleHolders.tokens += len(h.tokens)
	for e.idleHolders.list.Len() > maxHolders || e.idleHolders.tokens > maxIdleHoldings && e.idleHolders.list.Len() > 1 {
		e.evictHolder(e.idleHolders.list.Front().Value.(*holder))
	}
}

func (e *Engine) evictHolder(h *holder) {
	e.idleHolders.list.Remove(h.idle)
	e.idleHolders.tokens -= len(h.tokens)
	delete(e.holders, h.user)
	for _, t := range h.tokens {
		if !e.isHeldByKnownUser(t) {
			e.clock.forget(t.ID)
			delete(e.known, t.ID)
		}
	}
}

// isHeldByKnownUser reports whether a known holder has the token. e.mu is locked.
func (e *Engine) isHeldByKnownUser(t *record.Token) bool {
	return slices.ContainsFunc(t.Holders, func(a record.Assignment) bool {
		h := e.holders[a.User]
		return h != nil && h.tokens[t.Slot] != nil
	})
}

// updateHolders applies one change to the holders. e.mu is locked.
func (e *Engine) updateHolders(change record.Change) {
	switch {
	case change.Deleted:
		e.removeRecord(change.TokenID)
	case change.Token != nil:
		e.putRecord(change.Token)
	}
}

// putRecord gives a record, or the newer one that is known, to its holders. e.mu is locked.
func (e *Engine) putRecord(t *record.Token) {
	if old := e.known[t.ID]; old != nil {
		if old.Version > t.Version {
			t = old // its holders may be new here
		}
		e.removeRecord(t.ID)
	}
	for _, a := range t.Holders {
		if h := e.holders[a.User]; h != nil {
			e.setToken(h, t.Slot, t)
			e.known[t.ID] = t
		}
	}
	if e.known[t.ID] != nil {
		e.watchExpiry(t)
	}
}

func (e *Engine) removeRecord(id record.TokenID) {
	old := e.known[id]
	if old == nil {
		return
	}
	for _, a := range old.Holders {
		if h := e.holders[a.User]; h != nil {
			e.setToken(h, old.Slot, nil)
		}
	}
	e.clock.forget(id)
	delete(e.known, id)
}

// setToken sets the token of a holder in a slot; nil removes it.
func (e *Engine) setToken(h *holder, slot ck.SlotID, t *record.Token) {
	before := len(h.tokens)
	if t == nil {
		delete(h.tokens, slot)
	} else {
		h.tokens[slot] = t
	}
	if h.idle != nil {
		e.idleHolders.tokens += len(h.tokens) - before
	}
}

// tokensOf returns the tokens of a loaded user. e.mu is locked.
func (e *Engine) tokensOf(user record.UserID) map[ck.SlotID]*record.Token {
	if h := e.holders[user]; h != nil {
		return h.tokens
	}
	return nil
}

// clientsOf returns the applications that act for a holder of any of the records, each once:
// no other application sees those tokens or has sessions with them. A nil record has none.
// e.mu is locked.
func (e *Engine) clientsOf(records ...*record.Token) []*Client {
	var all []*Client
	found := map[*Client]struct{}{}
	for _, t := range records {
		if t == nil {
			continue
		}
		for _, a := range t.Holders {
			h := e.holders[a.User]
			if h == nil {
				continue
			}
			for c := range h.clients {
				if _, twice := found[c]; !twice {
					found[c] = struct{}{}
					all = append(all, c)
				}
			}
		}
	}
	return all
}

func (e *Engine) clientsOfToken(t *token) []*Client {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.clientsOf(t.record())
}
