package vtoken

import (
	"crypto/rand"

	"vtoken/vtoken/ck"
)

// maxRandom bounds one C_GenerateRandom.
const maxRandom = 8 << 20

// SeedRandom is C_SeedRandom (section 5.20). It is always CKR_RANDOM_SEED_NOT_SUPPORTED,
// because the kernel seeds its generator.
func (c *Client) SeedRandom(h ck.SessionHandle, seed []byte) error {
	if _, err := c.session(h); err != nil {
		return err
	}
	return ck.Errorf(ck.CKR_RANDOM_SEED_NOT_SUPPORTED, "the random number generator seeds itself")
}

// GenerateRandom is C_GenerateRandom (section 5.20), for up to 8 MiB at a time;
// CKR_ARGUMENTS_BAD for more.
func (c *Client) GenerateRandom(h ck.SessionHandle, n uint64) ([]byte, error) {
	if _, err := c.session(h); err != nil {
		return nil, err
	}
	if n > maxRandom {
		return nil, ck.Errorf(ck.CKR_ARGUMENTS_BAD, "at most %d random bytes can be generated at a time, not %d", maxRandom, n)
	}
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		return nil, ck.Errorf(ck.CKR_RANDOM_NO_RNG, "reading the system's random numbers: %w", err)
	}
	return b, nil
}
