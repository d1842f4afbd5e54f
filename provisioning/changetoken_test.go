package provisioning_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
)

// Each part of a change is made, all of them together or none.
func TestChangeToken(t *testing.T) {
	w := newWorld(t)
	label, off, none := "front door", false, ""
	change := func(c provisioning.TokenChange) (provisioning.Token, error) {
		return w.core.ChangeToken(t.Context(), w.admin, w.ref, c)
	}
	got, err := change(provisioning.TokenChange{Label: &label})
	require.NoError(t, err)
	require.Equal(t, label, got.Label)
	require.True(t, got.Enabled)

	got, err = change(provisioning.TokenChange{Label: &none, Enabled: &off})
	require.NoError(t, err)
	require.Equal(t, got.Serial, got.Label)
	require.False(t, got.Enabled)

	_, err = change(provisioning.TokenChange{})
	wantKind(t, err, provisioning.BadInput)

	got, err = change(provisioning.TokenChange{Deceased: true})
	require.NoError(t, err)
	require.True(t, got.Deceased)

	before := w.store.Commits()
	_, err = change(provisioning.TokenChange{Label: &label, Enabled: &off})
	require.Error(t, err, "it ended")
	require.Equal(t, before, w.store.Commits())
}
