package box_test

import (
	"bytes"
	"crypto/hpke"
	"errors"
	"slices"
	"testing"

	"vtoken/keystore/box"
	"vtoken/vtoken/secret"
)

func newKey(t testing.TB) ([]byte, secret.Bytes) {
	t.Helper()
	public, private, err := box.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

func TestSealOpen(t *testing.T) {
	public, private := newKey(t)
	if again, err := box.Public(private); err != nil || !bytes.Equal(again, public) || len(public) != box.PublicSize || len(private) != box.PrivateSize {
		t.Fatalf("the public key of the private one: %v", err)
	}
	for _, n := range []int{0, 1, 500, 1 << 20} {
		plain := bytes.Repeat([]byte{7}, n)
		sealed, err := box.Seal(public, []byte("info"), plain)
		if err != nil || len(sealed) != n+box.Overhead {
			t.Fatalf("seal %d bytes: %d, %v", n, len(sealed), err)
		}
		if got, err := box.Open(private, []byte("info"), sealed); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("open %d bytes: %v", n, err)
		}
		again, _ := box.Seal(public, []byte("info"), plain)
		if bytes.Equal(again, sealed) {
			t.Fatal("the same twice gives the same box")
		}
	}
	if _, err := box.Seal(public, nil, make([]byte, box.MaxPlain+1)); err == nil {
		t.Error("too much was sealed")
	}
}

func TestEveryBitCounts(t *testing.T) {
	public, private := newKey(t)
	sealed, err := box.Seal(public, []byte("info"), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		bad := slices.Clone(sealed)
		bad[i] ^= 1
		if _, err := box.Open(private, []byte("info"), bad); !errors.Is(err, box.ErrOpen) {
			t.Fatalf("byte %d does not count: %v", i, err)
		}
	}
	if _, err := box.Open(private, []byte("infos"), sealed); !errors.Is(err, box.ErrOpen) {
		t.Errorf("another purpose: %v", err)
	}
	_, other := newKey(t)
	if _, err := box.Open(other, []byte("info"), sealed); !errors.Is(err, box.ErrOpen) {
		t.Errorf("another key: %v", err)
	}
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
	if err := errors.Join(e1, e2, e3); err != nil {
		t.Fatal(err)
	}
	key, err := kem.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	enc, sender, err := hpke.NewSender(key, kdf, aead, []byte("info"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := sender.Seal(nil, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := box.Open(private, []byte("info"), append(enc, text...)); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzOpen(f *testing.F) {
	private := secret.Bytes(bytes.Repeat([]byte{9}, box.PrivateSize))
	public, err := box.Public(private)
	if err != nil {
		f.Fatal(err)
	}
	good, err := box.Seal(public, nil, []byte("seed"))
	if err != nil || len(good) == 0 {
		f.Fatal("no seed: ", err)
	}
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
		if _, err := box.Seal(public, nil, make([]byte, 1200)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	public, private := newKey(b)
	sealed, err := box.Seal(public, nil, make([]byte, 1200))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := box.Open(private, nil, sealed); err != nil {
			b.Fatal(err)
		}
	}
}
