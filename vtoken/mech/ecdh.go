package mech

import (
	"crypto"
	"crypto/ecdh"
	"encoding/binary"

	"github.com/cloudflare/circl/dh/x448"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// ecdhMechanisms are the key agreement of SEC 1 and of RFC 7748 (section 6.3.19).
// The cofactor of all these curves is 1 or part of the scheme, so both mechanisms
// compute the same.
func ecdhMechanisms() []*Descriptor {
	var list []*Descriptor
	for _, t := range []ck.MechanismType{ck.CKM_ECDH1_DERIVE, ck.CKM_ECDH1_COFACTOR_DERIVE} {
		list = append(list, &Descriptor{
			Type: t, KeyTypes: []ck.KeyType{ck.CKK_EC, ck.CKK_EC_MONTGOMERY},
			MinKeySize: minECBits, MaxKeySize: maxECBits, Flags: ecFlags,
			Derive: deriveECDH,
		})
	}
	return list
}

func deriveECDH(k *Key, p ck.Parameter, t ck.Template) (ck.Template, error) {
	agree, curve, err := agreement(k)
	if err != nil {
		return nil, err
	}
	v, err := parameterOf[ck.ECDH1DeriveParams](p)
	if err != nil {
		return nil, err
	}
	kdf, err := kdfOf(v)
	if err != nil {
		return nil, err
	}
	d, err := derivedKey(t)
	if err != nil {
		return nil, err
	}
	peer, err := curve.DecodePoint(v.PublicData)
	if err != nil {
		return nil, badParameter("the public data is no point of %s", curve.Name)
	}
	z, err := agree(peer)
	if err != nil {
		return nil, badParameter("the public data is a point of low order")
	}
	defer clear(z)
	value, err := kdf(z, d)
	if err != nil {
		return nil, err
	}
	return d.attributes(value), nil
}

// agreement is how the private key makes a shared secret with a public key of
// its curve.
func agreement(k *Key) (func(crypto.PublicKey) ([]byte, error), object.Curve, error) {
	if k.EC != nil {
		return k.EC.Agree, k.EC.Curve(), nil
	}
	switch key := k.Private.(type) {
	case *ecdh.PrivateKey:
		return func(peer crypto.PublicKey) ([]byte, error) { return key.ECDH(peer.(*ecdh.PublicKey)) }, curveOf(key), nil
	case *object.X448Private:
		return func(peer crypto.PublicKey) ([]byte, error) { return agreeX448(key, peer.(*object.X448Public)) }, curveOf(key), nil
	}
	return nil, object.Curve{}, wrongKey(k, "EC private key for key agreement")
}

// curveOf is the curve of a key that is on one.
func curveOf(key crypto.PrivateKey) object.Curve {
	c, _ := object.CurveOfKey(key)
	return c
}

func agreeX448(key *object.X448Private, peer *object.X448Public) ([]byte, error) {
	var z x448.Key
	if !x448.Shared(&z, (*x448.Key)(key), (*x448.Key)(peer)) {
		return nil, badParameter("the shared secret is zero")
	}
	return z[:], nil
}

// kdfOf is the key derivation function of a parameter: of a shared secret z, for
// the key that is asked for.
func kdfOf(v ck.ECDH1DeriveParams) (func(z []byte, d derived) ([]byte, error), error) {
	if v.KDF == ck.CKD_NULL {
		if len(v.SharedData) > 0 {
			return nil, badParameter("CKD_NULL takes no shared data")
		}
		return lastBytes, nil
	}
	if err := checkInfo(len(v.SharedData)); err != nil {
		return nil, err
	}
	for _, h := range hashAlgs() {
		if h.kdf == 0 || v.KDF != h.kdf && v.KDF != h.kdfSP800 {
			continue
		}
		counterFirst := v.KDF == h.kdfSP800
		return func(z []byte, d derived) ([]byte, error) {
			n, err := d.lengthOr(len(z))
			if err != nil {
				return nil, err
			}
			return h.stretch(z, v.SharedData, n, counterFirst), nil
		}, nil
	}
	return nil, badParameter("key derivation function 0x%x is not supported", uint64(v.KDF))
}

// lastBytes is CKD_NULL: the secret itself, from which a shorter key takes bytes
// off in front (section 6.3.19).
func lastBytes(z []byte, d derived) ([]byte, error) {
	n, err := d.lengthOr(len(z))
	if err != nil {
		return nil, err
	}
	if n > len(z) {
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "CKA_VALUE_LEN is %d; the shared secret has %d bytes", n, len(z))
	}
	return append([]byte(nil), z[len(z)-n:]...), nil
}

// stretch makes n bytes of z by hashing it with a counter, which stands behind z
// (ANSI X9.63 section 5.6.3) or before it (NIST SP 800-56C section 4.1).
func (h hashAlg) stretch(z, info []byte, n int, counterFirst bool) []byte {
	var out []byte
	hash := h.new()
	for counter := uint32(1); len(out) < n; counter++ {
		hash.Reset()
		c := binary.BigEndian.AppendUint32(nil, counter)
		if counterFirst {
			hash.Write(c)
			hash.Write(z)
		} else {
			hash.Write(z)
			hash.Write(c)
		}
		hash.Write(info)
		out = hash.Sum(out)
	}
	clear(out[n:])
	return out[:n]
}
