package provisioning_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/pin"
)

// The code for a challenge has eight digits. It depends on the token and on the challenge.
func TestUnlockByChallenge(t *testing.T) {
	w := newWorld(t)
	first, second := w.boundToken(goodPIN, soPIN), w.boundToken(goodPIN, soPIN)
	code := func(ref provisioning.TokenRef, challenge string) string {
		w.store.Tries(ref.ID, pin.User, 10)
		code, view, err := w.core.UnlockByChallenge(t.Context(), w.admin, ref, challenge)
		require.NoError(t, err)
		require.Equal(t, ref.ID, view.ID)
		require.Regexp(t, "^[0-9]{8}$", string(code))
		return string(code)
	}
	one := code(first, "4711")
	require.Equal(t, one, code(first, "4711"))
	require.NotEqual(t, one, code(first, "4712"))
	require.NotEqual(t, one, code(second, "4711"))
}
