package mech_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/mech"
)

// A key of RSA ends with an error of pause, however large it is. That takes a setting of
// Go's (go.mod), which a later Go may not have: then this test fails.
func TestGenerateRSAPauses(t *testing.T) {
	enough, pauses := errors.New("enough"), 0
	_, err := mech.GenerateRSA(8192, func() error {
		if pauses++; pauses > 2 {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	key, err := mech.GenerateRSA(2048, func() error { return nil })
	require.NoError(t, err)
	require.NoError(t, key.Validate())
	key, err = mech.GenerateRSA(2048, nil)
	require.NoError(t, err)
	require.NoError(t, key.Validate())
}
