package mech

import (
	"crypto/subtle"

	"vtoken/vtoken/ck"
)

// gmacIVSize is the length of an IV without CK_GCM_PARAMS, in bytes.
const gmacIVSize = 12

// aesGMACMechanisms is GMAC, the tag that GCM puts on data that it does not encrypt
// (section 6.13.6 of 3.2; NIST SP 800-38D).
func aesGMACMechanisms() []*Descriptor {
	d := aesMechanism(ck.CKM_AES_GMAC)
	d.OneMessage = true
	d.Sign = func(k *Key, p ck.Parameter) (Signer, error) {
		g, err := newGMAC(k, p)
		if err != nil {
			return nil, err
		}
		return &signer{wholeSink(), g.tag, func(data []byte) ([]byte, error) { return g.authenticate(data), nil }}, nil
	}
	d.Verify = func(k *Key, p ck.Parameter) (Verifier, error) {
		g, err := newGMAC(k, p)
		if err != nil {
			return nil, err
		}
		return &verifier{wholeSink(), g.tag, func(data, tag []byte) error {
			return valid(subtle.ConstantTimeCompare(g.authenticate(data), tag) == 1)
		}}, nil
	}
	return []*Descriptor{d}
}

// newGMAC takes CK_GCM_PARAMS as PKCS#11 3.2 has it, and the IV alone, with a tag of 128
// bits, as earlier versions have it.
func newGMAC(k *Key, p ck.Parameter) (*gcm, error) {
	if iv, ok := p.(ck.RawParameter); ok {
		if len(iv) != gmacIVSize {
			return nil, badParameter("an IV of %d bytes; without CK_GCM_PARAMS it has %d", len(iv), gmacIVSize)
		}
		p = ck.GCMParams{IV: iv, TagBits: 8 * gcmTagSize}
	}
	g, err := newGCM(k, p)
	if err == nil && len(g.aad) > 0 {
		err = badParameter("%d bytes of associated data; GMAC authenticates the data of the calls", len(g.aad))
	}
	return g, err
}

// authenticate returns the tag of data.
func (g *gcm) authenticate(data []byte) []byte { return g.Seal(nil, g.iv, nil, data)[:g.tag] }
