package vtoken

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// GenerateKey is C_GenerateKey (section 5.18).
func (c *Client) GenerateKey(h ck.SessionHandle, m ck.Mechanism, t ck.Template) (ck.ObjectHandle, error) {
	return c.performMaking(h, ActGenerate, m.Type, t, func(s *session) (*object.Object, error) { return s.generate(m, t) })
}

func (s *session) generate(m ck.Mechanism, t ck.Template) (*object.Object, error) {
	d, err := s.mechanism(m, ck.CKF_GENERATE)
	if err != nil {
		return nil, err
	}
	if err := s.mayGenerate(t, true); err != nil {
		return nil, err
	}
	var made ck.Template
	make := func(pause func() error) (err error) {
		made, err = d.GenerateKey(m.Parameter, t, pause)
		return err
	}
	if d.SlowToMake {
		err = s.attachment.client.inTurn(make)
	} else {
		err = make(nil)
	}
	if err != nil {
		return nil, err
	}
	return s.buildKey(object.Source{Origin: object.Generate, Mechanism: m.Type, Made: made}, t)
}

// GenerateKeyPair is C_GenerateKeyPair (section 5.18). It stores both keys in one commit, or
// neither.
func (c *Client) GenerateKeyPair(h ck.SessionHandle, m ck.Mechanism, pub, priv ck.Template) (public, private ck.ObjectHandle, err error) {
	err = c.performIn(h, Event{Act: ActGenerate, Mechanism: m.Type, Object: askedFor(priv)}, func(s *session, e *Event) error {
		publicKey, privateKey, err := s.generatePair(m, pub, priv)
		if err != nil {
			return err
		}
		handles, err := s.addObjects(publicKey, privateKey)
		if err != nil {
			return err
		}
		e.Object = describe(privateKey)
		public, private = handles[0], handles[1]
		return nil
	})
	return public, private, err
}

func (s *session) generatePair(m ck.Mechanism, pub, priv ck.Template) (public, private *object.Object, err error) {
	d, err := s.mechanism(m, ck.CKF_GENERATE_KEY_PAIR)
	if err != nil {
		return nil, nil, err
	}
	if err := s.mayGenerate(pub, false); err != nil {
		return nil, nil, err
	}
	if err := s.mayGenerate(priv, true); err != nil {
		return nil, nil, err
	}
	if err := s.withinSize(pub); err != nil {
		return nil, nil, err
	}
	var madePub, madePriv ck.Template
	// Also pairs that are quickly made keep the processors from others, if they are many.
	err = s.attachment.client.inTurn(func(pause func() error) (err error) {
		madePub, madePriv, err = d.GenerateKeyPair(m.Parameter, pub, priv, pause)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if public, err = s.buildKey(object.Source{Origin: object.Generate, Mechanism: m.Type, Made: madePub}, pub); err != nil {
		return nil, nil, err
	}
	if private, err = s.buildKey(object.Source{Origin: object.Generate, Mechanism: m.Type, Made: madePriv}, priv); err != nil {
		return nil, nil, err
	}
	object.Join(public, private)
	return public, private, nil
}

// build makes an object under the rules of the token and the login. Slow work waits for its
// turn.
func (s *session) build(src object.Source, t ck.Template) (o *object.Object, err error) {
	_, loggedIn := s.role()
	src.SO, src.LoggedOut = s.isSO(), !loggedIn
	src.MinRSABits = int(s.token().record().Policy.MinRSABits(false))
	if !src.TakesLong(t) {
		return object.Build(src, t)
	}
	err = s.attachment.client.inTurn(func(pause func() error) (err error) {
		src.Pause = pause
		o, err = object.Build(src, t)
		return err
	})
	return o, err
}

// buildKey makes the object of a key that a mechanism made, and wipes the secret part of the
// mechanism's result: the object has its own copy.
func (s *session) buildKey(src object.Source, t ck.Template) (*object.Object, error) {
	defer func() {
		class, _ := src.Made.Find(ck.CKA_CLASS)
		c, _ := class.Ulong()
		for _, a := range src.Made {
			if object.IsSecret(ck.ObjectClass(c), a.Type) {
				clear(a.Value)
			}
		}
	}()
	return s.build(src, t)
}

// mayGenerate refuses a key that the session could not keep, before seconds are spent on
// making it.
func (s *session) mayGenerate(t ck.Template, private bool) error {
	if _, err := object.NewSet(t); err != nil {
		return err
	}
	if _, loggedIn := s.role(); !loggedIn && object.MadePublic(t) {
		private = false
	}
	flag := func(typ ck.AttributeType, unset bool) ck.Attribute {
		if a, ok := t.Find(typ); ok {
			return a
		}
		return ck.Bool(typ, unset)
	}
	return s.mayWrite(&object.Object{Attrs: object.Set{
		flag(ck.CKA_TOKEN, false), flag(ck.CKA_PRIVATE, private),
	}})
}

// withinSize checks the size of an RSA key against the token's limits.
func (s *session) withinSize(pub ck.Template) error {
	a, ok := pub.Find(ck.CKA_MODULUS_BITS)
	if !ok {
		return nil
	}
	bits, _ := a.Ulong()
	rec := s.token().record()
	if limit := rec.MaxRSABits; limit > 0 && bits > uint64(limit) {
		return ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "this token takes RSA keys of up to %d bits", limit)
	}
	if least := rec.Policy.MinRSABits(false); bits < least {
		return ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "the token's algorithm policy requires RSA keys of at least %d bits", least)
	}
	return nil
}
