package kek

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"sync"

	"vtoken/vtoken/secret"
)

// Refusals remembers the secrets that hardware refused in this run of the program. Such hardware
// counts wrong tries, so a refused secret is not tried again until its file was written again.
// It is safe for concurrent use; nil remembers nothing.
type Refusals struct {
	once sync.Once
	key  [32]byte // of the hashes

	mu   sync.Mutex
	list map[[sha256.Size]byte]struct{}
}

// Refused fails with [ErrUnavailable] where the KEK's secret, which was read from
// file, was refused before.
func (r *Refusals) Refused(uri URI, file string, s secret.Bytes) error {
	if r == nil {
		return nil
	}
	of := r.hash(uri, file, s)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.list[of]; !ok {
		return nil
	}
	return fmt.Errorf("%w: the secret in %s was refused before, and is not tried again, because each try counts; "+
		"correct the file, or touch it where it is right now", ErrUnavailable, file)
}

// maxRefusals bounds what is remembered.
const maxRefusals = 1024

// Note remembers that the secret was refused.
func (r *Refusals) Note(uri URI, file string, s secret.Bytes) {
	if r == nil {
		return
	}
	of := r.hash(uri, file, s)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list == nil || len(r.list) >= maxRefusals {
		r.list = map[[sha256.Size]byte]struct{}{}
	}
	r.list[of] = struct{}{}
}

// hash is of the KEK, the secret, and when its file was written.
func (r *Refusals) hash(uri URI, file string, s secret.Bytes) (sum [sha256.Size]byte) {
	r.once.Do(func() { _, _ = rand.Read(r.key[:]) })
	var written int64
	if info, err := os.Stat(file); err == nil {
		written = info.ModTime().UnixNano()
	}
	m := hmac.New(sha256.New, r.key[:])
	for _, part := range [][]byte{[]byte(uri.String()), s, binary.BigEndian.AppendUint64(nil, uint64(written))} {
		m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		m.Write(part)
	}
	m.Sum(sum[:0])
	return sum
}
