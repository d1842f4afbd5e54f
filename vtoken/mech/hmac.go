package mech

import (
	"crypto/subtle"
	"hash"

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
	start := func(k *Key, p ck.Parameter) (sink, int, error) {
		n, err := length(p)
		if err != nil {
			return nil, 0, err
		}
		if k.Class != ck.CKO_SECRET_KEY || k.Type != ck.CKK_GENERIC_SECRET && k.Type != h.keyType {
			return nil, 0, wrongKey(k, "key for this HMAC")
		}
		return macSink{hashSink{newHMAC(h.new, k.Secret)}}, n, nil
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

// keyedHash is HMAC (RFC 2104). That of crypto/hmac does not tell its state, which the next
// process of the daemon has to take up.
type keyedHash struct {
	hash.Hash           // of the inner pad and the data
	outer     hash.Hash // of the outer pad and the inner hash, when the sum is made
	ipad      []byte
	opad      []byte
}

func newHMAC(newHash func() hash.Hash, key []byte) hash.Hash {
	h := &keyedHash{Hash: newHash(), outer: newHash()}
	size := h.BlockSize()
	if len(key) > size {
		h.outer.Write(key)
		key = h.outer.Sum(nil)
	}
	h.ipad, h.opad = make([]byte, size), make([]byte, size)
	for i := range size {
		h.ipad[i], h.opad[i] = 0x36, 0x5c
	}
	subtle.XORBytes(h.ipad, h.ipad, key)
	subtle.XORBytes(h.opad, h.opad, key)
	h.Reset()
	return h
}

func (h *keyedHash) Reset() {
	h.Hash.Reset()
	h.Hash.Write(h.ipad)
}

func (h *keyedHash) Sum(b []byte) []byte {
	h.outer.Reset()
	h.outer.Write(h.opad)
	h.outer.Write(h.Hash.Sum(nil))
	return h.outer.Sum(b)
}

// MarshalBinary is the state of the inner hash.
func (h *keyedHash) MarshalBinary() ([]byte, error) { return SaveHash(h.Hash) }

// UnmarshalBinary takes up what MarshalBinary returned.
func (h *keyedHash) UnmarshalBinary(state []byte) error { return RestoreHash(h.Hash, state) }
