package box

import (
	"crypto/hpke"
	"errors"
	"fmt"

	"vtoken/vtoken/secret"
)

// Sizes in bytes.
const (
	PrivateSize = 32
	PublicSize  = 1216
	// Overhead is how many bytes a box is longer than what is in it.
	Overhead = 1120 + 16

	// MaxPlain bounds what one box holds.
	MaxPlain = 16 << 20
)

// Errors of Seal and Open. They come wrapped.
var (
	// ErrKey is returned for bytes that are no key.
	ErrKey = errors.New("no key of a box")
	// ErrOpen is returned for a box that was changed, or that was sealed to
	// another key or for another purpose.
	ErrOpen = errors.New("the box is damaged, or of another key or purpose")
)

// GenerateKey makes a key pair. The caller wipes the private key.
func GenerateKey() (public []byte, private secret.Bytes, err error) {
	k, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("make the key of a box: %w", err)
	}
	seed, err := k.Bytes()
	if err != nil {
		return nil, nil, fmt.Errorf("make the key of a box: %w", err)
	}
	return k.PublicKey().Bytes(), seed, nil
}

// Public is the public key of a private one. It fails with [ErrKey].
func Public(private secret.Bytes) ([]byte, error) {
	k, err := privateKey(private)
	if err != nil {
		return nil, err
	}
	return k.PublicKey().Bytes(), nil
}

func privateKey(private secret.Bytes) (hpke.PrivateKey, error) {
	if len(private) != PrivateSize {
		return nil, fmt.Errorf("%w: a private key has %d bytes, not %d", ErrKey, PrivateSize, len(private))
	}
	k, err := hpke.MLKEM768X25519().NewPrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return k, nil
}

// Check fails with [ErrKey] for bytes that are no public key.
func Check(public []byte) error {
	_, err := publicKey(public)
	return err
}

func publicKey(public []byte) (hpke.PublicKey, error) {
	if len(public) != PublicSize {
		return nil, fmt.Errorf("%w: a public key has %d bytes, not %d", ErrKey, PublicSize, len(public))
	}
	k, err := hpke.MLKEM768X25519().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return k, nil
}

// Seal seals plain to a public key. The box opens for the same info only. It
// fails with [ErrKey].
func Seal(public, info, plain []byte) ([]byte, error) {
	if len(plain) > MaxPlain {
		return nil, fmt.Errorf("seal %d bytes: at most %d fit", len(plain), MaxPlain)
	}
	k, err := publicKey(public)
	if err != nil {
		return nil, err
	}
	return hpke.Seal(k, hpke.HKDFSHA256(), hpke.AES256GCM(), info, plain)
}

// Open opens what [Seal] made. It fails with [ErrKey] or [ErrOpen]. The caller
// wipes what was in it.
func Open(private secret.Bytes, info, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || len(sealed) > Overhead+MaxPlain {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrOpen, len(sealed))
	}
	k, err := privateKey(private)
	if err != nil {
		return nil, err
	}
	plain, err := hpke.Open(k, hpke.HKDFSHA256(), hpke.AES256GCM(), info, sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	return plain, nil
}
