package vtoken

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

// DeriveKey is C_DeriveKey (section 5.18.5). CKA_DERIVE_TEMPLATE of the base key
// is part of the template.
func (c *Client) DeriveKey(h ck.SessionHandle, m ck.Mechanism, base ck.ObjectHandle, t ck.Template) (ck.ObjectHandle, error) {
	s, err := c.enter(h)
	if err != nil {
		return 0, err
	}
	defer s.leave()
	o, err := s.derive(m, base, t)
	if err != nil {
		return 0, err
	}
	return s.addOne(o)
}

func (s *session) derive(m ck.Mechanism, base ck.ObjectHandle, t ck.Template) (*object.Object, error) {
	d, err := s.mechanism(m, ck.CKF_DERIVE)
	if err != nil {
		return nil, err
	}
	from, err := s.usableKey(base, ck.CKA_DERIVE, d)
	if err != nil {
		return nil, err
	}
	if t, err = from.Governs(ck.CKA_DERIVE_TEMPLATE, t); err != nil {
		return nil, err
	}
	if err := s.mayGenerate(t, true); err != nil {
		return nil, err
	}
	var made ck.Template
	err = s.withSaltKey(m.Parameter, func(p ck.Parameter) error {
		return s.withKey(base, from, func(k *mech.Key) (err error) {
			made, err = d.Derive(k, p, t)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return s.made(object.Source{Origin: object.Derive, Base: from, Made: made}, t)
}

// withSaltKey calls derive with the parameter, in which a salt that is a key
// (CKF_HKDF_SALT_KEY, section 6.48) stands as data. That key has to be one for
// deriving.
func (s *session) withSaltKey(p ck.Parameter, derive func(ck.Parameter) error) error {
	hkdf, ok := p.(ck.HKDFParams)
	if !ok || hkdf.SaltType != uint64(ck.CKF_HKDF_SALT_KEY) {
		return derive(p)
	}
	o, err := s.knownKey(hkdf.SaltKey)
	switch {
	case err != nil:
		return err
	case o.Class() != ck.CKO_SECRET_KEY:
		return ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "the salt is a key of class %v and has to be a secret key", o.Class())
	case !o.Bool(ck.CKA_DERIVE):
		return ck.Errorf(ck.CKR_KEY_FUNCTION_NOT_PERMITTED, "CKA_DERIVE of the key that is the salt is false")
	}
	err = s.withKey(hkdf.SaltKey, o, func(k *mech.Key) error {
		hkdf.SaltType, hkdf.Salt = uint64(ck.CKF_HKDF_SALT_DATA), k.Secret.Clone()
		return nil
	})
	if err != nil {
		return err
	}
	defer clear(hkdf.Salt)
	return derive(hkdf) // not while the salt is held: it may be the base key, too
}
