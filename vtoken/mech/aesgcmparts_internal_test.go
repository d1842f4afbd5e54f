package mech

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

func gcmKey(t *testing.T, rng *rand.ChaCha8, size int) *Key {
	t.Helper()
	k := &Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_AES, Secret: make([]byte, size)}
	_, _ = rng.Read(k.Secret)
	return k
}

// GCM in parts is GCM in one: for every length of IV and tag, whatever the parts, and also where
// another one takes the operation up in between.
func TestGCMInParts(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{1})
	bytesOf := func(n int) []byte { b := make([]byte, n); _, _ = rng.Read(b); return b }
	pick := rand.New(rng)
	for i := range 300 {
		k := gcmKey(t, rng, []int{16, 24, 32}[i%3])
		p := ck.GCMParams{
			IV: bytesOf([]int{12, 1, 8, 16, 17, 60, 12}[i%7]), AAD: bytesOf([]int{0, 1, 16, 33, 70000}[i%5]),
			TagBits: []uint64{128, 96, 104, 112, 120}[i%5],
		}
		in := bytesOf([]int{0, 1, 15, 16, 17, 1000, 200_000}[pick.IntN(7)])
		first, err := newGCMEncrypter(k, p)
		require.NoError(t, err)
		want, err := first.(OneParter).Whole(bytes.Clone(in))
		require.NoError(t, err)
		c, err := newGCMEncrypter(k, p)
		require.NoError(t, err)
		var got []byte
		for rest := in; len(rest) > 0; {
			n := min(1+pick.IntN(1+len(in)/3), len(rest))
			require.Equal(t, n, c.UpdateLen(n))
			out, err := c.Update(rest[:n])
			require.NoError(t, err)
			require.Len(t, out, n)
			got, rest = append(got, out...), rest[n:]
			state, err := c.Save()
			require.NoError(t, err)
			if c, err = newGCMEncrypter(k, p); err == nil {
				err = c.Restore(state)
			}
			require.NoError(t, err)
		}
		require.EqualValues(t, p.TagBits/8, c.FinalLen(0))
		tag, err := c.Final()
		require.NoError(t, err)
		require.Equal(t, want, append(got, tag...), fmt.Sprintf("%d: %d bytes", i, len(in)))
	}
}

// The counter of GCM has 32 bits: after the highest comes 0, and the rest of the block stays.
func TestGCMCounterWraps(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{2})
	k := gcmKey(t, rng, 16)
	begun, err := newGCMEncrypter(k, ck.GCMParams{IV: make([]byte, 16), TagBits: 128})
	require.NoError(t, err)
	c := begun.(*gcmEncrypter)
	require.NoError(t, c.begin())
	binary.BigEndian.PutUint32(c.counter[12:], 1<<32-3)
	got := make([]byte, 100)
	for at := 0; at < len(got); at += 7 {
		end := min(at+7, len(got))
		c.encipher(got[at:end], make([]byte, end-at))
	}
	var want []byte
	block := c.counter
	for i := range 7 {
		binary.BigEndian.PutUint32(block[12:], uint32(1<<32-2+i))
		var out [aes.BlockSize]byte
		c.block.Encrypt(out[:], block[:])
		want = append(want, out[:]...)
	}
	require.Equal(t, want[:len(got)], got)
}

// More than GCM allows with one IV is refused, and so are states that are none.
func TestGCMInPartsRefuses(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{3})
	begun, err := newGCMEncrypter(gcmKey(t, rng, 16), ck.GCMParams{IV: make([]byte, 12), TagBits: 128})
	require.NoError(t, err)
	c := begun.(*gcmEncrypter)
	state := make([]byte, 8+aes.BlockSize)
	binary.BigEndian.PutUint64(state, maxGCMEncrypted-16)
	require.NoError(t, c.Restore(state))
	_, err = c.Update(make([]byte, 17))
	require.Equal(t, ck.CKR_DATA_LEN_RANGE, ck.CodeOf(err))
	_, err = c.Update(make([]byte, 16))
	require.NoError(t, err)
	binary.BigEndian.PutUint64(state, maxGCMEncrypted+16)
	for _, bad := range [][]byte{state, {1}, make([]byte, 9+aes.BlockSize), make([]byte, 7+aes.BlockSize)} {
		require.Equal(t, ck.CKR_SAVED_STATE_INVALID, ck.CodeOf(c.Restore(bad)))
	}
}

// The field of GCM: an inverse is one, and what it computes is the standard's.
func TestField(t *testing.T) {
	one := field{high: 1 << 63}
	pick := rand.New(rand.NewPCG(4, 4))
	for range 50 {
		f, g, h := field{pick.Uint64(), pick.Uint64()}, field{pick.Uint64(), pick.Uint64()}, field{pick.Uint64(), pick.Uint64()}
		require.Equal(t, one, f.times(f.invert()))
		require.Equal(t, f, f.times(one))
		require.Equal(t, f.times(g), g.times(f))
		require.Equal(t, f.times(g.times(h)), f.times(g).times(h))
	}
}
