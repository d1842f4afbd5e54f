package mech

import (
	"crypto"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// ecFlags say which forms of curves and points are taken.
const ecFlags = ck.CKF_EC_F_P | ck.CKF_EC_OID | ck.CKF_EC_CURVENAME | ck.CKF_EC_UNCOMPRESS | ck.CKF_EC_COMPRESS

// curveFlags are those of the curves whose points have one form.
const curveFlags = ck.CKF_EC_F_P | ck.CKF_EC_OID | ck.CKF_EC_CURVENAME

// The sizes of keys in bits: of CKK_EC, of RFC 8032 and of RFC 7748.
const (
	minECBits, maxECBits                 = 224, 521
	minEdwardsBits, maxEdwardsBits       = 255, 448
	minMontgomeryBits, maxMontgomeryBits = 255, 448
)

// ecKeyMechanisms make key pairs (sections 6.3.10 to 6.3.12). The curve is
// CKA_EC_PARAMS of the public key's template.
func ecKeyMechanisms() []*Descriptor {
	return []*Descriptor{
		ecGenerator(ck.CKM_EC_KEY_PAIR_GEN, ck.CKK_EC, minECBits, maxECBits, ecFlags),
		ecGenerator(ck.CKM_EC_EDWARDS_KEY_PAIR_GEN, ck.CKK_EC_EDWARDS, minEdwardsBits, maxEdwardsBits, curveFlags),
		ecGenerator(ck.CKM_EC_MONTGOMERY_KEY_PAIR_GEN, ck.CKK_EC_MONTGOMERY, minMontgomeryBits, maxMontgomeryBits, curveFlags),
	}
}

func ecGenerator(m ck.MechanismType, t ck.KeyType, minBits, maxBits uint64, flags ck.Flags) *Descriptor {
	return &Descriptor{
		Type: m, KeyTypes: []ck.KeyType{t}, MinKeySize: minBits, MaxKeySize: maxBits, Flags: flags,
		GenerateKeyPair: func(p ck.Parameter, pub, _ ck.Template, _ func() error) (pubAttrs, privAttrs ck.Template, err error) {
			if err := noParameter(p); err != nil {
				return nil, nil, err
			}
			params, ok := pub.Find(ck.CKA_EC_PARAMS)
			if !ok {
				return nil, nil, ck.Errorf(ck.CKR_TEMPLATE_INCOMPLETE, "the public key's template gives no CKA_EC_PARAMS")
			}
			c, err := object.CurveOf(params.Value)
			if err != nil {
				return nil, nil, err
			}
			if c.KeyType != t {
				return nil, nil, ck.Errorf(ck.CKR_CURVE_NOT_SUPPORTED, "%v makes no keys on %s", m, c.Name)
			}
			key, err := c.Generate()
			if err != nil {
				return nil, nil, err
			}
			return templates(c.Public(key), key)
		},
	}
}

// templates are the attributes of a new key pair.
func templates(pub crypto.PublicKey, priv crypto.PrivateKey) (pubAttrs, privAttrs ck.Template, err error) {
	if pubAttrs, err = object.PublicTemplate(pub); err != nil {
		return nil, nil, err
	}
	if privAttrs, err = object.PrivateTemplate(priv); err != nil {
		return nil, nil, err
	}
	return pubAttrs, privAttrs, nil
}
