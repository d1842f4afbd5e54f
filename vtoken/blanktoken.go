package vtoken

import (
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// ensureBlank makes sure that the first of the client's users has a blank token for
// C_InitToken. One application at a time creates it; the others see it when the store reports
// the change.
func (e *Engine) ensureBlank(c *Client) error {
	users := c.actsFor()
	if len(users) == 0 || e.hasBlank(users[0]) {
		return nil
	}
	u := users[0]
	return e.loads.once(c, blankOf(u.ID), func() error {
		if e.hasBlank(u) {
			return nil
		}
		return e.store.Update(func(tx Tx) error {
			return tx.NewToken(&record.Token{
				Tenant: u.Tenant, Holders: record.HeldBy(u.ID, e.opts.Now().UTC(), u.Login),
				Activation: record.Activated, Complete: true, Enabled: true, MaxRSABits: object.MaxRSABits,
				UserPIN: pin.State{Policy: pin.Default}, SOPIN: pin.State{Policy: pin.Default},
			})
		})
	})
}

// blankOf is the key under which applications wait for the blank token of one user.
type blankOf record.UserID

func (e *Engine) hasBlank(u *record.User) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, t := range e.tokensOf(u.ID) {
		if isBlank(t) {
			return true
		}
	}
	return false
}

func isBlank(t *record.Token) bool {
	return !t.Initialized && t.Activation == record.Activated && t.Enabled
}
