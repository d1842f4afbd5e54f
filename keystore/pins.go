package keystore

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"runtime"

	"golang.org/x/crypto/argon2"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// A PIN verifier is
//
//	byte 0        format, 1
//	bytes 1-4     passes of Argon2id, big endian
//	bytes 5-8     memory in KiB, big endian
//	byte 9        lanes
//	bytes 10-25   salt
//	bytes 26-57   Argon2id of HMAC-SHA256(pepper, token id, role, PIN)
//
// The pepper hangs off the system key, so that the verifier tells nobody
// without it whether a PIN is right.
const (
	verifierFormat = 1
	verifierHeader = 1 + 4 + 4 + 1
	verifierSalt   = 16
	verifierHash   = 32
	verifierSize   = verifierHeader + verifierSalt + verifierHash
)

// pinCost is the price of one comparison (Argon2id, RFC 9106).
type pinCost struct {
	passes, memory uint32 // memory in KiB
	lanes          uint8
}

// What new verifiers cost, some 20 ms, and the bounds of what a stored one may
// ask for.
var (
	pinCostNow = pinCost{2, 19 << 10, 1}
	pinCostMin = pinCost{1, 8 << 10, 1}
	pinCostMax = pinCost{16, 256 << 10, 8}
)

func (c pinCost) valid() bool {
	return c.passes >= pinCostMin.passes && c.passes <= pinCostMax.passes &&
		c.memory >= pinCostMin.memory && c.memory <= pinCostMax.memory &&
		c.lanes >= pinCostMin.lanes && c.lanes <= pinCostMax.lanes
}

// maxArgon bounds how many comparisons run at once, and with them the memory:
// more than there are processors would not be faster.
func maxArgon() int { return max(1, runtime.GOMAXPROCS(0)) }

// HashPIN makes the verifier of a new PIN, good for this token and role only.
// It takes tens of milliseconds on purpose and is called outside of
// transactions.
func (s *Store) HashPIN(token record.TokenID, role pin.Role, p secret.Bytes) ([]byte, error) {
	v := append(make([]byte, 0, verifierSize), verifierFormat)
	v = binary.BigEndian.AppendUint32(v, pinCostNow.passes)
	v = binary.BigEndian.AppendUint32(v, pinCostNow.memory)
	v = append(v, pinCostNow.lanes)
	v = v[:verifierHeader+verifierSalt]
	salt := v[verifierHeader:]
	_, _ = rand.Read(salt)
	return append(v, s.stretch(pinCostNow, token, role, p, salt)...), nil
}

// CheckPIN compares a PIN with a verifier, in the same time whether it is right
// or not. A verifier that HashPIN did not make is CKR_DEVICE_ERROR.
func (s *Store) CheckPIN(token record.TokenID, role pin.Role, verifier []byte, p secret.Bytes) (bool, error) {
	if len(verifier) != verifierSize || verifier[0] != verifierFormat {
		return false, tampered("the verifier of the %v PIN of token %s is of no known format", role, token)
	}
	c := pinCost{binary.BigEndian.Uint32(verifier[1:]), binary.BigEndian.Uint32(verifier[5:]), verifier[9]}
	if !c.valid() {
		return false, tampered("the verifier of the %v PIN of token %s asks for too much or too little", role, token)
	}
	got := s.stretch(c, token, role, p, verifier[verifierHeader:][:verifierSalt])
	return subtle.ConstantTimeCompare(got, verifier[verifierHeader+verifierSalt:]) == 1, nil
}

// stretch is the slow part, for a bounded number of callers at once.
func (s *Store) stretch(c pinCost, token record.TokenID, role pin.Role, p secret.Bytes, salt []byte) []byte {
	peppered := mac(s.sys.pepper, []byte(token), []byte{byte(role)}, p)
	defer clear(peppered)
	s.argon <- struct{}{}
	defer func() { <-s.argon }()
	return argon2.IDKey(peppered, salt, c.passes, c.memory, c.lanes, verifierHash)
}
