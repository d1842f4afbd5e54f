package tpm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek"
	"vtoken/keystore/kek/kektest"
	"vtoken/keystore/kek/kektest/swtpm"
	"vtoken/vtoken/secret"
)

// start starts a software TPM that ends with the test.
func start(t *testing.T, with func(dir string) (*swtpm.TPM, error)) *swtpm.TPM {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm") // short, for the socket's path
	require.NoError(t, err)
	tpm, err := with(dir)
	t.Cleanup(func() {
		if tpm != nil {
			require.NoError(t, tpm.Stop())
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	require.NoError(t, err)
	return tpm
}

func mustOpen(t *testing.T, uri string) *provider {
	t.Helper()
	u, err := kek.Parse(uri)
	require.NoError(t, err)
	p, err := Open(t.Context(), u, kek.Env{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p.(*provider)
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "auth")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// command runs something on the TPM, as another program would.
func command(t *testing.T, tpm *swtpm.TPM, fn func(*conn) error) {
	t.Helper()
	u, err := kek.Parse(tpm.URI())
	require.NoError(t, err)
	to, err := parse(u)
	require.NoError(t, err)
	c, err := dial(t.Context(), to)
	require.NoError(t, err)
	require.NoError(t, errors.Join(fn(c), c.close()))
}

func TestProvider(t *testing.T) {
	for name, with := range map[string]func(string) (*swtpm.TPM, error){"Unix": swtpm.New, "TCP": swtpm.NewTCP} {
		t.Run(name, func(t *testing.T) {
			one, two := start(t, with), start(t, with)
			auth := secretFile(t, "something secret\n")
			for name, query := range map[string]string{
				"Plain": "", "PCRs": "?pcrs=7+11", "Auth": "?auth-file=" + auth, "Both": "?pcrs=0+1+2+3+4+5+6+7+8+9&auth-file=" + auth,
			} {
				t.Run(name, func(t *testing.T) {
					kektest.Run(t, kektest.Case{
						Open: Open, URI: one.URI() + query, Other: two.URI() + query, Dir: t.TempDir(), Changes: 60,
						BadURIs: []string{
							"tpm2:", "tpm2:/dev/tpm0", "tpm2:usb=1", "tpm2:device=", one.URI() + "?pcr=7", one.URI() + "?pcrs=",
							one.URI() + "?pcrs=24", one.URI() + "?pcrs=7+7", one.URI() + "?pcrs=7,8", one.URI() + "?pcrs=7&pcrs=8", one.URI() + "?auth=x",
							one.URI() + "?pcrs=%zz",
						},
						Missing: []string{
							"tpm2:device=/dev/no-such-tpm", "tpm2:unix=/no/such.sock", "tpm2:tcp=127.0.0.1:1", "tpm2:device=/dev/null",
							one.URI() + "?auth-file=/no/such", one.URI() + "?auth-file=" + secretFile(t, "\n"),
						},
					})
				})
			}
			command(t, one, nothingLeft)
		})
	}
}

// nothingLeft fails where keys or sessions are left in a TPM without a resource
// manager, which has room for three.
func nothingLeft(c *conn) error {
	for _, first := range []tpm2.TPMHandle{0x80000000, 0x02000000, 0x03000000} {
		rsp, err := tpm2.GetCapability{Capability: tpm2.TPMCapHandles, Property: uint32(first), PropertyCount: 10}.Execute(c)
		if err != nil {
			return err
		}
		list, err := rsp.CapabilityData.Data.Handles()
		if err != nil {
			return err
		}
		if len(list.Handle) > 0 {
			return errors.New("something is left in the TPM")
		}
	}
	return nil
}

func key() secret.Bytes { return secret.Bytes(strings.Repeat("k", 32)) }

// refuses unwraps, and looks for the error and for words in it.
func refuses(t *testing.T, p *provider, blob []byte, want error, words string) {
	t.Helper()
	_, err := p.Unwrap(t.Context(), blob)
	require.ErrorIs(t, err, want)
	require.ErrorContains(t, err, words)
}

func TestRestartKeepsAndClearLoses(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := mustOpen(t, tpm.URI()+"?pcrs=7")
	blob, err := p.Wrap(t.Context(), key())
	require.NoError(t, err)

	require.NoError(t, tpm.Stop())
	refuses(t, p, blob, kek.ErrUnavailable, "no TPM answers at")
	_, err = p.Status(t.Context())
	require.ErrorIs(t, err, kek.ErrUnavailable, "status of a TPM that is off")
	require.NoError(t, tpm.Start())
	got, err := p.Unwrap(t.Context(), blob)
	require.NoError(t, err)
	require.True(t, got.Equal(key()), "after a restart")

	command(t, tpm, func(c *conn) error {
		_, err := tpm2.Clear{AuthHandle: tpm2.TPMRHLockout}.Execute(c)
		return err
	})
	refuses(t, p, blob, kek.ErrWrongKey, "this one was cleared since")
}

func TestChangedPCR(t *testing.T) {
	tpm := start(t, swtpm.New)
	bound, free := mustOpen(t, tpm.URI()+"?pcrs=7+11+16"), mustOpen(t, tpm.URI())
	b1, err := bound.Wrap(t.Context(), key())
	require.NoError(t, err)
	b2, err := free.Wrap(t.Context(), key())
	require.NoError(t, err)
	command(t, tpm, func(c *conn) error {
		for _, i := range []tpm2.TPMHandle{11, 16} {
			_, err := tpm2.PCRExtend{
				PCRHandle: tpm2.AuthHandle{Handle: i, Auth: tpm2.PasswordAuth(nil)},
				Digests:   tpm2.TPMLDigestValues{Digests: []tpm2.TPMTHA{{HashAlg: tpm2.TPMAlgSHA256, Digest: make([]byte, 32)}}},
			}.Execute(c)
			if err != nil {
				return err
			}
		}
		return nil
	})
	refuses(t, bound, b1, kek.ErrUnavailable, "PCR 11 and 16 changed")
	got, err := free.Unwrap(t.Context(), b2)
	require.NoError(t, err)
	require.True(t, got.Equal(key()), "a KEK without PCRs")
	// The TPM itself holds to the policy, whatever is compared before it.
	err = bound.usePrimary(t.Context(), func(pr *primary) error {
		parsed, err := parseBlob(b1)
		require.NoError(t, err)
		return parsed.fulfilNow(pr)
	})
	require.Error(t, err, "the TPM fulfils the policy of other PCRs")
	command(t, tpm, nothingLeft)
}

// fulfilNow runs the policy in a session of its own.
func (b *blob) fulfilNow(pr *primary) error {
	session, end, err := tpm2.PolicySession(pr.c, tpm2.TPMAlgSHA256, nonceSize)
	if err != nil {
		return nil
	}
	return errors.Join(b.fulfil(pr.c, session.Handle(), tpm2.TPM2BNonce{}), end())
}

func TestWrongAuthCountsAndLocksOut(t *testing.T) {
	tpm := start(t, swtpm.New)
	free := mustOpen(t, tpm.URI())
	right := mustOpen(t, tpm.URI()+"?auth-file="+secretFile(t, "right"))
	wrong := mustOpen(t, tpm.URI()+"?auth-file="+secretFile(t, "wrong"))
	blob, err := right.Wrap(t.Context(), key())
	require.NoError(t, err)
	open, err := free.Wrap(t.Context(), key())
	require.NoError(t, err)

	refuses(t, free, blob, kek.ErrWrongKey, "has no auth-file")
	for range 3 { // that many are allowed by a software TPM
		refuses(t, wrong, blob, kek.ErrUnavailable, "the secret in auth-file is not the right one")
	}
	refuses(t, right, blob, kek.ErrUnavailable, "locked out")
	_, err = right.Status(t.Context())
	require.ErrorIs(t, err, kek.ErrUnavailable)
	require.ErrorContains(t, err, "locked out", "status")
	if got, err := free.Unwrap(t.Context(), open); err != nil || !got.Equal(key()) { // what needs no auth value is not locked out
		t.Errorf("in lockout: %v", err)
	}
	// Anybody with this TPM could have wrapped it.
	refuses(t, right, open, kek.ErrWrongKey, "wrapped without an auth value")
	command(t, tpm, func(c *conn) error {
		reset := []byte("\x80\x02\x00\x00\x00\x1b\x00\x00\x01\x39\x40\x00\x00\x0a" + // TPM2_DictionaryAttackLockReset
			"\x00\x00\x00\x09\x40\x00\x00\x09\x00\x00\x00\x00\x00") // with the empty password
		rsp, err := c.Send(reset)
		if err != nil || !bytes.Equal(rsp[6:10], make([]byte, 4)) {
			return fmt.Errorf("reset the lockout: %x, %w", rsp, err)
		}
		return nil
	})
	got, err := right.Unwrap(t.Context(), blob)
	require.NoError(t, err)
	require.True(t, got.Equal(key()), "after the lockout was cleared")
}

// TestWrongAuthIsTriedOnce: where wrong secrets are remembered, one of them does
// not lock the TPM.
func TestWrongAuthIsTriedOnce(t *testing.T) {
	tpm := start(t, swtpm.New)
	right := mustOpen(t, tpm.URI()+"?auth-file="+secretFile(t, "right"))
	wrong := mustOpen(t, tpm.URI()+"?auth-file="+secretFile(t, "wrong"))
	wrong.failed = new(kek.Refusals)
	blob, err := right.Wrap(t.Context(), key())
	require.NoError(t, err)
	refuses(t, wrong, blob, kek.ErrUnavailable, "the secret in auth-file is not the right one")
	for range 5 { // more than a software TPM allows
		refuses(t, wrong, blob, kek.ErrUnavailable, "was refused before")
	}
	got, err := right.Unwrap(t.Context(), blob)
	require.NoError(t, err)
	require.True(t, got.Equal(key()), "the right secret")
}

func TestOwnerPassword(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := mustOpen(t, tpm.URI())
	command(t, tpm, func(c *conn) error {
		_, err := tpm2.HierarchyChangeAuth{AuthHandle: tpm2.TPMRHOwner, NewAuth: tpm2.TPM2BAuth{Buffer: []byte("x")}}.Execute(c)
		return err
	})
	_, err := p.Wrap(t.Context(), key())
	require.ErrorIs(t, err, kek.ErrUnavailable)
	require.ErrorContains(t, err, "tpm2_changeauth")
}

func TestCancelled(t *testing.T) {
	p := mustOpen(t, start(t, swtpm.New).URI())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Wrap(ctx, key())
	require.ErrorIs(t, err, kek.ErrUnavailable)
}

// TestRotationKnowsTheTPM: a key that one TPM wrapped is not wrapped again by another TPM that
// answers in its place.
func TestRotationKnowsTheTPM(t *testing.T) {
	tpm, other := start(t, swtpm.New), start(t, swtpm.New)
	blob, err := mustOpen(t, tpm.URI()).Wrap(t.Context(), key())
	require.NoError(t, err)
	for uri, want := range map[string]error{tpm.URI(): nil, other.URI(): kek.ErrWrongKey} {
		u, err := kek.Parse(uri)
		require.NoError(t, err)
		p, err := Open(t.Context(), u, kek.Env{Dir: t.TempDir(), Before: blob, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		if _, err := p.Wrap(t.Context(), key()); !errors.Is(err, want) {
			t.Errorf("wrapping again: %v, want %v", err, want)
		}
		require.NoError(t, p.Close())
	}
}
