package keystore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What lies outside of the store opens with the same store, also after it was opened again, for
// the same id, and if nothing was changed.
func TestOutside(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	id, other := [16]byte{1}, [16]byte{2}
	plain := []byte("the logins of an application")
	sealed, err := s.SealOutside(id, plain)
	require.NoError(t, err)
	require.NotContains(t, string(sealed), "logins")
	again, err := s.SealOutside(id, plain)
	require.NoError(t, err)
	require.NotEqual(t, sealed, again)

	opens := func(s *Store) {
		t.Helper()
		got, err := s.OpenOutside(id, sealed)
		require.NoError(t, err)
		require.Equal(t, plain, got)
	}
	opens(s)
	_, err = s.OpenOutside(other, sealed)
	require.Error(t, err, "for another id")
	for i := range sealed {
		changed := append([]byte(nil), sealed...)
		changed[i] ^= 1
		_, err := s.OpenOutside(id, changed)
		require.Error(t, err, "byte %d", i)
	}
	for n := range sealed {
		_, err := s.OpenOutside(id, sealed[:n])
		require.Error(t, err, "%d bytes", n)
	}
	_, err = temp(t).OpenOutside(id, sealed)
	require.Error(t, err, "with another store")
	closeStore(t, s)
	opens(open(t, dir))
}
