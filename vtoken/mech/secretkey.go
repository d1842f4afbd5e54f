package mech

import (
	"crypto/rand"

	"golang.org/x/crypto/chacha20poly1305"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// secretKeyMechanisms make secret keys of random bytes: AES (section 6.10.3),
// ChaCha20 (6.54.3), generic secrets (6.8.2), and keys for one HMAC only, whose length is that of
// the hash where the template does not say (6.21.6 and its like).
func secretKeyMechanisms() []*Descriptor {
	list := []*Descriptor{
		keyGenerator(ck.CKM_AES_KEY_GEN, ck.CKK_AES, 16, 32, 0),
		keyGenerator(ck.CKM_CHACHA20_KEY_GEN, ck.CKK_CHACHA20, chacha20poly1305.KeySize, chacha20poly1305.KeySize, chacha20poly1305.KeySize),
		keyGenerator(ck.CKM_GENERIC_SECRET_KEY_GEN, ck.CKK_GENERIC_SECRET, 1, object.MaxSecretLen, 0),
	}
	for _, h := range hashAlgs() {
		if h.keyGen == 0 {
			continue
		}
		list = append(list, keyGenerator(h.keyGen, h.keyType, 1, object.MaxSecretLen, h.hash.Size()))
	}
	return list
}

// keyGenerator makes keys of min to max bytes; of length bytes where the
// template does not say and length is not 0.
func keyGenerator(m ck.MechanismType, t ck.KeyType, minLen, maxLen uint64, length int) *Descriptor {
	return &Descriptor{
		Type: m, KeyTypes: []ck.KeyType{t}, MinKeySize: minLen, MaxKeySize: maxLen,
		GenerateKey: func(p ck.Parameter, tpl ck.Template, _ func() error) (ck.Template, error) {
			if err := noParameter(p); err != nil {
				return nil, err
			}
			n, err := valueLen(tpl, uint64(length))
			if err != nil {
				return nil, err
			}
			if n < minLen || n > maxLen || t == ck.CKK_AES && n%8 != 0 {
				return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID,
					"CKA_VALUE_LEN is %d; keys of type %v have %d to %d bytes", n, t, minLen, maxLen)
			}
			value := make([]byte, n)
			_, _ = rand.Read(value) // never fails (crypto/rand)
			return ck.Template{
				ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, t),
				ck.Bytes(ck.CKA_VALUE, value),
			}, nil
		},
	}
}

// valueLen is CKA_VALUE_LEN, or length where the template has none and length
// is not 0.
func valueLen(t ck.Template, length uint64) (uint64, error) {
	a, ok := t.Find(ck.CKA_VALUE_LEN)
	if !ok && length != 0 {
		return length, nil
	}
	if !ok {
		return 0, ck.Errorf(ck.CKR_TEMPLATE_INCOMPLETE, "the template gives no CKA_VALUE_LEN")
	}
	n, ok := a.Ulong()
	if !ok {
		return 0, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE_LEN has %d bytes and is a CK_ULONG", len(a.Value))
	}
	return n, nil
}
