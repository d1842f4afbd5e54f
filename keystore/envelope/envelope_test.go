package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"crypto/sha3"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// xaesSeal is XAES-256-GCM as its specification states it.
func xaesSeal(t testing.TB, key, nonce, plain, ad []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	gcm, err := newXAES(block).derive(nonce)
	require.NoError(t, err)
	return gcm.Seal(nil, nonce[12:], plain, ad)
}

// The vectors of C2SP xaes-256-gcm.md: one with each value of the top bit of
// the CMAC subkey.
func TestXAESVectors(t *testing.T) {
	for _, v := range []struct {
		key        byte
		ad, sealed string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		got := xaesSeal(t, bytes.Repeat([]byte{v.key}, 32), []byte("ABCDEFGHIJKLMNOPQRSTUVWX"),
			[]byte("XAES-256-GCM"), []byte(v.ad))
		if hex.EncodeToString(got) != v.sealed {
			t.Errorf("key %d: %x, want %s", v.key, got, v.sealed)
		}
	}
}

// The accumulated vectors of the same document: 10,000 random inputs.
func TestXAESAccumulated(t *testing.T) {
	in, sum := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	read := func(n int) []byte {
		b := make([]byte, n)
		_, _ = in.Read(b)
		return b
	}
	for range 10000 {
		key, nonce := read(32), read(24)
		plain := read(int(read(1)[0]))
		ad := read(int(read(1)[0]))
		_, _ = sum.Write(xaesSeal(t, key, nonce, plain, ad))
	}
	out := make([]byte, 32)
	_, _ = sum.Read(out)
	const want = "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
	require.Equal(t, want, hex.EncodeToString(out), "accumulated %x, want %s", out, want)
}

func newKey(t testing.TB) *Key {
	t.Helper()
	k, err := NewKey(RandomKey())
	require.NoError(t, err)
	return k
}

var place = Place{Schema: 1, Tenant: [16]byte{1}, Record: [16]byte{2}, Object: 3, Field: 4}

func TestSealOpen(t *testing.T) {
	k := newKey(t)
	for _, n := range []int{0, 1, 16, 512, 1 << 20} {
		plain := make([]byte, n)
		_, _ = rand.Read(plain)
		blob, err := k.Seal(place, 7, plain)
		require.NoError(t, err, "seal %d bytes: %d", n, len(blob))
		require.Len(t, blob, n+Overhead, "seal %d bytes: %d", n, len(blob))
		got, version, err := k.Open(place, blob)
		require.NoError(t, err, "open %d bytes: version %d", n, version)
		require.EqualValues(t, 7, version, "open %d bytes: version %d", n, version)
		require.True(t, bytes.Equal(plain, got), "open %d bytes: version %d", n, version)
		again, _ := k.Seal(place, 7, plain)
		require.NotEqual(t, blob, again, "the same twice gives the same blob")
	}
	_, err := k.Seal(place, 1, make([]byte, MaxPlain+1))
	require.Error(t, err, "too much was sealed")
}

func TestPlaceBinds(t *testing.T) {
	k := newKey(t)
	blob, _ := k.Seal(place, 1, []byte("x"))
	for name, change := range map[string]func(*Place){
		"tenant": func(p *Place) { p.Tenant[15]++ },
		"record": func(p *Place) { p.Record[15]++ },
		"object": func(p *Place) { p.Object++ },
		"field":  func(p *Place) { p.Field++ },
	} {
		p := place
		change(&p)
		if _, _, err := k.Open(p, blob); !errors.Is(err, ErrAuth) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	_, _, err := newKey(t).Open(place, blob)
	require.ErrorIs(t, err, ErrKey, "another key")
}

// TestVersionOfContents: a blob authenticates the version of its contents. A program that knows
// that version, or a newer one, opens it.
func TestVersionOfContents(t *testing.T) {
	k := newKey(t)
	for _, sealed := range []uint16{1, 2, 3, 1 << 15} {
		p := place
		p.Schema = sealed
		blob, err := k.Seal(p, 7, []byte("x"))
		require.NoError(t, err)
		h, err := Parse(blob)
		require.NoError(t, err)
		require.Equal(t, sealed, h.Schema)
		for _, known := range []uint16{sealed - 1, sealed, sealed + 1} {
			p.Schema = known
			plain, version, err := k.Open(p, blob)
			if known < sealed {
				require.ErrorIs(t, err, ErrNewer)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, "x", string(plain))
			require.EqualValues(t, 7, version)
		}
		if sealed == 1 {
			continue
		}
		for _, other := range []uint16{1, 2, 4} { // said to be of another version
			p.Schema = 1 << 15
			forged := bytes.Clone(blob)
			binary.BigEndian.PutUint16(forged[1:], other)
			if other != sealed {
				_, _, err := k.Open(p, forged)
				require.Error(t, err)
			}
		}
		first := append([]byte{formatFirst}, blob[1+versionSize:]...)
		_, _, err = k.Open(place, first)
		require.ErrorIs(t, err, ErrAuth)
	}
	p := place
	p.Schema = 0
	_, err := k.Seal(p, 1, nil)
	require.Error(t, err)
}

func TestEveryBitCounts(t *testing.T) {
	for _, version := range []uint16{1, 2} {
		place := place
		place.Schema = version
		everyBitCounts(t, place)
	}
}

func everyBitCounts(t *testing.T, place Place) {
	t.Helper()
	k := newKey(t)
	blob, _ := k.Seal(place, 1, []byte("twelve bytes"))
	for i := range len(blob) * 8 {
		bad := bytes.Clone(blob)
		bad[i/8] ^= 1 << (i % 8)
		_, _, err := k.Open(place, bad)
		require.Error(t, err, "bit %d does not count", i)
	}
	for n := range blob {
		_, _, err := k.Open(place, blob[:n])
		require.Error(t, err, "%d of %d bytes open", n, len(blob))
	}
}

func TestDerive(t *testing.T) {
	k := newKey(t)
	a, b := k.Derive("a"), k.Derive("b")
	require.Len(t, a, KeySize, "derived keys are not one per purpose")
	require.False(t, a.Equal(b), "derived keys are not one per purpose")
	require.True(t, a.Equal(k.Derive("a")), "derived keys are not one per purpose")
	_, err := NewKey(a[:31])
	require.Error(t, err, "a short key was taken")
}

func FuzzOpen(f *testing.F) {
	k, err := NewKey(bytes.Repeat([]byte{9}, KeySize))
	require.NoError(f, err)
	good, _ := k.Seal(place, 1, []byte("seed"))
	f.Add(good)
	versioned := place
	versioned.Schema = 2
	newer, _ := k.Seal(versioned, 1, []byte("seed"))
	f.Add(newer)
	f.Add(good[:Overhead])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, blob []byte) {
		plain, version, err := k.Open(place, blob)
		if err == nil && (string(plain) != "seed" || version != 1) {
			t.Errorf("forged version %d: %q", version, plain)
		}
	})
}

func BenchmarkSeal512(b *testing.B) {
	k, plain := newKey(b), make([]byte, 512)
	b.ReportAllocs()
	for b.Loop() {
		_, err := k.Seal(place, 1, plain)
		require.NoError(b, err)
	}
}

func BenchmarkOpen512(b *testing.B) {
	k := newKey(b)
	blob, _ := k.Seal(place, 1, make([]byte, 512))
	b.ReportAllocs()
	for b.Loop() {
		_, _, err := k.Open(place, blob)
		require.NoError(b, err)
	}
}
