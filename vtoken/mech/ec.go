package mech

import (
	"crypto/ecdsa"
	"crypto/rand"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// ecFlags say which forms of curves and points are taken.
const ecFlags = ck.CKF_EC_F_P | ck.CKF_EC_OID | ck.CKF_EC_CURVENAME | ck.CKF_EC_UNCOMPRESS | ck.CKF_EC_COMPRESS

const minECBits, maxECBits = 224, 521

// ecKeyMechanisms make key pairs (section 6.3.7). The curve is CKA_EC_PARAMS of
// the public key's template.
func ecKeyMechanisms() []*Descriptor {
	return []*Descriptor{{
		Type: ck.CKM_EC_KEY_PAIR_GEN, KeyTypes: []ck.KeyType{ck.CKK_EC},
		MinKeySize: minECBits, MaxKeySize: maxECBits, Flags: ecFlags,
		GenerateKeyPair: generateEC,
	}}
}

func generateEC(p ck.Parameter, pub, _ ck.Template) (pubAttrs, privAttrs ck.Template, err error) {
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
	key, err := ecdsa.GenerateKey(c.Curve, rand.Reader)
	if err != nil {
		return nil, nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "generate a key on %s: %w", c.Params().Name, err)
	}
	return templates(&key.PublicKey, key)
}

// templates are the attributes of a new key pair.
func templates(pub, priv any) (pubAttrs, privAttrs ck.Template, err error) {
	if pubAttrs, err = object.PublicTemplate(pub); err != nil {
		return nil, nil, err
	}
	if privAttrs, err = object.PrivateTemplate(priv); err != nil {
		return nil, nil, err
	}
	return pubAttrs, privAttrs, nil
}
