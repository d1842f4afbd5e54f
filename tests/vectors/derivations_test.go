package vectors

import (
	"github.com/miekg/pkcs11"

	"vtoken/vtoken/ck"
)

// readable is the template of a derived key whose value may be read.
func readable(length int) []*pkcs11.Attribute {
	t := []*pkcs11.Attribute{attr(ck.CKA_CLASS, uint(ck.CKO_SECRET_KEY)), attr(ck.CKA_KEY_TYPE, uint(ck.CKK_GENERIC_SECRET)),
		attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true)}
	if length > 0 {
		t = append(t, attr(ck.CKA_VALUE_LEN, uint(length)))
	}
	return t
}

// value reads a derived key.
func (k *token) value(h pkcs11.ObjectHandle, err error) ([]byte, error) {
	if h, err = k.note(h, err); err != nil {
		return nil, err
	}
	a, err := k.p.GetAttributeValue(k.h, h, []*pkcs11.Attribute{attr(ck.CKA_VALUE, nil)})
	if err != nil {
		return nil, err
	}
	return a[0].Value, nil
}

func (k *token) agrees(g group, v vector) error {
	c := curves[g.Curve]
	private, err := k.object(ck.CKO_PRIVATE_KEY, c.typ, attr(ck.CKA_EC_PARAMS, c.oid), attr(ck.CKA_VALUE, v.Private), attr(ck.CKA_DERIVE, true))
	if err != nil {
		return v.wrong(err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	}
	var s structure
	s.word(uint64(ck.CKD_NULL))
	s.word(0)
	s.pointer(nil)
	s.word(uint64(len(v.Public)))
	s.pointer(v.Public)
	var z []byte
	err = s.with(ck.CKM_ECDH1_DERIVE, func(m []*pkcs11.Mechanism) (err error) {
		z, err = k.value(k.p.DeriveKey(k.h, m, private, readable(0)))
		return err
	})
	return v.same("the shared secret", z, v.Shared, err, ck.CKR_MECHANISM_PARAM_INVALID)
}

// expands: a derived key has at most so many bytes.
func (k *token) expands(_ group, v vector) error {
	base, err := k.secret(ck.CKK_HKDF, v.IKM, ck.CKA_DERIVE)
	if err != nil {
		return err
	}
	var s structure
	s.bytes = []byte{1, 1, 0, 0, 0, 0, 0, 0} // extract and expand
	s.word(uint64(hashes[macHash("hmac_"+k.name[len("hkdf_"):])].digest))
	salt := uint64(ck.CKF_HKDF_SALT_NULL)
	if len(v.Salt) > 0 {
		salt = uint64(ck.CKF_HKDF_SALT_DATA)
	}
	s.word(salt)
	s.pointer(v.Salt)
	s.word(uint64(len(v.Salt)))
	s.word(0)
	s.pointer(v.Info)
	s.word(uint64(len(v.Info)))
	var okm []byte
	err = s.with(ck.CKM_HKDF_DERIVE, func(m []*pkcs11.Mechanism) (err error) {
		okm, err = k.value(k.p.DeriveKey(k.h, m, base, readable(v.Size)))
		return err
	})
	return v.same("the derived key", okm, v.OKM, err, ck.CKR_KEY_SIZE_RANGE, ck.CKR_ATTRIBUTE_VALUE_INVALID)
}
