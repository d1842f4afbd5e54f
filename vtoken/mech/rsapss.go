package mech

import (
	"crypto/rsa"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// rsaPSSMechanisms are RSASSA-PSS (RFC 8017 section 8.1; PKCS#11 section
// 6.1.10) over a digest that the application made, or over data.
func rsaPSSMechanisms() []*Descriptor {
	list := []*Descriptor{rsaPSSMechanism(ck.CKM_RSA_PKCS_PSS, func(h hashAlg) (sink, error) {
		return &collector{max: h.hash.Size(), code: ck.CKR_DATA_LEN_RANGE}, nil
	})}
	for _, h := range hashAlgs() {
		if h.rsaPSS == 0 {
			continue
		}
		list = append(list, rsaPSSMechanism(h.rsaPSS, func(named hashAlg) (sink, error) {
			if named.hash != h.hash {
				return nil, badParameter("the hash is %v where the mechanism's is %v", named.hash, h.hash)
			}
			return hashSink{h.new()}, nil
		}))
	}
	return list
}

// pss is a checked parameter.
type pss struct {
	hash, mgf hashAlg
	saltLen   int
}

// pssParameter checks a parameter for a modulus of modBits bits.
func pssParameter(p ck.Parameter, modBits int) (v pss, err error) {
	params, err := parameterOf[ck.RSAPkcsPssParams](p)
	if err != nil {
		return v, err
	}
	var ok bool
	if v.hash, ok = hashOf(params.HashAlg); !ok {
		return v, badParameter("%v is no hash that is supported", params.HashAlg)
	}
	if v.mgf, ok = hashOfMGF(params.MGF); !ok {
		return v, badParameter("mask generation function 0x%x is not supported", params.MGF)
	}
	longest := (modBits+6)/8 - v.hash.hash.Size() - 2
	if longest < 0 || params.SLen > uint64(longest) {
		return v, badParameter("a salt of %d bytes does not fit the key", params.SLen)
	}
	v.saltLen = int(params.SLen)
	return v, nil
}

// byCryptoRSA reports whether crypto/rsa can do it: there the mask has the hash
// of the message, and a salt of no bytes cannot be asked for.
func (v pss) byCryptoRSA() bool { return v.hash.hash == v.mgf.hash && v.saltLen > 0 }

func rsaPSSMechanism(t ck.MechanismType, newSink func(h hashAlg) (sink, error)) *Descriptor {
	d := rsaMechanism(t)
	d.Sign = func(k *Key, p ck.Parameter) (Signer, error) {
		key, pub, err := rsaPrivate(k)
		if err != nil {
			return nil, err
		}
		v, err := pssParameter(p, pub.N.BitLen())
		if err != nil {
			return nil, err
		}
		s, err := newSink(v.hash)
		if err != nil {
			return nil, err
		}
		return &signer{s, pub.Size(), func(digest []byte) ([]byte, error) {
			if len(digest) != v.hash.hash.Size() {
				return nil, digestLength(len(digest), v.hash)
			}
			out, err := key.SignPSS(v.hash.hash, v.mgf.hash, v.saltLen, digest)
			if err != nil {
				return nil, failed("sign with RSA PSS", err)
			}
			return out, nil
		}}, nil
	}
	d.Verify = func(k *Key, p ck.Parameter) (Verifier, error) {
		key, err := rsaPublic(k, object.MinRSABits)
		if err != nil {
			return nil, err
		}
		v, err := pssParameter(p, key.N.BitLen())
		if err != nil {
			return nil, err
		}
		s, err := newSink(v.hash)
		if err != nil {
			return nil, err
		}
		return &verifier{s, key.Size(), func(digest, signature []byte) error {
			if len(digest) != v.hash.hash.Size() {
				return digestLength(len(digest), v.hash)
			}
			return verifyPSS(k, v, digest, signature)
		}}, nil
	}
	return d
}

func digestLength(n int, h hashAlg) error {
	return ck.Errorf(ck.CKR_DATA_LEN_RANGE, "the digest has %d bytes, one of %v has %d", n, h.hash, h.hash.Size())
}

func verifyPSS(k *Key, v pss, digest, signature []byte) error {
	if v.byCryptoRSA() {
		if rsa.VerifyPSS(k.RSAPublic, v.hash.hash, digest, signature, &rsa.PSSOptions{SaltLength: v.saltLen}) != nil {
			return ck.CKR_SIGNATURE_INVALID
		}
		return nil
	}
	raw, err := k.rawPublic()
	if err != nil {
		return err
	}
	em, ok := raw.public(signature)
	if !ok || !v.matches(em, digest, k.RSAPublic.N.BitLen()-1) {
		return ck.CKR_SIGNATURE_INVALID
	}
	return nil
}
