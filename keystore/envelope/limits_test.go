package envelope

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A blob holds 32 MiB. One byte more is neither sealed nor read.
func TestLimit(t *testing.T) {
	const limit = 32 << 20
	k := newKey(t)
	plain := make([]byte, limit+1)
	_, err := k.Seal(place, 1, plain)
	require.Error(t, err)
	for _, schema := range []uint16{1, 2} {
		p := place
		p.Schema = schema
		blob, err := k.Seal(p, 1, plain[:limit])
		require.NoError(t, err)
		got, _, err := k.Open(p, blob)
		require.NoError(t, err)
		require.Len(t, got, limit)
	}
	longest := make([]byte, Overhead+versionSize+limit+1)
	longest[0] = formatFirst
	_, err = Parse(longest[:len(longest)-1])
	require.NoError(t, err)
	_, err = Parse(longest)
	require.ErrorIs(t, err, ErrFormat)
}

// A blob that ends within its header has no format.
func TestShortBlobs(t *testing.T) {
	for _, c := range []struct {
		format byte
		size   int
	}{{formatFirst, Overhead}, {formatVersioned, Overhead + versionSize}} {
		blob := make([]byte, c.size)
		blob[0], blob[2] = c.format, 2
		_, err := Parse(blob)
		require.NoError(t, err)
		_, err = Parse(blob[:c.size-1])
		require.ErrorIs(t, err, ErrFormat)
		_, err = Parse(blob[:0])
		require.ErrorIs(t, err, ErrFormat)
	}
	_, _, err := newKey(t).Open(place, make([]byte, Overhead-1))
	require.ErrorIs(t, err, ErrFormat)
	unversioned := make([]byte, Overhead+versionSize)
	unversioned[0], unversioned[2] = formatVersioned, 1 // the first version has a format of its own
	_, err = Parse(unversioned)
	require.ErrorIs(t, err, ErrFormat)
}

// A key that was wiped does not seal as before, and its copies are copies.
func TestWipe(t *testing.T) {
	raw := RandomKey()
	k, err := NewKey(raw)
	require.NoError(t, err)
	copied := k.Raw()
	require.True(t, copied.Equal(raw))
	copied.Wipe()
	require.True(t, k.Raw().Equal(raw))
	k.Wipe()
	require.False(t, k.Raw().Equal(raw))
}
