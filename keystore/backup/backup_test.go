package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

func sample(t testing.TB) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]string{{"!format", "x"}, {"a", ""}, {"b", "value of b"}} {
		if err := w.Put([]byte(r[0]), []byte(r[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// TestFormat holds the bytes to the package comment.
func TestFormat(t *testing.T) {
	want := []byte("vtoken backup\n\x00\x00\x00\x01" +
		"\x00\x07\x00\x00\x00\x01!formatx" + "\x00\x01\x00\x00\x00\x00a" + "\x00\x01\x00\x00\x00\x0abvalue of b" +
		"\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x03")
	sum := sha256.Sum256(want)
	if got := sample(t); !bytes.Equal(got, append(want, sum[:]...)) {
		t.Errorf("%q", got)
	}
	if n, err := Verify(bytes.NewReader(sample(t))); n != 3 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
}

// Every byte is flipped, the file cut off everywhere and made longer: each is
// found.
func TestEveryByteCounts(t *testing.T) {
	good := sample(t)
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			_, err := Verify(bytes.NewReader(bad))
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
				t.Errorf("byte %d bit %d: %v", i, bit, err)
			}
		}
		if _, err := Verify(bytes.NewReader(good[:i])); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	if _, err := Verify(bytes.NewReader(append(good, 0))); !errors.Is(err, ErrDamaged) {
		t.Errorf("with a byte more: %v", err)
	}
}

func TestNewer(t *testing.T) {
	newer := append([]byte(magic), binary.BigEndian.AppendUint32(nil, Version+1)...)
	if _, err := Verify(bytes.NewReader(newer)); !errors.Is(err, ErrNewer) {
		t.Error(err)
	}
}

func TestOutOfBounds(t *testing.T) {
	w, err := NewWriter(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if w.Put(nil, nil) == nil || w.Put(make([]byte, MaxKey+1), nil) == nil {
		t.Error("keys out of bounds are taken")
	}
	if err := w.Put([]byte("b"), nil); err != nil {
		t.Fatal(err)
	}
	if w.Put([]byte("b"), nil) == nil || w.Put([]byte("a"), nil) == nil {
		t.Error("keys out of order are taken")
	}
}

// FuzzReader: what reads is written again as the same bytes.
func FuzzReader(f *testing.F) {
	good := sample(f)
	for _, seed := range [][]byte{good, good[:40], {}, []byte(magic)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		var again bytes.Buffer
		w, err := NewWriter(&again)
		if err != nil {
			t.Fatal(err)
		}
		for {
			key, value, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			if err := w.Put(key, value); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil || !bytes.Equal(again.Bytes(), file) {
			t.Errorf("%v: %q is read, and written as %q", err, file, again.Bytes())
		}
	})
}
