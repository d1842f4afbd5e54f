package tpm

import (
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek"
	"vtoken/keystore/kek/kektest/swtpm"
	"vtoken/vtoken/secret"
)

// What programs left that were killed does not keep the next one out.
func TestLeftovers(t *testing.T) {
	leave := map[string]func(c *conn) error{
		"sessions": func(c *conn) error {
			_, _, err := tpm2.HMACSession(c, tpm2.TPMAlgSHA256, nonceSize)
			return err
		},
		"policy sessions": func(c *conn) error {
			_, _, err := tpm2.PolicySession(c, tpm2.TPMAlgSHA256, nonceSize)
			return err
		},
		"keys": func(c *conn) error {
			_, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(c)
			return err
		},
	}
	for name, one := range leave {
		t.Run(name, func(t *testing.T) {
			tpm := start(t, swtpm.New)
			p := mustOpen(t, tpm.URI())
			counter, at := newCounter(t, p)
			for range 2 {
				command(t, tpm, func(c *conn) error {
					for range 3 { // that many find room
						if err := one(c); err != nil {
							return err
						}
					}
					return nil
				})
				blob, err := p.Wrap(t.Context(), key())
				require.NoError(t, err)
				_, err = p.Unwrap(t.Context(), blob)
				require.NoError(t, err)
				at++
				if got, err := p.IncrementCounter(t.Context(), counter); err != nil || got != at {
					t.Errorf("the counter is at %d, not %d: %v", got, at, err)
				}
				command(t, tpm, (*conn).sweep)
				command(t, tpm, nothingLeft)
			}
		})
	}
}

// TestOtherCounters: the counters that are there are named, but for one's own, and so are
// more than one answer of the TPM holds. An NV index of another program is none of them.
func TestOtherCounters(t *testing.T) {
	tpm := start(t, swtpm.New)
	p := mustOpen(t, tpm.URI())
	others, err := p.OtherCounters(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, others)
	mine, _ := newCounter(t, p)
	want := map[string]bool{}
	var names []secret.Bytes
	for range 3 {
		name, _ := newCounter(t, p)
		c, err := parseCounter(name)
		require.NoError(t, err)
		want[c.String()] = true
		names = append(names, name)
	}
	command(t, tpm, func(c *conn) error {
		_, err := tpm2.NVDefineSpace{
			AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)},
			PublicInfo: tpm2.New2B(tpm2.TPMSNVPublic{
				NVIndex: firstHandle + 7, NameAlg: tpm2.TPMAlgSHA256, DataSize: 8,
				Attributes: tpm2.TPMANV{OwnerWrite: true, OwnerRead: true, NT: tpm2.TPMNTOrdinary},
			}),
		}.Execute(c)
		return err
	})
	listed := func(mine secret.Bytes) map[string]bool {
		t.Helper()
		others, err := p.OtherCounters(t.Context(), mine)
		require.NoError(t, err)
		got := map[string]bool{}
		for _, name := range others {
			got[name] = true
		}
		require.Len(t, got, len(others))
		return got
	}
	require.Equal(t, want, listed(mine))
	require.NoError(t, p.RemoveCounter(t.Context(), names[0]))
	gone, err := parseCounter(names[0])
	require.NoError(t, err)
	delete(want, gone.String())
	require.Equal(t, want, listed(mine))
	_, err = p.OtherCounters(t.Context(), secret.Bytes("no name"))
	require.ErrorIs(t, err, kek.ErrNoCounter)
	require.NoError(t, tpm.Stop())
	_, err = p.OtherCounters(t.Context(), mine)
	require.ErrorIs(t, err, kek.ErrUnavailable)
}
