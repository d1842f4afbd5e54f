package provisioning

import (
	"crypto/rand"

	"vtoken/provisioning/oath"
	"vtoken/provisioning/text"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// The hashes of one-time passwords, as record.OTP names them.
const (
	HashSHA1   = oath.SHA1
	HashSHA256 = oath.SHA256
	HashSHA512 = oath.SHA512
)

// The lengths in bytes that a seed may have. RFC 4226 requires at least 16 (section 4,
// R6); shorter ones are the 80-bit seeds of early apps and cards.
const (
	MinSeed = 10
	MaxSeed = 128
)

// NewOTP describes the one-time passwords of a new token. The zero value is HOTP with
// SHA-1, 6 digits and a random seed.
type NewOTP struct {
	// Seed is the shared secret; nil is a random one of the length of the hash.
	// The caller keeps it and wipes it.
	Seed secret.Bytes
	// Hash is HashSHA1, HashSHA256 or HashSHA512; empty is HashSHA1.
	Hash string
	// Digits is 6 or 8; 0 is 6.
	Digits int
	// Period is the time step of TOTP in seconds, 30 or 60; 0 is HOTP.
	Period int
	// Counter is the first counter of HOTP. It is 0 for TOTP.
	Counter uint64
	// Drift is how many time steps the clock of TOTP is ahead, as far as is known.
	Drift int
	// Window is how far a password may be ahead of the counter, or off the current time
	// step; 0 is the default.
	Window int
}

// withDefaults returns n with every default filled in but the seed. Values that no token
// can have are BadInput.
func (n NewOTP) withDefaults() (NewOTP, error) {
	if n.Hash == "" {
		n.Hash = HashSHA1
	}
	if n.Digits == 0 {
		n.Digits = 6
	}
	switch {
	case oath.SeedSize(n.Hash) == 0:
		return n, Errorf(BadInput, "there is no one-time password with the hash %q; the hashes are SHA1, SHA256 and SHA512",
			text.Clip(n.Hash))
	case n.Digits != 6 && n.Digits != 8:
		return n, Errorf(BadInput, "one-time passwords have 6 or 8 digits, not %d", n.Digits)
	case n.Period != 0 && n.Period != 30 && n.Period != 60:
		return n, Errorf(BadInput, "the time step is 30 or 60 seconds, or 0 for passwords by counter, not %d", n.Period)
	case n.Period != 0 && n.Counter != 0:
		return n, Errorf(BadInput, "passwords by time have no counter; leave it out, or the time step")
	case n.Drift < -SyncSteps || n.Drift > SyncSteps || n.Period == 0 && n.Drift != 0:
		return n, Errorf(BadInput, "a drift of %d time steps is out of bounds: it is for passwords by time, up to %d",
			n.Drift, SyncSteps)
	case n.Seed != nil && (len(n.Seed) < MinSeed || len(n.Seed) > MaxSeed):
		return n, Errorf(BadInput, "the seed has %d bytes; it needs %d to %d", len(n.Seed), MinSeed, MaxSeed)
	case n.Window < 0 || n.Window > MaxWindow:
		return n, Errorf(BadInput, "the window is %d passwords; give 1 to %d, or 0 for the default", n.Window, MaxWindow)
	}
	return n, nil
}

// newOTPKey makes the OTP key of a new token and its state for verification. Pass the key
// to putOTPKey; its Secret holds the seed. Values that make no key are BadInput.
func newOTPKey(n NewOTP, label string) (*object.Object, record.OTP, error) {
	n, err := n.withDefaults()
	if err != nil {
		return nil, record.OTP{}, err
	}
	seed := n.Seed
	if seed == nil {
		seed = make(secret.Bytes, oath.SeedSize(n.Hash))
		_, _ = rand.Read(seed) // never fails: it stops the process instead
		defer seed.Wipe()
	}
	template := object.NewOTP(object.OTP{Hash: n.Hash, Digits: n.Digits, Period: n.Period}, seed, n.Counter, label, otpKeyID)
	copied, _ := template.Find(ck.CKA_VALUE)
	defer clear(copied.Value)
	o, err := object.Build(object.Source{Origin: object.Create}, template)
	if err != nil {
		return nil, record.OTP{}, &Error{Kind: BadInput, Detail: "these one-time passwords are invalid: " + err.Error(), Err: err}
	}
	return o, record.OTP{Period: n.Period, Hash: n.Hash, Digits: n.Digits, Next: n.Counter, Drift: n.Drift, Window: n.Window}, nil
}

// otpKeyID is the CKA_ID of a token's only OTP key: some clients name keys by it only.
var otpKeyID = []byte{1}

// putOTPKey stores the key of newOTPKey on a stored token, and its id in the record.
func putOTPKey(tx Tx, t *record.Token, key *object.Object) error {
	fresh := *key // the store sets ID and Version, and may run this again
	if err := tx.PutObject(t.ID, &fresh); err != nil {
		return err
	}
	t.OTP.Key = uint64(fresh.ID)
	return tx.PutToken(t)
}
