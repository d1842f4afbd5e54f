package object

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
)

// errValue is the answer of a group or lattice to a value that is none; what it is about is
// said by who asks.
var errValue = errors.New("not a key of this kind")

// nist is the curves of FIPS 186. Keys are *ecdsa.PrivateKey.
type nist struct{ elliptic.Curve }

func (g nist) generate() (crypto.PrivateKey, error) { return ecdsa.GenerateKey(g.Curve, rand.Reader) }

func (g nist) decodePoint(raw []byte) (crypto.PublicKey, error) {
	if len(raw) == 1+(g.Params().BitSize+7)/8 {
		raw = g.expand(raw)
	}
	if n := len(raw); n > 0 && raw[0]&^1 == 6 && raw[n-1]&1 == raw[0]&1 {
		raw = append([]byte{4}, raw[1:]...) // the hybrid form: 6 or 7, by the last bit of y
	}
	return ecdsa.ParseUncompressedPublicKey(g.Curve, raw)
}

// expand is the uncompressed form of a compressed point, or nil for bytes that are no point.
func (g nist) expand(v []byte) []byte {
	x, y := elliptic.UnmarshalCompressed(g.Curve, v)
	if x == nil {
		return nil
	}
	n := len(v) - 1
	out := make([]byte, 1+2*n)
	out[0] = 4
	x.FillBytes(out[1 : 1+n])
	y.FillBytes(out[1+n:])
	return out
}

func (g nist) encodePoint(pub crypto.PublicKey) ([]byte, bool) {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok || key.Curve != g.Curve {
		return nil, false
	}
	raw, err := key.Bytes()
	return raw, err == nil
}

func (g nist) numberSize() int { return (g.Params().N.BitLen() + 7) / 8 }

// decodeValue reads a private number of any length that is in range.
func (g nist) decodeValue(v []byte) (crypto.PrivateKey, error) {
	fixed, ok := padded(v, g.numberSize())
	if !ok {
		return nil, errValue
	}
	defer clear(fixed)
	return ecdsa.ParseRawPrivateKey(g.Curve, fixed)
}

// padded is a big-endian number in exactly n bytes.
func padded(v []byte, n int) ([]byte, bool) {
	v = bytes.TrimLeft(v, "\x00")
	if len(v) > n {
		return nil, false
	}
	fixed := make([]byte, n)
	copy(fixed[n-len(v):], v)
	return fixed, true
}

// encodeValue copies the number: what Bytes returns is the memory that
// crypto/ecdsa goes on signing with, and callers wipe the value.
func (g nist) encodeValue(priv crypto.PrivateKey) ([]byte, bool) {
	key, ok := priv.(*ecdsa.PrivateKey)
	if !ok || key.Curve != g.Curve {
		return nil, false
	}
	raw, err := key.Bytes()
	return bytes.Clone(raw), err == nil
}

func (g nist) public(priv crypto.PrivateKey) crypto.PublicKey {
	return &priv.(*ecdsa.PrivateKey).PublicKey
}
