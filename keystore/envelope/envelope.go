package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"vtoken/vtoken/secret"
)

// KeySize is the length of every key in bytes.
const KeySize = 32

// Overhead is how many bytes a sealed blob is longer than what is in it, where its
// contents are of version 1.
const Overhead = headerSize + nonceSize + tagSize

const (
	keyIDSize  = 8
	headerSize = 1 + keyIDSize + 8
	// versionSize is how much longer a blob is whose contents are of a newer version.
	versionSize = 2
	tagSize     = 16

	// The first byte of a blob.
	formatFirst     = 1 // contents of version 1
	formatVersioned = 2 // their version is in the header

	// MaxPlain bounds what one blob holds, in bytes.
	MaxPlain = 32 << 20
)

// Errors of Open and Parse. They come wrapped.
var (
	// ErrFormat is returned for bytes that are no blob of this format.
	ErrFormat = errors.New("no sealed blob of a known format")
	// ErrKey is returned for a blob that was sealed under another key.
	ErrKey = errors.New("sealed under another key")
	// ErrAuth is returned for a blob that was changed, or that was sealed for
	// another place.
	ErrAuth = errors.New("sealed blob is damaged, changed or out of place")
	// ErrNewer is returned for a blob whose contents are of a newer version than the
	// caller can read.
	ErrNewer = errors.New("sealed contents of a newer version")
)

// Field says what of a record a blob holds. The values are part of the format.
type Field byte

// Place is where a blob belongs. A blob opens in no other place.
type Place struct {
	// Schema is the version of what such contents look like: to Seal, that of these
	// contents; to Open, the newest that the caller can read. A blob says its own.
	Schema uint16
	Tenant [16]byte // zero for what belongs to no tenant
	Record [16]byte // id of the token, user or API key, or zero
	Object uint64   // id of the token object, or zero
	Field  Field
}

// additional is the associated data of a blob with the given header, whose contents are
// of a version.
func (p Place) additional(header []byte, schema uint16) []byte {
	ad := make([]byte, 0, headerSize+versionSize+4+16+16+8+1)
	ad = append(ad, header...)
	ad = binary.BigEndian.AppendUint32(ad, uint32(schema))
	ad = append(ad, p.Tenant[:]...)
	ad = append(ad, p.Record[:]...)
	ad = binary.BigEndian.AppendUint64(ad, p.Object)
	return append(ad, byte(p.Field))
}

// KeyID tells keys apart. It says nothing about the key.
type KeyID [keyIDSize]byte

// Key seals and opens. It is safe for concurrent use.
type Key struct {
	raw secret.Bytes
	id  KeyID
	x   xaes
}

// NewKey makes a Key of 32 secret bytes, which it copies.
func NewKey(raw secret.Bytes) (*Key, error) {
	if len(raw) != KeySize {
		return nil, fmt.Errorf("a sealing key has %d bytes, not %d", KeySize, len(raw))
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, err
	}
	k := &Key{raw: raw.Clone(), x: newXAES(block)}
	copy(k.id[:], k.Derive("vtoken key id"))
	return k, nil
}

// RandomKey is a fresh secret for [NewKey].
func RandomKey() secret.Bytes {
	raw := make(secret.Bytes, KeySize)
	_, _ = rand.Read(raw) // never fails, see crypto/rand
	return raw
}

// Derive makes another secret of 32 bytes for the named purpose (HKDF-SHA256,
// RFC 5869). The caller wipes it.
func (k *Key) Derive(purpose string) secret.Bytes {
	out, err := hkdf.Expand(sha256.New, []byte(k.raw), purpose, KeySize)
	if err != nil {
		panic("derive a key of 32 bytes: " + err.Error()) // only for lengths above 8160
	}
	return out
}

// ID is the id of the key.
func (k *Key) ID() KeyID { return k.id }

// Raw is a copy of the secret that the key was made of, to be sealed in its
// turn. The caller wipes it.
func (k *Key) Raw() secret.Bytes { return k.raw.Clone() }

// Wipe overwrites the key as far as Go lets us. Nobody may use it afterwards.
func (k *Key) Wipe() { k.raw.Wipe() }

// Seal encrypts plain for a place, as the given version of it.
func (k *Key) Seal(p Place, version uint64, plain []byte) ([]byte, error) {
	if len(plain) > MaxPlain {
		return nil, fmt.Errorf("seal %d bytes: at most %d fit", len(plain), MaxPlain)
	}
	if p.Schema == 0 {
		return nil, errors.New("seal contents of no version")
	}
	blob := make([]byte, 0, Overhead+versionSize+len(plain))
	if p.Schema == 1 {
		blob = append(blob, formatFirst)
	} else {
		blob = binary.BigEndian.AppendUint16(append(blob, formatVersioned), p.Schema)
	}
	blob = append(blob, k.id[:]...)
	blob = binary.BigEndian.AppendUint64(blob, version)
	header := len(blob)
	blob = blob[:header+nonceSize]
	nonce := blob[header:]
	_, _ = rand.Read(nonce)
	gcm, err := k.x.derive(nonce)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(blob, nonce[nonceSize/2:], plain, p.additional(blob[:header], p.Schema)), nil
}

// Open decrypts a blob that was sealed for the place, and returns the version
// that it was sealed as. It fails with [ErrFormat], [ErrNewer], [ErrKey] or [ErrAuth].
func (k *Key) Open(p Place, blob []byte) (plain []byte, version uint64, err error) {
	h, err := Parse(blob)
	if err != nil {
		return nil, 0, err
	}
	if h.Key != k.id {
		return nil, 0, fmt.Errorf("%w: %x", ErrKey, h.Key)
	}
	nonce := blob[h.size : h.size+nonceSize]
	gcm, err := k.x.derive(nonce)
	if err != nil {
		return nil, 0, err
	}
	plain, err = gcm.Open(nil, nonce[nonceSize/2:], blob[h.size+nonceSize:], p.additional(blob[:h.size], h.Schema))
	if err != nil {
		return nil, 0, ErrAuth
	}
	if h.Schema > p.Schema { // authentic, so that nobody else said so
		return nil, 0, fmt.Errorf("%w: version %d, and %d is known", ErrNewer, h.Schema, p.Schema)
	}
	return plain, h.Version, nil
}

// Header is what a blob says in the clear.
type Header struct {
	Key     KeyID
	Version uint64 // of the record
	Schema  uint16 // of what the contents look like
	size    int
}

// Parse reads the header of a blob without opening it. It fails with
// [ErrFormat].
func Parse(blob []byte) (h Header, err error) {
	if len(blob) < Overhead || len(blob) > Overhead+versionSize+MaxPlain {
		return h, fmt.Errorf("%w: %d bytes", ErrFormat, len(blob))
	}
	h.Schema, h.size = 1, headerSize
	switch blob[0] {
	case formatFirst:
	case formatVersioned:
		h.Schema, h.size = binary.BigEndian.Uint16(blob[1:]), headerSize+versionSize
		if h.Schema < 2 || len(blob) < Overhead+versionSize {
			return h, fmt.Errorf("%w: %d bytes of version %d", ErrFormat, len(blob), h.Schema)
		}
	default:
		return h, fmt.Errorf("%w: format %d", ErrFormat, blob[0])
	}
	at := h.size - keyIDSize - 8
	copy(h.Key[:], blob[at:])
	h.Version = binary.BigEndian.Uint64(blob[at+keyIDSize:])
	return h, nil
}

// xaes is XAES-256-GCM without the GCM: it makes the key of each message.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte // the CMAC subkey of NIST SP 800-38B section 6.1
}

const nonceSize = 24

func newXAES(block cipher.Block) xaes {
	x := xaes{block: block}
	block.Encrypt(x.k1[:], x.k1[:])
	var msb byte
	for i := len(x.k1) - 1; i >= 0; i-- {
		msb, x.k1[i] = x.k1[i]>>7, x.k1[i]<<1|msb
	}
	x.k1[len(x.k1)-1] ^= msb * 0b10000111
	return x
}

// derive makes the AES-GCM of one message from the first half of its nonce.
func (x xaes) derive(nonce []byte) (cipher.AEAD, error) {
	var key [KeySize]byte
	for i := range byte(2) {
		m := [aes.BlockSize]byte{0, i + 1, 'X', 0}
		copy(m[4:], nonce[:nonceSize/2])
		for j := range m {
			m[j] ^= x.k1[j]
		}
		x.block.Encrypt(key[int(i)*aes.BlockSize:], m[:])
	}
	block, err := aes.NewCipher(key[:])
	clear(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
