package mech

import (
	"crypto/hkdf"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// hkdfMechanisms are HKDF (section 6.63; RFC 5869): it derives a secret key or,
// with CKM_HKDF_DATA, a data object. A salt that is a key object is for the engine to
// put in as data.
func hkdfMechanisms() []*Descriptor {
	types := []ck.KeyType{ck.CKK_HKDF, ck.CKK_GENERIC_SECRET}
	return []*Descriptor{
		keyGenerator(ck.CKM_HKDF_KEY_GEN, ck.CKK_HKDF, 1, object.MaxSecretLen, 0),
		{Type: ck.CKM_HKDF_DERIVE, KeyTypes: types, MinKeySize: 1, MaxKeySize: object.MaxSecretLen,
			Derive: func(k *Key, p ck.Parameter, t ck.Template) (ck.Template, error) {
				return deriveHKDF(k, p, t, derivedKey)
			}},
		{Type: ck.CKM_HKDF_DATA, KeyTypes: types, MinKeySize: 1, MaxKeySize: object.MaxSecretLen, DerivesData: true,
			Derive: func(k *Key, p ck.Parameter, t ck.Template) (ck.Template, error) {
				return deriveHKDF(k, p, t, derivedData)
			}},
	}
}

func deriveHKDF(k *Key, p ck.Parameter, t ck.Template, wanted func(ck.Template) (derived, error)) (ck.Template, error) {
	if k.Class != ck.CKO_SECRET_KEY || k.Type != ck.CKK_HKDF && k.Type != ck.CKK_GENERIC_SECRET {
		return nil, wrongKey(k, "key for HKDF")
	}
	v, h, err := hkdfParameter(p)
	if err != nil {
		return nil, err
	}
	d, err := wanted(t)
	if err != nil {
		return nil, err
	}
	value, err := h.hkdf(k.Secret, v, d)
	if err != nil {
		return nil, err
	}
	return d.attributes(value), nil
}

func hkdfParameter(p ck.Parameter) (ck.HKDFParams, hashAlg, error) {
	v, err := parameterOf[ck.HKDFParams](p)
	if err != nil {
		return v, hashAlg{}, err
	}
	h, ok := hashOf(v.PRF)
	switch {
	case !ok:
		return v, h, badParameter("%v is no hash that is supported", v.PRF)
	case !v.Extract && !v.Expand:
		return v, h, badParameter("neither extraction nor expansion is asked for")
	case v.Extract && v.SaltType == uint64(ck.CKF_HKDF_SALT_NULL) && len(v.Salt) > 0:
		return v, h, badParameter("a salt of %d bytes where its type says there is none", len(v.Salt))
	case v.Extract && v.SaltType != uint64(ck.CKF_HKDF_SALT_NULL) && v.SaltType != uint64(ck.CKF_HKDF_SALT_DATA):
		return v, h, badParameter("a salt of type %d; none and data are taken", v.SaltType)
	}
	return v, h, nil
}

// hkdf extracts, expands, or does both. Extraction alone gives as many bytes as
// the hash has.
func (h hashAlg) hkdf(secret []byte, v ck.HKDFParams, d derived) ([]byte, error) {
	prk := secret
	if v.Extract {
		extracted, err := hkdf.Extract(h.new, secret, v.Salt)
		if err != nil {
			return nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "extract with HKDF: %w", err)
		}
		prk = extracted
	}
	natural := 0
	if !v.Expand {
		natural = h.hash.Size()
	}
	n, err := d.lengthOr(natural)
	if err != nil {
		return nil, err
	}
	if !v.Expand {
		if n > len(prk) {
			return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "CKA_VALUE_LEN is %d; extraction gives %d bytes", n, len(prk))
		}
		return prk[:n], nil
	}
	if v.Extract {
		defer clear(prk)
	}
	if err := checkInfo(len(v.Info)); err != nil {
		return nil, err
	}
	value, err := hkdf.Expand(h.new, prk, string(v.Info), n)
	if err != nil {
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "CKA_VALUE_LEN is %d; expansion gives at most %d bytes", n, 255*h.hash.Size())
	}
	return value, nil
}

// derivedData reads the template of a data object. CKA_VALUE_LEN is the length
// of its value.
func derivedData(t ck.Template) (derived, error) {
	d := derived{class: ck.CKO_DATA}
	if v, ok, err := ulong(t, ck.CKA_CLASS); err != nil {
		return d, err
	} else if ok && ck.ObjectClass(v) != d.class {
		return d, ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "an object of class 0x%x is not derived so; data is", v)
	}
	return d, d.setLength(t)
}
