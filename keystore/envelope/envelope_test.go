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
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := newXAES(block).derive(nonce)
	if err != nil {
		t.Fatal(err)
	}
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
	if hex.EncodeToString(out) != want {
		t.Errorf("accumulated %x, want %s", out, want)
	}
}

func newKey(t testing.TB) *Key {
	t.Helper()
	k, err := NewKey(RandomKey())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var place = Place{Schema: 1, Tenant: [16]byte{1}, Record: [16]byte{2}, Object: 3, Field: 4}

func TestSealOpen(t *testing.T) {
	k := newKey(t)
	for _, n := range []int{0, 1, 16, 512, 1 << 20} {
		plain := make([]byte, n)
		_, _ = rand.Read(plain)
		blob, err := k.Seal(place, 7, plain)
		if err != nil || len(blob) != n+Overhead {
			t.Fatalf("seal %d bytes: %d, %v", n, len(blob), err)
		}
		got, version, err := k.Open(place, blob)
		if err != nil || version != 7 || !bytes.Equal(got, plain) {
			t.Fatalf("open %d bytes: version %d, %v", n, version, err)
		}
		if again, _ := k.Seal(place, 7, plain); bytes.Equal(again, blob) {
			t.Fatal("the same twice gives the same blob")
		}
	}
	if _, err := k.Seal(place, 1, make([]byte, MaxPlain+1)); err == nil {
		t.Error("too much was sealed")
	}
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
	if _, _, err := newKey(t).Open(place, blob); !errors.Is(err, ErrKey) {
		t.Errorf("another key: %v", err)
	}
}

// TestVersionOfContents: a blob says the version of its contents, which is authentic. It
// is opened by whoever knows that version, or a newer one.
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
		if _, _, err := k.Open(place, bad); err == nil {
			t.Fatalf("bit %d does not count", i)
		}
	}
	for n := range blob {
		if _, _, err := k.Open(place, blob[:n]); err == nil {
			t.Fatalf("%d of %d bytes open", n, len(blob))
		}
	}
}

func TestDerive(t *testing.T) {
	k := newKey(t)
	a, b := k.Derive("a"), k.Derive("b")
	if len(a) != KeySize || a.Equal(b) || !a.Equal(k.Derive("a")) {
		t.Error("derived keys are not one per purpose")
	}
	if _, err := NewKey(a[:31]); err == nil {
		t.Error("a short key was taken")
	}
}

func FuzzOpen(f *testing.F) {
	k, err := NewKey(bytes.Repeat([]byte{9}, KeySize))
	if err != nil {
		f.Fatal(err)
	}
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
		if _, err := k.Seal(place, 1, plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen512(b *testing.B) {
	k := newKey(b)
	blob, _ := k.Seal(place, 1, make([]byte, 512))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := k.Open(place, blob); err != nil {
			b.Fatal(err)
		}
	}
}
