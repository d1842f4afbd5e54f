package mech

import (
	"github.com/cloudflare/circl/kem"
	"github.com/cloudflare/circl/kem/mlkem/mlkem1024"
	"github.com/cloudflare/circl/kem/mlkem/mlkem512"

	"vtoken/vtoken/ck"
)

// mlkemMechanisms is ML-KEM (section 6.68 of PKCS#11 3.2; FIPS 203). The shared
// secret has 32 bytes, and so has the key that it becomes. Key sizes are the
// lengths of public keys in bytes.
func mlkemMechanisms() []*Descriptor {
	return []*Descriptor{
		latticeGenerator(ck.CKM_ML_KEM_KEY_PAIR_GEN, ck.CKK_ML_KEM, mlkem512.PublicKeySize, mlkem1024.PublicKeySize),
		{Type: ck.CKM_ML_KEM, KeyTypes: []ck.KeyType{ck.CKK_ML_KEM}, MinKeySize: mlkem512.PublicKeySize, MaxKeySize: mlkem1024.PublicKeySize,
			Encapsulate: encapsulateMLKEM, CiphertextLen: ciphertextMLKEM, Decapsulate: decapsulateMLKEM},
	}
}

func mlkemPublic(k *Key, p ck.Parameter) (kem.PublicKey, error) {
	key, _ := latticeKey(k.Public)
	pub, ok := key.(kem.PublicKey)
	if !ok {
		return nil, wrongKey(k, "ML-KEM public key")
	}
	return pub, noParameter(p)
}

func ciphertextMLKEM(k *Key, p ck.Parameter) (int, error) {
	pub, err := mlkemPublic(k, p)
	if err != nil {
		return 0, err
	}
	return pub.Scheme().CiphertextSize(), nil
}

func encapsulateMLKEM(k *Key, p ck.Parameter, t ck.Template) ([]byte, ck.Template, error) {
	pub, err := mlkemPublic(k, p)
	if err != nil {
		return nil, nil, err
	}
	d, err := sharedKey(t, pub.Scheme().SharedKeySize())
	if err != nil {
		return nil, nil, err
	}
	ciphertext, secret, err := pub.Scheme().Encapsulate(pub)
	if err != nil {
		return nil, nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "encapsulate with ML-KEM: %w", err)
	}
	return ciphertext, d.attributes(secret), nil
}

func decapsulateMLKEM(k *Key, p ck.Parameter, ciphertext []byte, t ck.Template) (ck.Template, error) {
	key, _ := latticeKey(k.Private)
	priv, ok := key.(kem.PrivateKey)
	if !ok {
		return nil, wrongKey(k, "ML-KEM private key")
	}
	if err := noParameter(p); err != nil {
		return nil, err
	}
	if n := priv.Scheme().CiphertextSize(); len(ciphertext) != n {
		return nil, ck.Errorf(ck.CKR_WRAPPED_KEY_LEN_RANGE, "the ciphertext has %d bytes, not %d", len(ciphertext), n)
	}
	d, err := sharedKey(t, priv.Scheme().SharedKeySize())
	if err != nil {
		return nil, err
	}
	// A ciphertext that is not right gives a secret of random look (FIPS 203
	// section 6.3), no error.
	secret, err := priv.Scheme().Decapsulate(priv, ciphertext)
	if err != nil {
		return nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "decapsulate with ML-KEM: %w", err)
	}
	return d.attributes(secret), nil
}

// sharedKey is the key that a shared secret of n bytes becomes: one of n bytes.
func sharedKey(t ck.Template, n int) (derived, error) {
	d, err := derivedKey(t)
	if err == nil && d.length != 0 && d.length != n {
		err = ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "CKA_VALUE_LEN is %d; the shared secret has %d bytes", d.length, n)
	}
	return d, err
}
