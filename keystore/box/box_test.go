package box_test

import (
	"bytes"
	"crypto/hpke"
	"errors"
	"slices"
	"testing"

	"vtoken/keystore/box"
	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
)

func newKey(t testing.TB) ([]byte, secret.Bytes) {
	t.Helper()
	public, private, err := box.GenerateKey()
	require.NoError(t, err)
	return public, private
}

func TestSealOpen(t *testing.T) {
	public, private := newKey(t)
	again, err := box.Public(private)
	require.NoError(t, err)
	require.Equal(t, public, again)
	require.Len(t, public, box.PublicSize)
	require.Len(t, private, box.PrivateSize, "the public key of the private one")
	for _, n := range []int{0, 1, 500, 1 << 20} {
		plain := bytes.Repeat([]byte{7}, n)
		sealed, err := box.Seal(public, []byte("info"), plain)
		require.NoError(t, err, "seal %d bytes: %d", n, len(sealed))
		require.Len(t, sealed, n+box.Overhead, "seal %d bytes: %d", n, len(sealed))
		got, err := box.Open(private, []byte("info"), sealed)
		require.NoError(t, err, "open %d bytes", n)
		require.True(t, bytes.Equal(plain, got), "open %d bytes", n)
		again, _ := box.Seal(public, []byte("info"), plain)
		require.NotEqual(t, sealed, again, "the same twice gives the same box")
	}
	_, err = box.Seal(public, nil, make([]byte, box.MaxPlain+1))
	require.Error(t, err, "too much was sealed")
}

func TestEveryBitCounts(t *testing.T) {
	public, private := newKey(t)
	sealed, err := box.Seal(public, []byte("info"), []byte("secret"))
	require.NoError(t, err)
	for i := range sealed {
		bad := slices.Clone(sealed)
		bad[i] ^= 1
		_, err := box.Open(private, []byte("info"), bad)
		require.ErrorIs(t, err, box.ErrOpen, "byte %d does not count", i)
	}
	_, err = box.Open(private, []byte("infos"), sealed)
	require.ErrorIs(t, err, box.ErrOpen, "another purpose")
	_, other := newKey(t)
	_, err = box.Open(other, []byte("info"), sealed)
	require.ErrorIs(t, err, box.ErrOpen, "another key")
	for _, n := range []int{0, 1, box.Overhead - 1, len(sealed) - 1} {
		if _, err := box.Open(private, []byte("info"), sealed[:n]); !errors.Is(err, box.ErrOpen) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestBadKeys(t *testing.T) {
	public, private := newKey(t)
	for _, bad := range [][]byte{nil, public[1:], append(slices.Clone(public), 0), bytes.Repeat([]byte{0xff}, len(public))} {
		if _, err := box.Seal(bad, nil, nil); !errors.Is(err, box.ErrKey) {
			t.Errorf("a public key of %d bytes: %v", len(bad), err)
		}
	}
	for _, bad := range []secret.Bytes{nil, private[1:], append(private.Clone(), 0)} {
		if _, err := box.Public(bad); !errors.Is(err, box.ErrKey) {
			t.Errorf("a private key of %d bytes: %v", len(bad), err)
		}
		if _, err := box.Open(bad, nil, make([]byte, box.Overhead)); !errors.Is(err, box.ErrKey) {
			t.Errorf("open with a private key of %d bytes: %v", len(bad), err)
		}
	}
}

// The suite is the one that the format names, whatever made the box: this is
// another writer, by the numbers of the registry.
func TestSuite(t *testing.T) {
	public, private := newKey(t)
	kem, e1 := hpke.NewKEM(0x647a)
	kdf, e2 := hpke.NewKDF(1)
	aead, e3 := hpke.NewAEAD(2)
	require.NoError(t, errors.Join(e1, e2, e3))
	key, err := kem.NewPublicKey(public)
	require.NoError(t, err)
	enc, sender, err := hpke.NewSender(key, kdf, aead, []byte("info"))
	require.NoError(t, err)
	text, err := sender.Seal(nil, []byte("secret"))
	require.NoError(t, err)
	got, err := box.Open(private, []byte("info"), append(enc, text...))
	require.NoError(t, err, "%q", got)
	require.Equal(t, "secret", string(got))
}

func FuzzOpen(f *testing.F) {
	private := secret.Bytes(bytes.Repeat([]byte{9}, box.PrivateSize))
	public, err := box.Public(private)
	require.NoError(f, err)
	good, err := box.Seal(public, nil, []byte("seed"))
	require.NoError(f, err)
	require.NotEmpty(f, good, "no seed")
	f.Add(good)
	f.Add(good[:box.Overhead])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		// Anybody can seal to a public key, so a box that opens is no forgery.
		plain, err := box.Open(private, nil, sealed)
		if err == nil && len(plain) != len(sealed)-box.Overhead {
			t.Errorf("%d bytes in a box of %d", len(plain), len(sealed))
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	public, _ := newKey(b)
	for b.Loop() {
		_, err := box.Seal(public, nil, make([]byte, 1200))
		require.NoError(b, err)
	}
}

func BenchmarkOpen(b *testing.B) {
	public, private := newKey(b)
	sealed, err := box.Seal(public, nil, make([]byte, 1200))
	require.NoError(b, err)
	for b.Loop() {
		_, err := box.Open(private, nil, sealed)
		require.NoError(b, err)
	}
}
