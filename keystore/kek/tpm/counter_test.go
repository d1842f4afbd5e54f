package tpm

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek"
	"vtoken/keystore/kek/kektest/swtpm"
	"vtoken/vtoken/secret"
)

// newCounter makes a counter.
func newCounter(t *testing.T, p *provider) (secret.Bytes, uint64) {
	t.Helper()
	name, value, err := p.NewCounter(t.Context())
	require.NoError(t, err)
	return name, value
}

// value reads a counter.
func value(t *testing.T, p *provider, name secret.Bytes) uint64 {
	t.Helper()
	v, err := p.ReadCounter(t.Context(), name)
	require.NoError(t, err)
	return v
}

func TestCounterCounts(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := mustOpen(t, tpm.URI())
	name, first := newCounter(t, p)
	other, at := newCounter(t, p)
	for n := range uint64(5) {
		got, err := p.IncrementCounter(t.Context(), name)
		require.NoError(t, err, "increment %d of a counter at %d: %d", n, first, got)
		require.Equal(t, first+n+1, got, "increment %d of a counter at %d: %d", n, first, got)
		require.Equal(t, got, value(t, p, name), "increment %d of a counter at %d: %d", n, first, got)
	}
	got := value(t, p, other)
	require.Equal(t, at, got, "another counter went from %d to %d", at, got)
	require.NoError(t, tpm.Stop()) // as a power cut
	_, err := p.ReadCounter(t.Context(), name)
	require.ErrorIs(t, err, kek.ErrUnavailable, "without a TPM")
	require.NoError(t, tpm.Start())
	got = value(t, p, name)
	require.Equal(t, first+5, got, "after a restart %d, not %d", got, first+5)
	command(t, tpm, nothingLeft)
}

// The owner of the TPM cannot set a counter back: removed and made again, even at the same handle,
// it goes on above its old value.
func TestCounterNeverGoesBack(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := mustOpen(t, tpm.URI())
	name, _ := newCounter(t, p)
	for range 3 {
		_, err := p.IncrementCounter(t.Context(), name)
		require.NoError(t, err)
	}
	was := value(t, p, name)
	c, err := parseCounter(name)
	require.NoError(t, err)
	require.NoError(t, p.RemoveCounter(t.Context(), name))
	_, err = p.ReadCounter(t.Context(), name)
	require.ErrorIs(t, err, kek.ErrNoCounter, "a removed counter")
	require.ErrorIs(t, p.RemoveCounter(t.Context(), name), kek.ErrNoCounter, "remove a removed counter")
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
	require.ErrorIs(t, readErr, kek.ErrNoCounter, "another counter in its place: %v, %v", readErr, incErr)
	require.ErrorIs(t, incErr, kek.ErrNoCounter, "another counter in its place: %v, %v", readErr, incErr)
	require.ErrorContains(t, readErr, "the TPM was cleared", "another counter in its place: %v, %v", readErr, incErr)
	_, now := newCounter(t, p)
	require.Greater(t, now, was, "a new counter begins at %d, where one was at %d", now, was)
}

func TestCounterOfClearedTPM(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := mustOpen(t, tpm.URI())
	name, was := newCounter(t, p)
	command(t, tpm, func(c *conn) error {
		_, err := tpm2.Clear{AuthHandle: tpm2.TPMRHLockout}.Execute(c)
		return err
	})
	_, err := p.IncrementCounter(t.Context(), name)
	require.ErrorIs(t, err, kek.ErrNoCounter)
	_, now := newCounter(t, p)
	require.Greater(t, now, was, "a new counter begins at %d, where one was at %d", now, was)
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
		_, err := p.IncrementCounter(t.Context(), wrong)
		require.ErrorIs(t, err, kek.ErrNoCounter, "a wrong auth value")
	}
	command(t, tpm, func(c *conn) error {
		locked, err := lockedOut(c)
		require.False(t, locked, "the TPM is locked out")
		return err
	})
	got := value(t, p, name)
	require.Equal(t, at, got, "the counter went from %d to %d", at, got)
}

func TestCounterNames(t *testing.T) {
	for range 100 {
		name := newCounterName()
		c, err := parseCounter(name)
		require.NoError(t, err)
		require.Len(t, c.auth, counterAuth)
		require.Less(t, bytes.IndexByte(c.auth, 0), 0)
		require.LessOrEqual(t, len(name), kek.MaxCounter)
	}
}

// A counter's name comes out of the store.
func FuzzParseCounter(f *testing.F) {
	seed := newCounterName()
	_, err := parseCounter(seed)
	require.NoError(f, err)
	f.Add([]byte(seed))
	f.Add([]byte(counterFormat))
	f.Fuzz(func(t *testing.T, name []byte) {
		c, err := parseCounter(name)
		if err == nil == (c.auth == nil) || err != nil && !errors.Is(err, kek.ErrNoCounter) {
			t.Errorf("%x: %v, %v", name, c, err)
		}
	})
}
