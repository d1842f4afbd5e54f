package vtoken

import (
	"bytes"
	"sync"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/secret"
)

// The private objects of a PIN-bound token are encrypted to a key that exists only in the
// verifiers of its PINs. While somebody is logged in to the token, in any application, the
// key is in memory, and with it the hashes of its PINs, so that further logins are fast.
// The last logout wipes both. A hash that stayed would let anybody who reads the daemon's
// memory guess the PIN a million times a second, without Argon2id. So the first login after
// the last logout pays for a full comparison, in short-lived processes too. Wrong PINs are
// remembered as for any token (wrongpin.go).

// proof is the result of a right PIN.
type proof struct {
	verifier []byte       // that it was compared with
	bound    secret.Bytes // the key of a PIN-bound token, else nil
	hash     []byte       // for the PIN memory, see Engine.pinHash
	// forgotten says that the login ends with the daemon.
	forgotten bool
}

func (p proof) wipe() {
	p.bound.Wipe()
	clear(p.hash)
}

// loginSecrets is what a PIN-bound token keeps in memory while somebody is logged in. For
// other tokens it only counts logins.
type loginSecrets struct {
	mu        sync.Mutex
	logins    int // of both roles, in all applications
	bound     secret.Bytes
	pinMemory [2][]byte // by pin.Role
}

// addLogin counts a login with a right PIN, and keeps its secrets.
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

// removeLogin ends a login. The last one wipes the secrets.
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

// boundKey returns a copy of the key, or nil if nobody is logged in. The caller wipes it.
func (h *loginSecrets) boundKey() secret.Bytes {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bound.Clone()
}

// remembered returns the hash of the role's remembered PIN, and the key that the PIN opens,
// for the caller to wipe. The role's pinMu is locked.
func (t *token) remembered(role pin.Role) (memory []byte, bound secret.Bytes) {
	if !t.record().PINBound {
		return t.pinMemory[role], nil
	}
	t.secrets.mu.Lock()
	defer t.secrets.mu.Unlock()
	return bytes.Clone(t.secrets.pinMemory[role]), t.secrets.bound.Clone()
}

// remember keeps the hash of a right PIN. The role's pinMu is locked.
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
