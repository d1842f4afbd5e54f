package mech

import (
	"fmt"
	"math/big"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// rsaKeyMechanisms make key pairs (section 6.1.5) of CKA_MODULUS_BITS bits, any number in the
// range. The public exponent is 65537 where the template gives none.
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
	if !ok || bits < object.MinRSABits || bits > object.MaxRSABits {
		return nil, nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID,
			"CKA_MODULUS_BITS is %d; keys of %d to %d bits are made", bits, object.MinRSABits, object.MaxRSABits)
	}
	exponent := int64(65537)
	if a, ok := pub.Find(ck.CKA_PUBLIC_EXPONENT); ok {
		e := new(big.Int).SetBytes(a.Value)
		if err := object.CheckRSAExponent(e); err != nil {
			return nil, nil, err
		}
		exponent = e.Int64()
	}
	key, err := generateRSAFor(int(bits), exponent, pause)
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
