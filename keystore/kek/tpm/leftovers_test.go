package tpm

import (
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek/kektest/swtpm"
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
