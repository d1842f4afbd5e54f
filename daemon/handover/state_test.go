package handover_test

import (
	"bytes"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/handover"
	"vtoken/vtoken/secret"
)

func TestKeepTake(t *testing.T) {
	for _, n := range []int{0, 1, 5 << 20} {
		plain := bytes.Repeat([]byte("secret"), n)[:n]
		state := secret.Bytes(bytes.Clone(plain))
		file, key, err := handover.Keep(state)
		require.NoError(t, err)
		require.Equal(t, make([]byte, n), []byte(state), "the state was not wiped")
		kept, err := os.ReadFile("/proc/self/fd/" + fd(file))
		require.NoError(t, err)
		require.NotContains(t, string(kept), "secret")
		got, err := handover.Take(file, key)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain, got))
		_, err = handover.Take(file, key)
		require.ErrorIs(t, err, handover.ErrState, "the key is used up")
		file.Close()
		key.Close()
	}
}

func TestTakeRefuses(t *testing.T) {
	file, key, err := handover.Keep(secret.Bytes("state"))
	require.NoError(t, err)
	other, otherKey, err := handover.Keep(secret.Bytes("other"))
	require.NoError(t, err)
	_, err = handover.Take(file, otherKey)
	require.ErrorIs(t, err, handover.ErrState)
	_, err = handover.Take(key, other)
	require.ErrorIs(t, err, handover.ErrState)
	_, err = file.WriteAt([]byte{0}, 0)
	require.NoError(t, err)
	_, err = handover.Take(file, key)
	require.ErrorIs(t, err, handover.ErrState)
}

func fd(f *os.File) string { return strconv.Itoa(int(f.Fd())) }
