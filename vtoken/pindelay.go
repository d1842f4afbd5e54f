package vtoken

import (
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Whoever gives wrong PINs waits before the next one is compared, longer each time
// (S34). The wait is the OS user's alone: others go on meanwhile, and a PIN that
// is remembered as right is taken at once.

// The first wrong PINs are free, as people mistype. Each one after them doubles
// the wait up to the longest; tries that come at the same time wait in a row, not
// longer than a client waits for an answer.
const (
	freeWrongPINs   = 2
	firstPINDelay   = 250 * time.Millisecond
	longestPINDelay = 2 * time.Second
	longestPINQueue = 5 * time.Second
)

// pinDelay is the wait after so many wrong PINs.
func pinDelay(wrong int) time.Duration {
	switch n := wrong - freeWrongPINs; {
	case n < 0:
		return 0
	case n < 3:
		return firstPINDelay << n
	}
	return longestPINDelay
}

// awaitTry lets the peer wait where it has to. The PIN's lock is held before and
// after, but not meanwhile.
func (c *Client) awaitTry(t *token, role pin.Role) error {
	e, peer := c.engine, c.peer
	now := e.opts.Now()
	w, ok := t.wrong[role][peer.UID]
	if !ok || now.After(w.until) || !now.Before(w.next) {
		return nil
	}
	wait := w.next.Sub(now)
	if wait > longestPINQueue {
		return ck.Errorf(ck.CKR_FUNCTION_FAILED, "too many tries of the %v PIN wait already, after wrong ones", role)
	}
	w.next = w.next.Add(pinDelay(w.count))
	t.wrong[role][peer.UID] = w
	t.pinMu[role].Unlock()
	defer t.pinMu[role].Lock()
	e.opts.Wait(c.ctx, wait)
	return canceled(c.ctx.Err())
}

// knownPIN answers a PIN that needs no comparison: one that is remembered as right,
// with a proof, or as wrong, with an error.
func (e *Engine) knownPIN(t *token, role pin.Role, peer record.Peer, p secret.Bytes) (proof, error) {
	if known, err := e.checkRemembered(t, role, p); known.verifier != nil {
		return known, err
	}
	if e.wrongAgain(t, role, peer, p) {
		return proof{}, ck.Errorf(ck.CKR_PIN_INCORRECT, "the %v PIN is the one that was wrong before", role)
	}
	return proof{}, nil
}
