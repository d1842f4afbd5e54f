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
	err = s.withKey(base, from, func(k *mech.Key) (err error) {
		made, err = d.Derive(k, m.Parameter, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.made(object.Source{Origin: object.Derive, Base: from, Made: made}, t)
}
