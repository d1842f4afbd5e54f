package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func sample(t testing.TB) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file)
	require.NoError(t, err)
	for _, r := range [][2]string{{"!format", "x"}, {"a", ""}, {"b", "value of b"}} {
		require.NoError(t, w.Put([]byte(r[0]), []byte(r[1])))
	}
	require.NoError(t, w.Close())
	return file.Bytes()
}

// TestFormat holds the bytes to the package comment.
func TestFormat(t *testing.T) {
	want := []byte("vtoken backup\n\x00\x00\x00\x01" +
		"\x00\x07\x00\x00\x00\x01!formatx" + "\x00\x01\x00\x00\x00\x00a" + "\x00\x01\x00\x00\x00\x0abvalue of b" +
		"\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x03")
	sum := sha256.Sum256(want)
	got := sample(t)
	require.Equal(t, append(want, sum[:]...), got, "%q", got)
	n, err := Verify(bytes.NewReader(sample(t)))
	require.EqualValues(t, 3, n, "%d records, %v", n, err)
	require.NoError(t, err, "%d records", n)
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
	_, err := Verify(bytes.NewReader(append(good, 0)))
	require.ErrorIs(t, err, ErrDamaged, "with a byte more")
}

func TestNewer(t *testing.T) {
	newer := append([]byte(magic), binary.BigEndian.AppendUint32(nil, Version+1)...)
	_, err := Verify(bytes.NewReader(newer))
	require.ErrorIs(t, err, ErrNewer)
}

func TestOutOfBounds(t *testing.T) {
	w, err := NewWriter(io.Discard)
	require.NoError(t, err)
	require.Error(t, w.Put(nil, nil), "keys out of bounds are taken")
	require.Error(t, w.Put(make([]byte, MaxKey+1), nil), "keys out of bounds are taken")
	require.NoError(t, w.Put([]byte("b"), nil))
	require.Error(t, w.Put([]byte("b"), nil), "keys out of order are taken")
	require.Error(t, w.Put([]byte("a"), nil), "keys out of order are taken")
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
		require.NoError(t, err)
		for {
			key, value, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			require.NoError(t, w.Put(key, value))
		}
		err = w.Close()
		require.NoError(t, err, "%v: %q is read, and written as %q", err, file, again.Bytes())
		require.Equal(t, file, again.Bytes(), "%v: %q is read, and written as %q", err, file, again.Bytes())
	})
}
