package vtoken

import (
	"crypto/hmac"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Servers repeat a PIN that is no longer right, and would lock the token for
// everybody (S34). So the last wrong PIN of each OS user is remembered, as a hash
// that is good for the PIN of that moment only, and the same one again is wrong
// without being counted or compared (C27). Nobody learns anything by that: the
// answer is the one that the same OS user was given for the same PIN before. It
// is forgotten after a while, with the next right PIN, and with the daemon.

// maxWrongPINs bounds the OS users whose wrong PINs are remembered, for each
// token and role.
const maxWrongPINs = 64

// wrongPINs are the last wrong PINs of a token and role, by the uid of the peer.
// The pinMu of the role guards them.
type wrongPINs map[uint32]wrongPIN

type wrongPIN struct {
	hash []byte   // as of Engine.pinHash
	pace pin.Pace // after this one, and those before
}

// isRepeatedWrongPIN reports whether the peer gave this PIN before and it was wrong.
func (e *Engine) isRepeatedWrongPIN(t *token, role pin.Role, peer record.Peer, p secret.Bytes) bool {
	state := t.record().PIN(role)
	w, ok := t.wrong[role][peer.UID]
	if !ok || !state.Set() || state.Locked() || w.pace.Over(e.opts.Now()) {
		return false
	}
	return hmac.Equal(w.hash, e.pinHash(t.id, role, state.Verifier, p))
}

// rememberWrong notes that a PIN was wrong when compared with the verifier.
func (e *Engine) rememberWrong(t *token, role pin.Role, peer record.Peer, verifier []byte, p secret.Bytes) {
	if len(t.wrong[role]) >= maxWrongPINs || t.wrong[role] == nil {
		t.wrong[role] = wrongPINs{}
	}
	w := t.wrong[role][peer.UID]
	w.hash = e.pinHash(t.id, role, verifier, p)
	w.pace.Wrong(e.opts.Now())
	t.wrong[role][peer.UID] = w
}
