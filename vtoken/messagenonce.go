package vtoken

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"

	"vtoken/vtoken/ck"
)

// nonces generates the nonces of the messages that one operation encrypts. No two are equal.
// Nonces of earlier operations with the same key are not known here: callers use different
// fixed bits, or random nonces.
type nonces struct {
	// first is what the first message's parameter says of nonces, nil before it.
	first *ck.MessageParams
	made  uint64
}

// The least bits that are random in a nonce, and the most such nonces of one
// operation (NIST SP 800-38D, sections 8.2.2 and 8.3).
const (
	minRandomBits   = 96
	maxRandomNonces = 1 << 32
)

// next returns the nonce of the next message.
func (g *nonces) next(p ck.MessageParams) ([]byte, error) {
	f := g.first
	if f == nil {
		f = &p
	}
	bits := 8 * uint64(len(p.Nonce))
	switch {
	case p.Generator != f.Generator:
		return nil, ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "all messages of an operation must use the same nonce generator")
	case p.Generator == ck.CKG_NO_GENERATE:
		g.first = &ck.MessageParams{Generator: p.Generator}
		return p.Nonce, nil
	case p.FixedBits != f.FixedBits || len(p.Nonce) != len(f.Nonce):
		return nil, ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "all generated nonces of an operation must have the same length and number of fixed bits")
	case p.FixedBits >= bits:
		return nil, ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "a nonce of %d bits with %d fixed ones leaves none to generate", bits, p.FixedBits)
	}
	nonce, err := g.generate(p, f.Nonce, bits-p.FixedBits)
	if err == nil && g.first == nil {
		g.first = &ck.MessageParams{Generator: p.Generator, FixedBits: p.FixedBits, Nonce: bytes.Clone(p.Nonce)}
	}
	return nonce, err
}

// generate makes a nonce with that many free bits. first is the nonce of the first message.
func (g *nonces) generate(p ck.MessageParams, first []byte, free uint64) ([]byte, error) {
	random := p.Generator == ck.CKG_GENERATE_RANDOM || p.Generator == ck.CKG_GENERATE && free >= minRandomBits
	switch {
	case p.Generator > ck.CKG_GENERATE_COUNTER_XOR:
		return nil, ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "%#x is not a nonce generator", p.Generator)
	case random && free < minRandomBits:
		return nil, ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "a random nonce needs at least %d free bits, not %d", minRandomBits, free)
	case random && g.made == maxRandomNonces, free < 64 && g.made>>free != 0:
		return nil, ck.Errorf(ck.CKR_TOKEN_RESOURCE_EXCEEDED, "the operation has no nonces left; start another one with another key or other fixed bits")
	}
	value := make([]byte, len(p.Nonce))
	if random {
		if _, err := rand.Read(value); err != nil {
			return nil, ck.Errorf(ck.CKR_RANDOM_NO_RNG, "reading the system's random numbers: %w", err)
		}
	} else {
		putCounter(value, g.made)
	}
	g.made++
	if p.Generator == ck.CKG_GENERATE_COUNTER_XOR {
		return mixBits(first, value, 0, func(old, made byte) byte { return old ^ made }), nil
	}
	return mixBits(p.Nonce, value, p.FixedBits, func(_, made byte) byte { return made }), nil
}

// putCounter writes n to the end of the slice, which may be shorter than eight bytes.
func putCounter(to []byte, n uint64) {
	var all [8]byte
	binary.BigEndian.PutUint64(all[:], n)
	k := min(len(to), len(all))
	copy(to[len(to)-k:], all[len(all)-k:])
}

// mixBits keeps the first fixed bits of old, and combines the others with made.
func mixBits(old, made []byte, fixed uint64, mix func(old, made byte) byte) []byte {
	out := make([]byte, len(old))
	for i := range out {
		free := byte(0xff)
		switch at := uint64(i) * 8; {
		case at+8 <= fixed:
			free = 0
		case at < fixed:
			free >>= fixed - at
		}
		out[i] = old[i]&^free | mix(old[i], made[i])&free
	}
	return out
}
