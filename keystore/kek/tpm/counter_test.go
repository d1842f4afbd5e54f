package tpm

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"vtoken/keystore/kek"
	"vtoken/keystore/kek/kektest/swtpm"
	"vtoken/vtoken/secret"
)

// newCounter makes a counter.
func newCounter(t *testing.T, p *provider) (secret.Bytes, uint64) {
	t.Helper()
	name, value, err := p.NewCounter(t.Context())
	must(t, err)
	return name, value
}

// value reads a counter.
func value(t *testing.T, p *provider, name secret.Bytes) uint64 {
	t.Helper()
	v, err := p.ReadCounter(t.Context(), name)
	must(t, err)
	return v
}

func TestCounterCounts(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := mustOpen(t, tpm.URI())
	name, first := newCounter(t, p)
	other, at := newCounter(t, p)
	for n := range uint64(5) {
		got, err := p.IncrementCounter(t.Context(), name)
		if err != nil || got != first+n+1 || value(t, p, name) != got {
			t.Fatalf("increment %d of a counter at %d: %d, %v", n, first, got, err)
		}
	}
	if got := value(t, p, other); got != at {
		t.Errorf("another counter went from %d to %d", at, got)
	}
	must(t, tpm.Stop()) // as a power cut
	if _, err := p.ReadCounter(t.Context(), name); !errors.Is(err, kek.ErrUnavailable) {
		t.Errorf("without a TPM: %v", err)
	}
	must(t, tpm.Start())
	if got := value(t, p, name); got != first+5 {
		t.Errorf("after a restart %d, not %d", got, first+5)
	}
	command(t, tpm, nothingLeft)
}

// Whoever has the TPM cannot set a counter back: removed and made anew, also at
// the same handle, it goes on above.
func TestCounterNeverGoesBack(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := mustOpen(t, tpm.URI())
	name, _ := newCounter(t, p)
	for range 3 {
		_, err := p.IncrementCounter(t.Context(), name)
		must(t, err)
	}
	was := value(t, p, name)
	c, err := parseCounter(name)
	must(t, err)
	must(t, p.RemoveCounter(t.Context(), name))
	if _, err := p.ReadCounter(t.Context(), name); !errors.Is(err, kek.ErrNoCounter) {
		t.Errorf("a removed counter: %v", err)
	}
	if err := p.RemoveCounter(t.Context(), name); !errors.Is(err, kek.ErrNoCounter) {
		t.Errorf("remove a removed counter: %v", err)
	}
	command(t, tpm, func(conn *conn) error { // another one at its handle, with another auth value
		_, err := tpm2.NVDefineSpace{
			AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)},
			Auth:       tpm2.TPM2BAuth{Buffer: []byte("x")}, PublicInfo: tpm2.New2B(*c.public(false)),
		}.Execute(conn)
		if err != nil {
			return err
		}
		_, err = counter{c.handle, []byte("x")}.increment(conn, false)
		return err
	})
	_, readErr := p.ReadCounter(t.Context(), name)
	_, incErr := p.IncrementCounter(t.Context(), name)
	if !errors.Is(readErr, kek.ErrNoCounter) || !errors.Is(incErr, kek.ErrNoCounter) || !strings.Contains(readErr.Error(), "the TPM was cleared") {
		t.Errorf("another counter in its place: %v, %v", readErr, incErr)
	}
	if _, now := newCounter(t, p); now <= was {
		t.Errorf("a new counter begins at %d, where one was at %d", now, was)
	}
}

func TestCounterOfClearedTPM(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := mustOpen(t, tpm.URI())
	name, was := newCounter(t, p)
	command(t, tpm, func(c *conn) error {
		_, err := tpm2.Clear{AuthHandle: tpm2.TPMRHLockout}.Execute(c)
		return err
	})
	if _, err := p.IncrementCounter(t.Context(), name); !errors.Is(err, kek.ErrNoCounter) {
		t.Errorf("%v", err)
	}
	if _, now := newCounter(t, p); now <= was {
		t.Errorf("a new counter begins at %d, where one was at %d", now, was)
	}
}

// Tries with a wrong auth value neither count for the TPM's lockout nor are kept
// out by it.
func TestCounterAndLockout(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := mustOpen(t, tpm.URI())
	name, at := newCounter(t, p)
	wrong := name.Clone()
	wrong[len(wrong)-1] ^= 1
	for range 10 {
		if _, err := p.IncrementCounter(t.Context(), wrong); !errors.Is(err, kek.ErrNoCounter) {
			t.Fatalf("a wrong auth value: %v", err)
		}
	}
	command(t, tpm, func(c *conn) error {
		locked, err := lockedOut(c)
		if locked {
			t.Error("the TPM is locked out")
		}
		return err
	})
	if got := value(t, p, name); got != at {
		t.Errorf("the counter went from %d to %d", at, got)
	}
}

func TestCounterNames(t *testing.T) {
	for range 100 {
		name := newCounterName()
		c, err := parseCounter(name)
		if err != nil || len(c.auth) != counterAuth || bytes.IndexByte(c.auth, 0) >= 0 || len(name) > kek.MaxCounter {
			t.Fatalf("%v, %v", c, err)
		}
	}
}

// A counter's name comes out of the store.
func FuzzParseCounter(f *testing.F) {
	seed := newCounterName()
	if _, err := parseCounter(seed); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(seed))
	f.Add([]byte(counterFormat))
	f.Fuzz(func(t *testing.T, name []byte) {
		c, err := parseCounter(name)
		if err == nil == (c.auth == nil) || err != nil && !errors.Is(err, kek.ErrNoCounter) {
			t.Errorf("%x: %v, %v", name, c, err)
		}
	})
}
