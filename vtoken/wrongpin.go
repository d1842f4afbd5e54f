package vtoken

import (
	"crypto/hmac"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Servers repeat a stored PIN that is no longer right, and would lock the token for
// everybody (irtimmer/tpm2-pk11#75, openssl-projects/pkcs11-provider#167). So the last wrong
// PIN of each OS user is remembered, as a hash that matches only while the token's PIN stays
// the same, and the same one again is wrong without being counted or compared. Nobody
// learns anything by that: the OS user gets the answer that it got for this PIN before.
// The hash is forgotten after a while, with the next right PIN, and with the daemon.

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
