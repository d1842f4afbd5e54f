package mech

import (
	"crypto/hmac"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// hmacMechanisms are HMAC at full length, and at the length of the parameter
// (sections 6.21.3, 6.21.4 and their like). Keys are generic secrets or of the
// hash's own key type.
func hmacMechanisms() []*Descriptor {
	var list []*Descriptor
	for _, h := range hashAlgs() {
		list = append(list,
			h.hmacMechanism(h.hmac, func(p ck.Parameter) (int, error) { return h.hash.Size(), noParameter(p) }),
			h.hmacMechanism(h.general, h.generalLen))
	}
	return list
}

func (h hashAlg) generalLen(p ck.Parameter) (int, error) { return macLen(p, h.hash.Size()) }

func (h hashAlg) hmacMechanism(t ck.MechanismType, length func(ck.Parameter) (int, error)) *Descriptor {
	start := func(k *Key, p ck.Parameter) (hashSink, int, error) {
		n, err := length(p)
		if err != nil {
			return hashSink{}, 0, err
		}
		if k.Class != ck.CKO_SECRET_KEY || k.Type != ck.CKK_GENERIC_SECRET && k.Type != h.keyType {
			return hashSink{}, 0, wrongKey(k, "key for this HMAC")
		}
		return hashSink{hmac.New(h.new, k.Secret)}, n, nil
	}
	return &Descriptor{
		Type:       t,
		KeyTypes:   []ck.KeyType{ck.CKK_GENERIC_SECRET, h.keyType},
		MinKeySize: 1, MaxKeySize: object.MaxSecretLen,
		Sign: func(k *Key, p ck.Parameter) (Signer, error) {
			s, n, err := start(k, p)
			if err != nil {
				return nil, err
			}
			return &signer{s, n, cutMAC(n)}, nil
		},
		Verify: func(k *Key, p ck.Parameter) (Verifier, error) {
			s, n, err := start(k, p)
			if err != nil {
				return nil, err
			}
			return &verifier{s, n, checkMAC(n)}, nil
		},
	}
}
