package vtoken

import (
	"bytes"
	"sync"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/secret"
)

// The private objects of a PIN-bound token open with a key that is nowhere but
// in the verifiers of its PINs. While somebody is logged in to it, in any
// application, the key is in memory, and with it the memory of its PINs, so that
// further logins are quick. With the last logout both go. A hash of the PIN that
// stayed would be a way to guess the PIN at a million tries a second for whoever
// reads the daemon's memory, past Argon2id; so the first login after it pays for
// the whole comparison, by short-lived processes too. Wrong PINs are remembered
// as they are of any token (wrongpin.go).

// proof is what a right PIN gives.
type proof struct {
	verifier []byte       // that it was compared with
	bound    secret.Bytes // the key of a PIN-bound token, else nil
	hash     []byte       // for the PIN memory, see Engine.pinHash
}

func (p proof) wipe() {
	p.bound.Wipe()
	clear(p.hash)
}

// loginSecrets is what a PIN-bound token has in memory while somebody is logged in. For
// others it counts logins and is empty.
type loginSecrets struct {
	mu        sync.Mutex
	logins    int // of both roles, in all applications
	bound     secret.Bytes
	pinMemory [2][]byte // by pin.Role
}

// addLogin is a login with a right PIN.
func (h *loginSecrets) addLogin(role pin.Role, p proof) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logins++
	if p.bound == nil {
		return
	}
	if h.bound == nil {
		h.bound = p.bound.Clone()
	}
	h.pinMemory[role] = bytes.Clone(p.hash)
}

// removeLogin ends a login. The last one leaves nothing behind.
func (h *loginSecrets) removeLogin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.logins--; h.logins > 0 {
		return
	}
	h.bound.Wipe()
	for _, m := range h.pinMemory {
		clear(m)
	}
	h.bound, h.pinMemory = nil, [2][]byte{}
}

// boundKey is a copy of the key, nil where nobody is logged in. The caller wipes it.
func (h *loginSecrets) boundKey() secret.Bytes {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bound.Clone()
}

// remembered is what the token remembers of the role's PIN, with the key that
// it opens, for the caller to wipe. The role's pinMu is locked.
func (t *token) remembered(role pin.Role) (memory []byte, bound secret.Bytes) {
	if !t.record().PINBound {
		return t.pinMemory[role], nil
	}
	t.secrets.mu.Lock()
	defer t.secrets.mu.Unlock()
	return bytes.Clone(t.secrets.pinMemory[role]), t.secrets.bound.Clone()
}

// remember notes that a PIN is right. The role's pinMu is locked.
func (t *token) remember(role pin.Role, hash []byte) {
	if !t.record().PINBound {
		t.pinMemory[role] = bytes.Clone(hash)
		return
	}
	t.secrets.mu.Lock()
	defer t.secrets.mu.Unlock()
	if t.secrets.bound != nil {
		t.secrets.pinMemory[role] = bytes.Clone(hash)
	}
}
