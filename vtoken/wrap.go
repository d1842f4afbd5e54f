package vtoken

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

// WrapKey is C_WrapKey (section 5.18.3). [object.Object.MayWrap] decides which keys may be
// wrapped with which. A size query performs the wrap, and discards the result.
func (c *Client) WrapKey(h ck.SessionHandle, m ck.Mechanism, wrapping, key ck.ObjectHandle, buf ck.Buffer) (ck.Output, error) {
	return c.performWrapping(h, m.Type, key, buf, func(s *session) (ck.Output, error) {
		wrapped, err := s.wrap(m, wrapping, key)
		if err != nil {
			return ck.Output{}, err
		}
		if answer, done, err := fitsBuffer(len(wrapped), buf); done {
			return answer, err
		}
		return output(wrapped), nil
	})
}

// performWrapping is performIn for an act that wraps a key. A size query lets nothing out, and
// the listener does not hear of it.
func (c *Client) performWrapping(h ck.SessionHandle, m ck.MechanismType, key ck.ObjectHandle, buf ck.Buffer, do func(*session) (ck.Output, error)) (out ck.Output, err error) {
	if buf.Null {
		s, err := c.enter(h)
		if err != nil {
			return ck.Output{}, err
		}
		defer s.leave()
		return do(s)
	}
	err = c.performIn(h, Event{Act: ActWrap, Mechanism: m}, func(s *session, e *Event) (err error) {
		e.Object = s.describeHandle(key)
		out, err = do(s)
		return err
	})
	return out, err
}

func (s *session) wrap(m ck.Mechanism, wrapping, key ck.ObjectHandle) (wrapped []byte, err error) {
	d, err := s.mechanism(m, ck.CKF_WRAP)
	if err != nil {
		return nil, err
	}
	wrappingKey, err := s.usableKey(wrapping, ck.CKA_WRAP, d)
	if err != nil {
		return nil, mapCode(err, wrappingCodes)
	}
	o, err := s.visibleKey(key)
	if err != nil {
		return nil, err
	}
	if err := wrappingKey.MayWrap(o); err != nil {
		return nil, err
	}
	if p, ok := m.Parameter.(*ck.WrapParams); ok {
		if err := prepareWrapParams(wrappingKey, o, p); err != nil {
			return nil, err
		}
	}
	encoded, err := s.encoded(key, o)
	if err != nil {
		return nil, err
	}
	defer clear(encoded)
	err = s.withKey(wrapping, wrappingKey, func(k *mech.Key) (err error) {
		wrapped, err = d.Wrap(k, m.Parameter, encoded)
		return err
	})
	return wrapped, err
}

// encoded returns the encoding of a key that is wrapped.
func (s *session) encoded(h ck.ObjectHandle, o *object.Object) ([]byte, error) {
	full, err := s.openSecrets(h, o)
	if err != nil {
		return nil, err
	}
	if full != o {
		defer full.Secret.Wipe()
	}
	return full.Encoded()
}

// UnwrapKey is C_UnwrapKey (section 5.18.4). CKA_UNWRAP_TEMPLATE of the unwrapping key is part
// of the template. Package object has the other rules for unwrapped keys.
func (c *Client) UnwrapKey(h ck.SessionHandle, m ck.Mechanism, unwrapping ck.ObjectHandle, wrapped []byte, t ck.Template) (ck.ObjectHandle, error) {
	return c.performMaking(h, ActUnwrap, m.Type, t, func(s *session) (*object.Object, error) { return s.unwrap(m, unwrapping, wrapped, t) })
}

func (s *session) unwrap(m ck.Mechanism, unwrapping ck.ObjectHandle, wrapped []byte, t ck.Template) (*object.Object, error) {
	d, err := s.mechanism(m, ck.CKF_UNWRAP)
	if err != nil {
		return nil, err
	}
	unwrappingKey, err := s.usableKey(unwrapping, ck.CKA_UNWRAP, d)
	if err != nil {
		return nil, mapCode(err, unwrappingCodes)
	}
	if t, err = unwrappingKey.ApplyDerivedTemplate(ck.CKA_UNWRAP_TEMPLATE, t); err != nil {
		return nil, err
	}
	if err := s.mayGenerate(t, true); err != nil {
		return nil, err
	}
	class, ok := classOf(t)
	if !ok {
		return nil, ck.Errorf(ck.CKR_TEMPLATE_INCOMPLETE, "the template gives no CKA_CLASS")
	}
	var encoded []byte
	err = s.withKey(unwrapping, unwrappingKey, func(k *mech.Key) (err error) {
		encoded, err = d.Unwrap(k, m.Parameter, wrapped)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer clear(encoded)
	made, err := object.FromEncoded(class, encoded)
	if err != nil {
		return nil, err
	}
	return s.buildKey(object.Source{Origin: object.Unwrap, Made: made}, t)
}

func classOf(t ck.Template) (ck.ObjectClass, bool) {
	a, _ := t.Find(ck.CKA_CLASS)
	class, ok := a.Ulong()
	return ck.ObjectClass(class), ok
}

// withKey uses a key in a call that does all its work itself. A key that asks for the PIN at
// each use has no operation to give the PIN to, so it works only right after a login.
func (s *session) withKey(h ck.ObjectHandle, o *object.Object, use func(*mech.Key) error) error {
	k, err := s.liveKey(h, o)
	if err != nil {
		return err
	}
	if k.key.IsPrivate() {
		return s.attachment.client.inTurn(func(func() error) error { return s.useKeyOnce(k, o, use) })
	}
	return s.useKeyOnce(k, o, use)
}

// useKeyOnce is withKey for a key that is parsed.
func (s *session) useKeyOnce(k *liveKey, o *object.Object, use func(*mech.Key) error) error {
	op := &operation{key: k}
	s.attachLogin(op, o)
	switch {
	case !op.mayProceed():
		return ck.Errorf(ck.CKR_USER_NOT_LOGGED_IN, "the key asks for the PIN at each use; log out and in again first")
	case op.login != nil && op.login.ended.Load():
		return ck.CKR_USER_NOT_LOGGED_IN
	case !k.acquire():
		return ck.Errorf(ck.CKR_KEY_HANDLE_INVALID, "the key has been destroyed or logged out in the meantime")
	}
	defer k.release()
	return use(k.key)
}

// The codes that the standard has for the keys of C_WrapKey and C_UnwrapKey.
var (
	wrappingCodes = map[ck.Error]ck.Error{
		ck.CKR_KEY_HANDLE_INVALID:    ck.CKR_WRAPPING_KEY_HANDLE_INVALID,
		ck.CKR_KEY_TYPE_INCONSISTENT: ck.CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
		ck.CKR_KEY_SIZE_RANGE:        ck.CKR_WRAPPING_KEY_SIZE_RANGE,
	}
	unwrappingCodes = map[ck.Error]ck.Error{
		ck.CKR_KEY_HANDLE_INVALID:    ck.CKR_UNWRAPPING_KEY_HANDLE_INVALID,
		ck.CKR_KEY_TYPE_INCONSISTENT: ck.CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
		ck.CKR_KEY_SIZE_RANGE:        ck.CKR_UNWRAPPING_KEY_SIZE_RANGE,
	}
)

// mapCode replaces the code of an error by the one that the function has for it.
func mapCode(err error, codes map[ck.Error]ck.Error) error {
	if code, ok := codes[ck.CodeOf(err)]; ok {
		return ck.Errorf(code, "%w", err)
	}
	return err
}
