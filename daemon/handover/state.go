package handover

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"vtoken/vtoken/secret"
)

const keySize = 32

// maxState bounds a state in bytes.
const maxState = 1 << 30

// ErrState is returned for descriptors that hold no state.
var ErrState = errors.New("no state of a daemon")

// Keep encrypts a state and wipes it. The state lives as long as both descriptors are open
// somewhere.
func Keep(state secret.Bytes) (file, key *os.File, err error) {
	defer state.Wipe()
	if len(state) > maxState {
		return nil, nil, fmt.Errorf("keep the state of the daemon: it has %d bytes, at most %d fit", len(state), maxState)
	}
	raw := make(secret.Bytes, keySize)
	defer raw.Wipe()
	_, _ = rand.Read(raw) // never fails, see crypto/rand
	box, err := newBox(raw)
	if err != nil {
		return nil, nil, err
	}
	fd, err := unix.MemfdCreate("vtoken-state", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("keep the state of the daemon: %w", err)
	}
	file = os.NewFile(uintptr(fd), "vtoken-state")
	// The key is used once, so the nonce may be zero.
	if _, err := file.Write(box.Seal(nil, make([]byte, box.NonceSize()), state, nil)); err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("keep the state of the daemon: %w", err)
	}
	key, in, err := os.Pipe()
	if err == nil {
		_, err = in.Write(raw)
		in.Close()
	}
	if err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("keep the key of the daemon's state: %w", err)
	}
	return file, key, nil
}

// Take returns the state that Keep kept, and uses its key up. The caller wipes the state.
func Take(file, key *os.File) (secret.Bytes, error) {
	raw := make(secret.Bytes, keySize)
	defer raw.Wipe()
	if _, err := io.ReadFull(key, raw); err != nil {
		return nil, fmt.Errorf("%w: read its key: %w", ErrState, err)
	}
	sealed, err := io.ReadAll(io.NewSectionReader(file, 0, maxState+64))
	if err != nil {
		return nil, fmt.Errorf("%w: read it: %w", ErrState, err)
	}
	box, err := newBox(raw)
	if err != nil {
		return nil, err
	}
	state, err := box.Open(nil, make([]byte, box.NonceSize()), sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	return state, nil
}

func newBox(key secret.Bytes) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the key of the daemon's state: %w", err)
	}
	return cipher.NewGCM(block)
}
