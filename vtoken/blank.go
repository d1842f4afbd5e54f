package vtoken

import (
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// ensureBlank makes sure that the first of the users has a blank token, which
// waits for C_InitToken.
func (e *Engine) ensureBlank(users []*record.User) error {
	if len(users) == 0 {
		return nil
	}
	u := users[0]
	if e.hasBlank(u) {
		return nil
	}
	return e.store.Update(func(tx Tx) error {
		tokens, err := tx.TokensOf(u.ID)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			if isBlank(t) {
				return nil
			}
		}
		return tx.NewToken(&record.Token{
			Tenant: u.Tenant, Holders: record.HeldBy(u.ID, e.opts.Now().UTC(), u.Login),
			Activation: record.Activated, Complete: true, Enabled: true, MaxRSABits: object.MaxRSABits,
			UserPIN: pin.State{Policy: pin.Default}, SOPIN: pin.State{Policy: pin.Default},
		})
	})
}

func (e *Engine) hasBlank(u *record.User) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, t := range e.holders[u.ID] {
		if isBlank(t) {
			return true
		}
	}
	return false
}

func isBlank(t *record.Token) bool {
	return !t.Initialized && t.Activation == record.Activated && t.Enabled
}
