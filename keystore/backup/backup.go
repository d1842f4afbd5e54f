package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Version is the version of the format that this program writes.
const Version uint32 = 1

// Bounds of keys and values in bytes; those of package kv.
const (
	MaxKey   = 512
	MaxValue = 64 << 20
)

const magic = "vtoken backup\n"

// Errors of a [Reader]. They come wrapped in a sentence.
var (
	// ErrDamaged is returned for a file that is no backup, that was cut off or
	// in which a byte was changed.
	ErrDamaged = errors.New("the backup file is damaged")
	// ErrNewer is returned for a file of a newer version than [Version].
	ErrNewer = errors.New("the backup was written by a newer vtoken")
)

// Writer writes a backup. It is used by one goroutine.
type Writer struct {
	out   io.Writer
	buf   *bufio.Writer
	hash  hash.Hash
	last  []byte
	count uint64
}

// NewWriter begins a backup.
func NewWriter(w io.Writer) (*Writer, error) {
	h := sha256.New()
	b := &Writer{out: w, hash: h, buf: bufio.NewWriterSize(io.MultiWriter(w, h), 64<<10)}
	_, err := b.buf.Write(binary.BigEndian.AppendUint32([]byte(magic), Version))
	return b, err
}

// Put adds a record. Keys come in ascending order, each once.
func (b *Writer) Put(key, value []byte) error {
	switch {
	case len(key) == 0 || len(key) > MaxKey || len(value) > MaxValue:
		return fmt.Errorf("a record with a key of %d bytes and a value of %d is out of bounds", len(key), len(value))
	case bytes.Compare(key, b.last) <= 0:
		return errors.New("records of a backup come in the order of their keys")
	}
	b.last = append(b.last[:0], key...)
	b.count++
	var head [6]byte
	binary.BigEndian.PutUint16(head[:], uint16(len(key)))
	binary.BigEndian.PutUint32(head[2:], uint32(len(value)))
	for _, part := range [][]byte{head[:], key, value} {
		if _, err := b.buf.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the backup; without it the file is no good. It does not close what
// is below.
func (b *Writer) Close() error {
	if _, err := b.buf.Write(binary.BigEndian.AppendUint64([]byte{0, 0}, b.count)); err != nil {
		return err
	}
	if err := b.buf.Flush(); err != nil {
		return err
	}
	_, err := b.out.Write(b.hash.Sum(nil))
	return err
}

// Reader reads a backup. It is used by one goroutine.
type Reader struct {
	raw   *bufio.Reader // what is left of the file
	in    io.Reader     // the same, hashed
	hash  hash.Hash
	last  []byte
	count uint64
	done  bool
}

// NewReader begins to read a backup. It fails with [ErrDamaged] or [ErrNewer].
func NewReader(r io.Reader) (*Reader, error) {
	raw, h := bufio.NewReaderSize(r, 64<<10), sha256.New()
	b := &Reader{raw: raw, hash: h, in: io.TeeReader(raw, h)}
	var head [len(magic) + 4]byte
	if err := b.read(head[:]); err != nil {
		return nil, err
	}
	if string(head[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: it does not begin like a backup of vtoken; check which file it is", ErrDamaged)
	}
	switch v := binary.BigEndian.Uint32(head[len(magic):]); {
	case v == 0:
		return nil, fmt.Errorf("%w: its version is 0", ErrDamaged)
	case v > Version:
		return nil, fmt.Errorf("%w: its version is %d, this program knows %d; restore it with the newer program", ErrNewer, v, Version)
	}
	return b, nil
}

// read fills b from the file.
func (b *Reader) read(to []byte) error {
	_, err := io.ReadFull(b.in, to)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it was cut off after %d records", ErrDamaged, b.count)
	}
	if err != nil {
		return fmt.Errorf("read the backup file: %w", err)
	}
	return nil
}

// Next is the next record. After the last one it is io.EOF, and only then was
// all of the file as it was written. It fails with [ErrDamaged].
func (b *Reader) Next() (key, value []byte, err error) {
	if b.done {
		return nil, nil, io.EOF
	}
	var length [4]byte
	if err := b.read(length[:2]); err != nil {
		return nil, nil, err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if n == 0 {
		return nil, nil, b.end()
	}
	if err := b.read(length[:]); err != nil {
		return nil, nil, err
	}
	size := int64(binary.BigEndian.Uint32(length[:]))
	if n > MaxKey || size > MaxValue {
		return nil, nil, fmt.Errorf("%w: record %d has a key of %d bytes and a value of %d", ErrDamaged, b.count+1, n, size)
	}
	key = make([]byte, n)
	if err := b.read(key); err != nil {
		return nil, nil, err
	}
	if bytes.Compare(key, b.last) <= 0 {
		return nil, nil, fmt.Errorf("%w: record %d is out of order", ErrDamaged, b.count+1)
	}
	if value, err = b.value(size); err != nil {
		return nil, nil, err
	}
	b.last = append(b.last[:0], key...)
	b.count++
	return key, value, nil
}

// value reads a value, and has no more memory for it than the file has bytes.
func (b *Reader) value(size int64) ([]byte, error) {
	var value bytes.Buffer
	n, err := io.CopyN(&value, b.in, size)
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it was cut off after %d records, %d bytes into a value of %d", ErrDamaged, b.count, n, size)
	}
	if err != nil {
		return nil, fmt.Errorf("read the backup file: %w", err)
	}
	return value.Bytes(), nil
}

// end checks what follows the last record, and returns io.EOF.
func (b *Reader) end() error {
	var count [8]byte
	if err := b.read(count[:]); err != nil {
		return err
	}
	if n := binary.BigEndian.Uint64(count[:]); n != b.count {
		return fmt.Errorf("%w: it has %d records and says %d", ErrDamaged, b.count, n)
	}
	want := b.hash.Sum(nil)
	got := make([]byte, len(want))
	if err := b.read(got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%w: its hash does not fit what is in it", ErrDamaged)
	}
	if _, err := b.raw.ReadByte(); err == nil {
		return fmt.Errorf("%w: something follows its end", ErrDamaged)
	} else if !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the backup file: %w", err)
	}
	b.done = true
	return io.EOF
}

// Verify reads a whole backup and returns the number of its records. It fails
// as a [Reader] does.
func Verify(r io.Reader) (records uint64, err error) {
	b, err := NewReader(r)
	if err != nil {
		return 0, err
	}
	for err == nil {
		_, _, err = b.Next()
	}
	if !errors.Is(err, io.EOF) {
		return 0, err
	}
	return b.count, nil
}
