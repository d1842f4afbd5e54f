package vtoken

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// After wrong PINs an OS user waits before the next comparison, longer each time (pin.Pace).
// Other OS users do not wait, and a PIN that is remembered as right is accepted at once.

// waitBeforeTry blocks the peer as long as its wrong tries demand. The PIN's lock is held
// before and after, but not during the wait.
func (c *Client) waitBeforeTry(t *token, role pin.Role) error {
	e, peer := c.engine, c.peer
	w, ok := t.wrong[role][peer.UID]
	if !ok {
		return nil
	}
	wait, ok := w.pace.Turn(e.opts.Now())
	switch {
	case !ok:
		return ck.Errorf(ck.CKR_FUNCTION_FAILED, "too many tries of the %v PIN are waiting already after wrong ones", role)
	case wait == 0:
		return nil
	}
	t.wrong[role][peer.UID] = w
	t.pinMu[role].Unlock()
	defer t.pinMu[role].Lock()
	ctx := c.calls.Load().ctx
	e.opts.Wait(ctx, wait)
	return canceled(ctx.Err())
}

// checkKnownPIN checks a PIN without a comparison: one that is remembered as right returns a
// proof, one that is remembered as wrong an error.
func (e *Engine) checkKnownPIN(t *token, role pin.Role, peer record.Peer, p secret.Bytes) (proof, error) {
	if known, err := e.checkRemembered(t, role, p); known.verifier != nil {
		return known, err
	}
	if e.isRepeatedWrongPIN(t, role, peer, p) {
		return proof{}, ck.Errorf(ck.CKR_PIN_INCORRECT, "the %v PIN is the one that was wrong before", role)
	}
	return proof{}, nil
}
