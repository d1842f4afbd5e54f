package mech

import (
	"bytes"
	"fmt"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// rsaKeyMechanisms make key pairs (section 6.1.5) of CKA_MODULUS_BITS bits, a
// multiple of 8. The public exponent is 65537; a template may say so.
func rsaKeyMechanisms() []*Descriptor {
	return []*Descriptor{{
		Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN, KeyTypes: []ck.KeyType{ck.CKK_RSA},
		MinKeySize: object.MinRSABits, MaxKeySize: object.MaxRSABits,
		GenerateKeyPair: generateRSA,
	}}
}

func generateRSA(p ck.Parameter, pub, _ ck.Template, pause func() error) (pubAttrs, privAttrs ck.Template, err error) {
	if err := noParameter(p); err != nil {
		return nil, nil, err
	}
	a, ok := pub.Find(ck.CKA_MODULUS_BITS)
	if !ok {
		return nil, nil, ck.Errorf(ck.CKR_TEMPLATE_INCOMPLETE, "the public key's template gives no CKA_MODULUS_BITS")
	}
	bits, ok := a.Ulong()
	if !ok || bits < object.MinRSABits || bits > object.MaxRSABits || bits%8 != 0 {
		return nil, nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID,
			"CKA_MODULUS_BITS is %d; keys of %d to %d bits are made, in steps of 8", bits, object.MinRSABits, object.MaxRSABits)
	}
	if e, ok := pub.Find(ck.CKA_PUBLIC_EXPONENT); ok && !bytes.Equal(bytes.TrimLeft(e.Value, "\x00"), []byte{1, 0, 1}) {
		return nil, nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_PUBLIC_EXPONENT is not 65537; leave it out")
	}
	key, err := GenerateRSA(int(bits), pause)
	if err != nil {
		return nil, nil, failed(fmt.Sprintf("generate an RSA key of %d bits", bits), err)
	}
	return templates(&key.PublicKey, key)
}

// rsaMechanism is a descriptor for RSA keys; the caller adds the functions.
func rsaMechanism(t ck.MechanismType) *Descriptor {
	return &Descriptor{
		Type: t, KeyTypes: []ck.KeyType{ck.CKK_RSA},
		MinKeySize: object.MinRSABits, MaxKeySize: object.MaxRSABits,
	}
}
