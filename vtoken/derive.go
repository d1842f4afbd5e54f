package vtoken

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

// DeriveKey is C_DeriveKey (section 5.18.5). CKA_DERIVE_TEMPLATE of the base key
// is part of the template.
func (c *Client) DeriveKey(h ck.SessionHandle, m ck.Mechanism, base ck.ObjectHandle, t ck.Template) (ck.ObjectHandle, error) {
	return c.performMaking(h, ActDerive, m.Type, t, func(s *session) (*object.Object, error) { return s.derive(m, base, t) })
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
	if t, err = derivedTemplate(d, from, t); err != nil {
		return nil, err
	}
	salt, err := s.saltKey(m.Parameter, d)
	if err != nil {
		return nil, err
	}
	if salt != nil {
		if t, err = derivedTemplate(d, salt, t); err != nil {
			return nil, err
		}
	}
	if err := s.mayGenerate(t, true); err != nil {
		return nil, err
	}
	var made ck.Template
	err = s.withSalt(m.Parameter, salt, func(p ck.Parameter) error {
		return s.withKey(base, from, func(k *mech.Key) (err error) {
			made, err = d.Derive(k, p, t)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return s.buildKey(object.Source{Origin: object.Derive, Base: from, Made: made}, t)
}

// derivedTemplate returns the template of a key derived from another, with the attributes that
// CKA_DERIVE_TEMPLATE of that key demands. If they keep results sensitive, mechanisms that
// make a data object are refused.
func derivedTemplate(d *mech.Descriptor, from *object.Object, t ck.Template) (ck.Template, error) {
	if d.DerivesData && from.KeepsResults() {
		return nil, ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "%v makes a data object, and the key's CKA_DERIVE_TEMPLATE keeps what is derived sensitive", d.Type)
	}
	return from.ApplyDerivedTemplate(ck.CKA_DERIVE_TEMPLATE, t)
}

// saltKey returns the key that the parameter names as the salt (CKF_HKDF_SALT_KEY, section
// 6.48), or nil. The salt needs CKA_DERIVE too, because the result depends on it as much as on
// the base key.
func (s *session) saltKey(p ck.Parameter, d *mech.Descriptor) (*object.Object, error) {
	hkdf, ok := p.(ck.HKDFParams)
	if !ok || hkdf.SaltType != uint64(ck.CKF_HKDF_SALT_KEY) {
		return nil, nil
	}
	o, err := s.visibleKey(hkdf.SaltKey)
	switch {
	case err != nil:
		return nil, err
	case o.Class() != ck.CKO_SECRET_KEY:
		return nil, ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "the salt is a key of class %v; it must be a secret key", o.Class())
	case !o.Bool(ck.CKA_DERIVE):
		return nil, ck.Errorf(ck.CKR_KEY_FUNCTION_NOT_PERMITTED, "the salt key's CKA_DERIVE is false")
	case !o.Allows(d.Type):
		return nil, ck.Errorf(ck.CKR_MECHANISM_INVALID, "the salt key's CKA_ALLOWED_MECHANISMS do not list %v", d.Type)
	}
	return o, nil
}

// withSalt calls derive with the parameter, in which a salt key is replaced by its value.
func (s *session) withSalt(p ck.Parameter, salt *object.Object, derive func(ck.Parameter) error) error {
	if salt == nil {
		return derive(p)
	}
	hkdf := p.(ck.HKDFParams)
	err := s.withKey(hkdf.SaltKey, salt, func(k *mech.Key) error {
		hkdf.SaltType, hkdf.Salt = uint64(ck.CKF_HKDF_SALT_DATA), k.Secret.Clone()
		return nil
	})
	if err != nil {
		return err
	}
	defer clear(hkdf.Salt)
	return derive(hkdf) // not while the salt is held: it may be the base key, too
}
