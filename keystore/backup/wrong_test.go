package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// file is a backup of version 1 with the given records, their count and the right hash.
func file(version uint32, count uint64, records ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte(magic), version)
	for _, r := range records {
		b = append(b, r...)
	}
	b = binary.BigEndian.AppendUint64(append(b, 0, 0), count)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func rawRecord(key, value []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(key)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	return append(append(b, key...), value...)
}

// The hash does not excuse a file in which something else is wrong.
func TestWrongUnderARightHash(t *testing.T) {
	a, b := rawRecord([]byte("a"), []byte("1")), rawRecord([]byte("b"), nil)
	read := func(f []byte) (uint64, error) { return Verify(bytes.NewReader(f)) }
	for name, f := range map[string][]byte{
		"no version":          file(0, 0),
		"order":               file(Version, 2, b, a),
		"twice":               file(Version, 2, a, a),
		"fewer than it says":  file(Version, 3, a, b),
		"more than it says":   file(Version, 1, a, b),
		"the key is too long": file(Version, 1, rawRecord(make([]byte, MaxKey+1), nil)),
	} {
		n, err := read(f)
		require.ErrorIs(t, err, ErrDamaged, name)
		require.Zero(t, n, name)
	}
	_, err := read(file(Version+1, 0))
	require.ErrorIs(t, err, ErrNewer)
	for want, f := range map[uint64][]byte{
		0: file(Version, 0),
		1: file(Version, 1, rawRecord(bytes.Repeat([]byte{1}, MaxKey), []byte("1"))),
		2: file(Version, 2, a, b),
	} {
		n, err := read(f)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
}

// The largest value is read and written, a larger one is refused by its length alone.
func TestLargestValue(t *testing.T) {
	const size = 64 << 20
	require.EqualValues(t, 512, MaxKey)
	for length, said := range map[uint32]string{size: "cut off", size + 1: "a value of 67108865"} {
		head := binary.BigEndian.AppendUint32([]byte{0, 1}, length)
		_, err := Verify(bytes.NewReader(file(Version, 1, append(head, 'a'))))
		require.ErrorIs(t, err, ErrDamaged)
		require.ErrorContains(t, err, said)
	}
	w, err := NewWriter(io.Discard)
	require.NoError(t, err)
	value := make([]byte, size+1)
	require.Error(t, w.Put([]byte{1}, value))
	require.NoError(t, w.Put(make([]byte, MaxKey), value[:size]))
}

// After the end there is nothing, however often it is asked for.
func TestEnd(t *testing.T) {
	r, err := NewReader(bytes.NewReader(file(Version, 0)))
	require.NoError(t, err)
	for range 2 {
		_, _, err = r.Next()
		require.ErrorIs(t, err, io.EOF)
	}
}

// A file that cannot be read is not called damaged, wherever it fails.
func TestReadFails(t *testing.T) {
	broken := errors.New("input/output error")
	good := sample(t)
	for n := range len(good) + 1 {
		_, err := Verify(io.MultiReader(bytes.NewReader(good[:n]), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken, "after %d bytes", n)
		require.NotErrorIs(t, err, ErrDamaged, "after %d bytes", n)
	}
}

// limited takes so many writes, and then fails.
type limited struct{ left int }

var errFull = errors.New("no space left on device")

func (l *limited) Write(p []byte) (int, error) {
	if l.left--; l.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// A writer below that fails is told of by the call that met it, or by Close.
func TestWriteFails(t *testing.T) {
	write := func(out io.Writer) error {
		w, err := NewWriter(out)
		if err != nil {
			return err
		}
		for i := range 20 {
			if err := w.Put([]byte{1, byte(i)}, make([]byte, 50<<10)); err != nil {
				return err
			}
		}
		return w.Close()
	}
	n := 0
	for ; ; n++ {
		err := write(&limited{n})
		if err == nil {
			break
		}
		require.ErrorIs(t, err, errFull, "after %d writes", n)
	}
	require.Greater(t, n, 5)
}
