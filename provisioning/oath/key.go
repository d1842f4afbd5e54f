package oath

import (
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"math"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"vtoken/vtoken/secret"
)

// The hashes of one-time passwords.
const (
	SHA1   = "SHA1"
	SHA256 = "SHA256"
	SHA512 = "SHA512"
)

// hashes are the hashes by name, and the lengths of their output in bytes, which
// RFC 6238 (section 5.1) wants seeds to have.
var hashes = map[string]struct {
	algorithm otp.Algorithm
	size      int
}{
	SHA1:   {otp.AlgorithmSHA1, 20},
	SHA256: {otp.AlgorithmSHA256, 32},
	SHA512: {otp.AlgorithmSHA512, 64},
}

// SeedSize returns the length in bytes of a new seed for a hash, and 0 for an unknown
// hash.
func SeedSize(hash string) int { return hashes[hash].size }

// Key makes the passwords of one token.
type Key struct {
	Seed   secret.Bytes
	Hash   string // SHA1, SHA256 or SHA512
	Digits int    // 6 or 8
}

// Step returns the counter of TOTP at a time: the number of periods, in seconds, since
// 1970 (RFC 6238, section 4.2). Earlier times are step 0.
func Step(at time.Time, period int) uint64 {
	return uint64(max(0, at.Unix())) / uint64(period)
}

// Code returns the password of a counter (RFC 4226, section 5.3), in decimal digits with
// leading zeros.
func (k Key) Code(counter uint64) (secret.Bytes, error) {
	g, err := k.generator()
	if err != nil {
		return nil, err
	}
	return g.code(counter)
}

// generator is a key in the form that the library takes.
type generator struct {
	seed    string
	options hotp.ValidateOpts
}

// generator returns the key in the form of the library.
func (k Key) generator() (generator, error) {
	h, ok := hashes[k.Hash]
	if !ok || k.Digits != 6 && k.Digits != 8 || len(k.Seed) == 0 {
		return generator{}, fmt.Errorf(
			"no one-time passwords are made of a seed of %d bytes with the hash %.20q and %d digits",
			len(k.Seed), k.Hash, k.Digits)
	}
	return generator{base32.StdEncoding.EncodeToString(k.Seed), hotp.ValidateOpts{Digits: otp.Digits(k.Digits), Algorithm: h.algorithm}}, nil
}

func (g generator) code(counter uint64) (secret.Bytes, error) {
	text, err := hotp.GenerateCodeCustom(g.seed, counter, g.options)
	if err != nil {
		return nil, fmt.Errorf("making a one-time password: %w", err)
	}
	return secret.Bytes(text), nil
}

// Find returns the lowest counter from first to last whose password is code. It takes the
// same time for every result.
func (k Key) Find(code secret.Bytes, first, last uint64) (counter uint64, found bool, err error) {
	return k.find(first, last, code)
}

// FindPair returns the lowest counter from first to last whose password is code and whose
// next password is next. It takes the same time for every result.
func (k Key) FindPair(code, next secret.Bytes, first, last uint64) (counter uint64, found bool, err error) {
	return k.find(first, last, code, next)
}

// find looks for one or two passwords of consecutive counters. No counter is 2^64-1, so
// none wraps around.
func (k Key) find(first, last uint64, row ...secret.Bytes) (counter uint64, found bool, err error) {
	g, err := k.generator()
	if err != nil {
		return 0, false, err
	}
	ahead := uint64(len(row) - 1)
	last = min(last, math.MaxUint64-1-ahead)
	if first > last {
		return 0, false, nil
	}
	begun, done := int(1-ahead), 0
	for c := first; c <= last+ahead; c++ {
		code, err := g.code(c)
		if err != nil {
			return 0, false, err
		}
		hit := begun & subtle.ConstantTimeCompare(code, row[ahead]) &^ done
		if ahead > 0 {
			begun = subtle.ConstantTimeCompare(code, row[0])
		}
		mask := -uint64(hit) // all ones where it is this one
		counter |= (c - ahead) & mask
		done |= hit
		code.Wipe()
	}
	return counter, done == 1, nil
}
