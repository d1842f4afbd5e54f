//go:build cgo

package libcrypto

// #include "crypto.h"
// #include <openssl/objects.h>
import "C"

import (
	"crypto"
	"crypto/ecdsa"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

// curves are libcrypto's numbers of the curves that it is used for.
var curves = map[string]C.int{
	"P-224": C.NID_secp224r1, "P-256": C.NID_X9_62_prime256v1, "P-521": C.NID_secp521r1, "secp256k1": C.NID_secp256k1,
}

// EC loads a key (mech.Provider).
func (p *Provider) EC(c object.Curve, value []byte) (mech.ECPrivate, error) {
	id, ok := curves[c.Name]
	if !ok {
		return p.Go.EC(c, value)
	}
	key := C.vt_ec(id, view(value))
	if key == nil {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE is no private key on %s", c.Name)
	}
	return &ecKey{c, c.NumberSize(), key}, nil
}

// ecKey is a key in libcrypto.
type ecKey struct {
	curve object.Curve
	size  int
	key   *C.EC_KEY
}

func (k *ecKey) Curve() object.Curve { return k.curve }

// Wipe frees the key, which overwrites it.
func (k *ecKey) Wipe() {
	C.EC_KEY_free(k.key)
	k.key = nil
}

func (k *ecKey) Sign(digest []byte) ([]byte, error) {
	out := make([]byte, 2*k.size)
	if C.vt_ec_sign(k.key, view(digest), first(out), C.int(k.size)) == 0 {
		return nil, errFailed
	}
	return out, nil
}

func (k *ecKey) Agree(peer crypto.PublicKey) ([]byte, error) {
	point, err := uncompressed(peer)
	if err != nil {
		return nil, err
	}
	// The field of each of these curves has as many bytes as the order.
	out := make([]byte, k.size)
	if C.vt_ec_agree(k.key, view(point), first(out), C.int(k.size)) == 0 {
		return nil, errFailed
	}
	return out, nil
}

func uncompressed(peer crypto.PublicKey) ([]byte, error) {
	switch peer := peer.(type) {
	case *ecdsa.PublicKey:
		return peer.Bytes()
	case *secp256k1.PublicKey:
		return peer.SerializeUncompressed(), nil
	}
	return nil, errFailed
}
