package object

import (
	"crypto"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// koblitz is secp256k1 (SEC 2). Keys are *secp256k1.PrivateKey.
type koblitz struct{}

func (koblitz) generate() (crypto.PrivateKey, error) { return secp256k1.GeneratePrivateKey() }

func (koblitz) numberSize() int { return secp256k1.PrivKeyBytesLen }

func (koblitz) decodePoint(raw []byte) (crypto.PublicKey, error) {
	return secp256k1.ParsePubKey(raw)
}

func (koblitz) encodePoint(pub crypto.PublicKey) ([]byte, bool) {
	key, ok := pub.(*secp256k1.PublicKey)
	if !ok {
		return nil, false
	}
	return key.SerializeUncompressed(), true
}

func (koblitz) decodeValue(v []byte) (crypto.PrivateKey, error) {
	fixed, ok := padded(v, secp256k1.PrivKeyBytesLen)
	if !ok {
		return nil, errValue
	}
	defer clear(fixed)
	var d secp256k1.ModNScalar
	defer d.Zero()
	if overflow := d.SetByteSlice(fixed); overflow || d.IsZero() {
		return nil, errValue
	}
	return secp256k1.NewPrivateKey(&d), nil
}

func (koblitz) encodeValue(priv crypto.PrivateKey) ([]byte, bool) {
	key, ok := priv.(*secp256k1.PrivateKey)
	if !ok {
		return nil, false
	}
	return key.Serialize(), true
}

func (koblitz) public(priv crypto.PrivateKey) crypto.PublicKey {
	return priv.(*secp256k1.PrivateKey).PubKey()
}
