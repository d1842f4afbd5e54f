package box_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/box"
)

// A box holds 16 MiB. One byte more is neither sealed nor opened.
func TestLimit(t *testing.T) {
	const limit = 16 << 20
	public, private := newKey(t)
	plain := make([]byte, limit+1)
	_, err := box.Seal(public, nil, plain)
	require.Error(t, err)
	sealed, err := box.Seal(public, nil, plain[:limit])
	require.NoError(t, err)
	opened, err := box.Open(private, nil, sealed)
	require.NoError(t, err)
	require.Len(t, opened, limit)

	// What is too long, or too short, is told from what is damaged without opening it.
	_, err = box.Open(private, nil, append(sealed, 0))
	require.ErrorIs(t, err, box.ErrOpen)
	require.ErrorContains(t, err, "bytes")
	_, err = box.Open(private, nil, sealed[:box.Overhead-1])
	require.ErrorIs(t, err, box.ErrOpen)
	require.ErrorContains(t, err, "bytes")
}
