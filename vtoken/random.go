package vtoken

import (
	"crypto/rand"
	"crypto/sha3"
	"crypto/subtle"
	"sync"

	"vtoken/vtoken/ck"
)

// maxRandom bounds one C_GenerateRandom.
const maxRandom = 8 << 20

// seeds is what an application gave to C_SeedRandom. It is mixed into the random numbers of that
// application alone, and no key is made of it.
type seeds struct {
	mu    sync.Mutex
	given bool
	pool  [64]byte // a hash of all seeds
}

// add mixes a seed in.
func (s *seeds) add(seed []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := sha3.NewSHAKE256()
	_, _ = h.Write(s.pool[:]) // never fails
	_, _ = h.Write(seed)
	_, _ = h.Read(s.pool[:])
	s.given = true
}

// mix combines random numbers with the seeds, where there are any. Numbers that are random stay so
// whatever the seeds are, as what is added does not depend on them.
func (s *seeds) mix(b []byte) {
	s.mu.Lock()
	if !s.given {
		s.mu.Unlock()
		return
	}
	h := sha3.NewSHAKE256()
	_, _ = h.Write(s.pool[:])
	_, _ = h.Read(s.pool[:]) // so that no two calls add the same
	s.mu.Unlock()
	mask := make([]byte, len(b))
	_, _ = h.Read(mask)
	subtle.XORBytes(b, b, mask)
	clear(mask)
}

// SeedRandom is C_SeedRandom (section 5.20). The seed is mixed into the random numbers that the
// application gets. The kernel seeds its generator itself, so a seed makes it neither better nor
// worse.
func (c *Client) SeedRandom(h ck.SessionHandle, seed []byte) error {
	if _, err := c.session(h); err != nil {
		return err
	}
	c.seeds.add(seed)
	return nil
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
	c.seeds.mix(b)
	return b, nil
}
