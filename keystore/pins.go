package keystore

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"runtime"

	"golang.org/x/crypto/argon2"

	"vtoken/keystore/box"
	"vtoken/keystore/envelope"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// A PIN verifier is
//
//	byte 0        format: 1, or 3 for a PIN-bound token; 2 by an earlier program
//	bytes 1-4     passes of Argon2id, big endian
//	bytes 5-8     memory in KiB, big endian
//	byte 9        lanes
//	bytes 10-25   salt
//	bytes 26-57   Argon2id of HMAC-SHA256(pepper, token id, role, PIN)
//	bytes 58-146  formats 2 and 3 only: a private key, sealed
//
// The pepper is derived from the system key, so that nobody without that key can test a PIN
// against a verifier. In formats 2 and 3, Argon2id makes 64 bytes: the
// first half is compared, the second half is the sealing key. The private key is the role
// key of the PIN in format 3 (rolekeys.go), and that of the token itself in format 2.
const (
	verifierPlain  = 1
	verifierBound  = 2
	verifierRole   = 3
	verifierHeader = 1 + 4 + 4 + 1
	verifierSalt   = 16
	verifierHash   = 32
	verifierSize   = verifierHeader + verifierSalt + verifierHash
	boundKeySize   = envelope.Overhead + box.PrivateSize
)

// pinCost is the price of one comparison (Argon2id, RFC 9106).
type pinCost struct {
	passes, memory uint32 // memory in KiB
	lanes          uint8
}

// New verifiers cost pinCostNow. Those of PIN-bound tokens cost pinCostBound, five times as
// much, because they must withstand an attacker who has the pepper. A stored verifier asks for
// pinCostMin to pinCostMax.
var (
	pinCostNow   = pinCost{2, 19 << 10, 1} // some 20 ms
	pinCostBound = pinCost{3, 64 << 10, 1} // some 100 ms
	pinCostMin   = pinCost{1, 8 << 10, 1}
	pinCostMax   = pinCost{16, 256 << 10, 8}
)

func (c pinCost) valid() bool {
	return c.passes >= pinCostMin.passes && c.passes <= pinCostMax.passes &&
		c.memory >= pinCostMin.memory && c.memory <= pinCostMax.memory &&
		c.lanes >= pinCostMin.lanes && c.lanes <= pinCostMax.lanes
}

// maxArgon bounds how many comparisons run at once, and with them the memory:
// more than there are processors would not be faster.
func maxArgon() int { return max(1, runtime.GOMAXPROCS(0)) }

// verifier is a PIN verifier in its parts. They share its memory.
type verifier struct {
	cost  pinCost
	salt  []byte
	hash  []byte
	bound []byte // a private key, sealed, for a PIN-bound token; nil for others
}

// errVerifier is returned for bytes that are no verifier.
var errVerifier = errors.New("no PIN verifier of a known format")

// parseVerifier takes a verifier apart. It fails with errVerifier.
func parseVerifier(b []byte) (v verifier, err error) {
	if len(b) < verifierSize {
		return v, errVerifier
	}
	v.cost = pinCost{binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint32(b[5:]), b[9]}
	v.salt, v.hash = b[verifierHeader:][:verifierSalt], b[verifierHeader+verifierSalt:][:verifierHash]
	switch rest := b[verifierSize:]; {
	case !v.cost.valid():
		return v, errVerifier
	case b[0] == verifierPlain && len(rest) == 0:
		return v, nil
	case (b[0] == verifierBound || b[0] == verifierRole) && len(rest) == boundKeySize:
		v.bound = rest
		return v, nil
	}
	return v, errVerifier
}

// HashPIN makes the verifier of a new PIN, good for this token and role only.
// For a PIN-bound token, bound is its private key, which the PIN opens when the verifier
// is stored within two minutes ([Tx.PutToken]); for others it is nil. HashPIN takes tens of
// milliseconds on purpose and is called outside of transactions.
func (s *Store) HashPIN(token record.TokenID, role pin.Role, p, bound secret.Bytes) ([]byte, error) {
	format, cost := byte(verifierPlain), pinCostNow
	if bound != nil {
		format, cost = verifierRole, pinCostBound
	}
	if s.options.quickPINs {
		cost = pinCostMin
	}
	v := append(make([]byte, 0, verifierSize+boundKeySize), format)
	v = binary.BigEndian.AppendUint32(v, cost.passes)
	v = binary.BigEndian.AppendUint32(v, cost.memory)
	v = append(v, cost.lanes)
	v = v[:verifierHeader+verifierSalt]
	salt := v[verifierHeader:]
	_, _ = rand.Read(salt)
	out := s.stretch(cost, token, role, p, salt, bound != nil)
	defer out.Wipe()
	v = append(v, out[:verifierHash]...)
	if bound == nil {
		return v, nil
	}
	id, err := parseID("token", token)
	if err != nil {
		return nil, err
	}
	key, err := envelope.NewKey(out[verifierHash:])
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	public, private, err := box.GenerateKey()
	if err != nil {
		return nil, err
	}
	defer private.Wipe()
	sealed, err := key.Seal(placeBoundKey(id, role), 1, private)
	if err != nil {
		return nil, err
	}
	v = append(v, sealed...)
	next, err := s.prepare(token, role, bound)
	if err != nil {
		return nil, err
	}
	s.hashed.keep(v, public, bound, next)
	return v, nil
}

// CheckPIN compares a PIN with a verifier, in the same time whether it is right
// or not. With the right PIN of a PIN-bound token, bound is the token's private
// key, for the caller to wipe; else it is nil. A verifier that HashPIN did not
// make is CKR_DEVICE_ERROR.
func (s *Store) CheckPIN(token record.TokenID, role pin.Role, stored []byte, p secret.Bytes) (right bool, bound secret.Bytes, err error) {
	v, err := parseVerifier(stored)
	if err != nil {
		return false, nil, tampered("the verifier of the %v PIN of token %s: %w", role, token, err)
	}
	got := s.stretch(v.cost, token, role, p, v.salt, v.bound != nil)
	defer got.Wipe()
	right = subtle.ConstantTimeCompare(got[:verifierHash], v.hash) == 1
	if !right || v.bound == nil {
		return right, nil, nil
	}
	id, err := parseID("token", token)
	if err != nil {
		return false, nil, err
	}
	key, err := envelope.NewKey(got[verifierHash:])
	if err != nil {
		return false, nil, err
	}
	defer key.Wipe()
	private, _, err := key.Open(placeBoundKey(id, role), v.bound)
	if err != nil {
		return false, nil, tampered("open the key of token %s with its %v PIN: %w", token, role, err)
	}
	defer clear(private)
	bound, err = s.tokenKeyFor(token, role, stored, private)
	return err == nil, bound, err
}

// stretch runs Argon2id, for a bounded number of callers at once. With wide it also returns a
// sealing key.
func (s *Store) stretch(c pinCost, token record.TokenID, role pin.Role, p secret.Bytes, salt []byte, wide bool) secret.Bytes {
	size := uint32(verifierHash)
	if wide {
		size += envelope.KeySize
	}
	peppered := mac(s.sys.pepper, []byte(token), []byte{byte(role)}, p)
	defer clear(peppered)
	s.argon <- struct{}{}
	defer func() { <-s.argon }()
	return argon2.IDKey(peppered, salt, c.passes, c.memory, c.lanes, size)
}
