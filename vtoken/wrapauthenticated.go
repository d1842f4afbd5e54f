package vtoken

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// WrapKeyAuthenticated is C_WrapKeyAuthenticated (section 5.18.6 of 3.2): it encrypts a key
// and authenticates it with the associated data in p. It puts the nonce, which it always
// generates, and the tag into p. A size query performs the wrap, as in [Client.WrapKey].
func (c *Client) WrapKeyAuthenticated(h ck.SessionHandle, p *ck.WrapParams, wrapping, key ck.ObjectHandle, buf ck.Buffer) (ck.Output, error) {
	return c.performWrapping(h, p.Mechanism, key, buf, func(s *session) (ck.Output, error) {
		return s.wrapAuthenticated(p, wrapping, key, buf)
	})
}

func (s *session) wrapAuthenticated(p *ck.WrapParams, wrapping, key ck.ObjectHandle, buf ck.Buffer) (ck.Output, error) {
	used := *p
	wrapped, err := s.wrap(ck.Mechanism{Type: p.Mechanism, Parameter: &used}, wrapping, key)
	if err != nil {
		return ck.Output{}, err
	}
	n := len(wrapped) - int(p.TagBits/8)
	if answer, done, err := fitsBuffer(n, buf); done {
		return answer, err
	}
	if uint64(len(p.Tag))*8 != p.TagBits {
		return ck.Output{}, ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "a buffer of %d bytes for a tag of %d bits", len(p.Tag), p.TagBits)
	}
	p.Nonce, p.Tag = used.Nonce, wrapped[n:]
	return output(wrapped[:n:n]), nil
}

// prepareWrapParams completes the parameter for wrapping key in a counter mode. Two keys that
// were wrapped with one nonce reveal each other, so callers cannot give the nonce: it is
// random.
func prepareWrapParams(wrappingKey, key *object.Object, p *ck.WrapParams) error {
	if err := wrappingKey.MaySeal(key); err != nil {
		return err
	}
	random := p.Generator == ck.CKG_GENERATE_RANDOM || p.Generator == ck.CKG_GENERATE
	if bits := 8 * uint64(len(p.Nonce)); !random || bits < p.FixedBits+minRandomBits {
		return ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID,
			"the nonce of a wrapped key is made here: give CKG_GENERATE_RANDOM and a nonce with %d free bits, such as 12 bytes and no fixed bits", minRandomBits)
	}
	nonce, err := (&nonces{}).next(p.MessageParams)
	p.Nonce = nonce
	return err
}
