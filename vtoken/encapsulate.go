package vtoken

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

// EncapsulateKey is C_EncapsulateKey (section 5.18.8 of 3.2): it makes a secret key, and the
// ciphertext from which the owner of the private key recovers it. A size query makes no key
// and returns handle 0. CKA_ENCAPSULATE_TEMPLATE of the public key is part of the template.
func (c *Client) EncapsulateKey(h ck.SessionHandle, m ck.Mechanism, public ck.ObjectHandle, t ck.Template, buf ck.Buffer) (out ck.Output, key ck.ObjectHandle, err error) {
	if buf.Null { // no key is made
		s, err := c.enter(h)
		if err != nil {
			return ck.Output{}, 0, err
		}
		defer s.leave()
		out, _, err := s.encapsulate(m, public, t, buf)
		return out, 0, err
	}
	key, err = c.performMaking(h, ActEncapsulate, m.Type, t, func(s *session) (o *object.Object, err error) {
		out, o, err = s.encapsulate(m, public, t, buf)
		return o, err
	})
	return out, key, err
}

// encapsulate makes the key and its ciphertext. A size query makes neither; the key is nil.
func (s *session) encapsulate(m ck.Mechanism, public ck.ObjectHandle, t ck.Template, buf ck.Buffer) (ck.Output, *object.Object, error) {
	d, err := s.mechanism(m, ck.CKF_ENCAPSULATE)
	if err != nil {
		return ck.Output{}, nil, err
	}
	to, err := s.usableKey(public, ck.CKA_ENCAPSULATE, d)
	if err != nil {
		return ck.Output{}, nil, err
	}
	var n int
	err = s.withKey(public, to, func(k *mech.Key) (err error) {
		n, err = d.CiphertextLen(k, m.Parameter)
		return err
	})
	if err != nil {
		return ck.Output{}, nil, err
	}
	if answer, done, err := fitsBuffer(n, buf); done {
		return answer, nil, err
	}
	var ciphertext []byte
	key, err := s.makeSharedKey(public, to, ck.CKA_ENCAPSULATE_TEMPLATE, t, func(k *mech.Key, t ck.Template) (made ck.Template, err error) {
		ciphertext, made, err = d.Encapsulate(k, m.Parameter, t)
		return made, err
	})
	return output(ciphertext), key, err
}

// DecapsulateKey is C_DecapsulateKey (section 5.18.9 of 3.2): it recovers the secret key from
// a ciphertext. A wrong ciphertext of the right length is no error: it yields a key that
// nobody else has. CKA_DECAPSULATE_TEMPLATE of the private key is part of the template.
func (c *Client) DecapsulateKey(h ck.SessionHandle, m ck.Mechanism, private ck.ObjectHandle, t ck.Template, ciphertext []byte) (ck.ObjectHandle, error) {
	return c.performMaking(h, ActDecapsulate, m.Type, t, func(s *session) (*object.Object, error) {
		return s.decapsulate(m, private, t, ciphertext)
	})
}

func (s *session) decapsulate(m ck.Mechanism, private ck.ObjectHandle, t ck.Template, ciphertext []byte) (*object.Object, error) {
	d, err := s.mechanism(m, ck.CKF_DECAPSULATE)
	if err != nil {
		return nil, err
	}
	own, err := s.usableKey(private, ck.CKA_DECAPSULATE, d)
	if err != nil {
		return nil, err
	}
	return s.makeSharedKey(private, own, ck.CKA_DECAPSULATE_TEMPLATE, t, func(k *mech.Key, t ck.Template) (ck.Template, error) {
		return d.Decapsulate(k, m.Parameter, ciphertext, t)
	})
}

// makeSharedKey builds the key that share makes with the key at the handle. The other side has
// it too, so it is neither CKA_ALWAYS_SENSITIVE nor CKA_NEVER_EXTRACTABLE.
func (s *session) makeSharedKey(h ck.ObjectHandle, with *object.Object, by ck.AttributeType, t ck.Template, share func(*mech.Key, ck.Template) (ck.Template, error)) (*object.Object, error) {
	t, err := with.ApplyDerivedTemplate(by, t)
	if err != nil {
		return nil, err
	}
	if err := s.mayGenerate(t, true); err != nil {
		return nil, err
	}
	var made ck.Template
	err = s.withKey(h, with, func(k *mech.Key) (err error) {
		made, err = share(k, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.buildKey(object.Source{Origin: object.Derive, Made: made}, t)
}
