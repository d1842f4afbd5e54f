package mech

import (
	"crypto/ecdsa"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"vtoken/vtoken/ck"
)

// maxRawDigest bounds what CKM_ECDSA takes; only the leftmost bits, as many as
// the order of the curve has, count (FIPS 186-5 section 6.4.1).
const maxRawDigest = 1024

// ecdsaMechanisms sign a digest that the application made, or hash the data
// (sections 6.3.12 and 6.3.13). A signature is r and s, each as long as the
// order of the curve: OpenSSH accepts nothing else.
func ecdsaMechanisms() []*Descriptor {
	list := []*Descriptor{ecdsaMechanism(ck.CKM_ECDSA, func() sink {
		return &collector{max: maxRawDigest, code: ck.CKR_DATA_LEN_RANGE}
	})}
	for _, h := range hashAlgs() {
		if h.ecdsa != 0 {
			list = append(list, ecdsaMechanism(h.ecdsa, func() sink { return hashSink{h.new()} }))
		}
	}
	return list
}

func ecdsaMechanism(t ck.MechanismType, newSink func() sink) *Descriptor {
	return &Descriptor{
		Type: t, KeyTypes: []ck.KeyType{ck.CKK_EC},
		MinKeySize: minECBits, MaxKeySize: maxECBits, Flags: ecFlags,
		Sign: func(k *Key, p ck.Parameter) (Signer, error) {
			n, signDigest, err := ecdsaSigner(k)
			if err != nil {
				return nil, err
			}
			if err := noParameter(p); err != nil {
				return nil, err
			}
			return &signer{newSink(), 2 * n, signDigest}, nil
		},
		Verify: func(k *Key, p ck.Parameter) (Verifier, error) {
			n, check, err := ecdsaVerifier(k)
			if err != nil {
				return nil, err
			}
			if err := noParameter(p); err != nil {
				return nil, err
			}
			return &verifier{newSink(), 2 * n, check}, nil
		},
	}
}

// ecdsaSigner is how the key signs a digest, and the length of its numbers.
func ecdsaSigner(k *Key) (n int, sign func(digest []byte) ([]byte, error), err error) {
	if k.EC == nil {
		return 0, nil, wrongKey(k, "EC private key")
	}
	return k.EC.Curve().NumberSize(), func(digest []byte) ([]byte, error) {
		out, err := k.EC.Sign(digest)
		if err != nil {
			return nil, failed("sign with ECDSA", err)
		}
		return out, nil
	}, nil
}

func ecdsaVerifier(k *Key) (n int, check func(digest, signature []byte) error, err error) {
	if k.ECPublic != nil {
		return (k.ECPublic.Params().N.BitLen() + 7) / 8, func(digest, signature []byte) error {
			if !ecdsa.VerifyASN1(k.ECPublic, digest, derSignature(signature)) {
				return ck.CKR_SIGNATURE_INVALID
			}
			return nil
		}, nil
	}
	if key, ok := k.Public.(*secp256k1.PublicKey); ok {
		return koblitzBytes, func(digest, signature []byte) error { return verifyKoblitz(key, digest, signature) }, nil
	}
	return 0, nil, wrongKey(k, "EC public key")
}

// rawSignature turns SEQUENCE { r, s INTEGER } into r and s of n bytes each. It
// reads what crypto/ecdsa writes, for numbers of up to 66 bytes.
func rawSignature(der []byte, n int) ([]byte, bool) {
	body, rest, ok := derElement(der, 0x30)
	if !ok || len(rest) != 0 {
		return nil, false
	}
	out := make([]byte, 2*n)
	for i := range 2 {
		var number []byte
		if number, body, ok = derElement(body, 0x02); !ok {
			return nil, false
		}
		for len(number) > n && number[0] == 0 {
			number = number[1:]
		}
		if len(number) > n {
			return nil, false
		}
		copy(out[(i+1)*n-len(number):], number)
	}
	return out, len(body) == 0
}

// derElement splits off one element of less than 256 bytes.
func derElement(b []byte, tag byte) (body, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, false
	}
	n, b := int(b[1]), b[2:]
	if n == 0x81 && len(b) > 0 {
		n, b = int(b[0]), b[1:]
	} else if n >= 0x80 {
		return nil, nil, false
	}
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// derSignature is the other way round. raw is r and s of equal length.
func derSignature(raw []byte) []byte {
	n := len(raw) / 2
	body := appendInteger(make([]byte, 0, len(raw)+8), raw[:n])
	body = appendInteger(body, raw[n:])
	out := make([]byte, 0, len(body)+3)
	out = append(out, 0x30)
	if len(body) >= 0x80 {
		out = append(out, 0x81)
	}
	return append(append(out, byte(len(body))), body...)
}

func appendInteger(b, number []byte) []byte {
	for len(number) > 1 && number[0] == 0 {
		number = number[1:]
	}
	if number[0] >= 0x80 {
		return append(append(b, 0x02, byte(len(number)+1), 0), number...)
	}
	return append(append(b, 0x02, byte(len(number))), number...)
}
