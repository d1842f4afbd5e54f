package vtoken

import (
	"vtoken/vtoken/ck"
)

// DigestEncryptUpdate is C_DigestEncryptUpdate (section 5.17).
func (c *Client) DigestEncryptUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error) {
	return c.dualUpdate(h, encrypting, digesting, in, buf)
}

// DecryptDigestUpdate is C_DecryptDigestUpdate (section 5.17).
func (c *Client) DecryptDigestUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error) {
	return c.dualUpdate(h, decrypting, digesting, in, buf)
}

// SignEncryptUpdate is C_SignEncryptUpdate (section 5.17).
func (c *Client) SignEncryptUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error) {
	return c.dualUpdate(h, encrypting, signing, in, buf)
}

// DecryptVerifyUpdate is C_DecryptVerifyUpdate (section 5.17).
func (c *Client) DecryptVerifyUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error) {
	return c.dualUpdate(h, decrypting, verifying, in, buf)
}

// dualUpdate updates a cipher, and adds the plaintext to a digest, a signature or a
// verification. A question for the length and a short buffer change nothing; an error ends both
// operations, also where one of them is missing: the other would go on without the data.
func (c *Client) dualUpdate(h ck.SessionHandle, k, other kind, in []byte, buf ck.Buffer) (answer ck.Output, err error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	defer func() {
		if err != nil && ck.CodeOf(err) != ck.CKR_BUFFER_TOO_SMALL {
			s.ops[k], s.ops[other] = nil, nil
		}
	}()
	op, err := s.active(k)
	if err != nil {
		return ck.Output{}, err
	}
	second, err := s.active(other)
	if err != nil {
		return ck.Output{}, err
	}
	if answer, done, err := s.cipherFits(k, op, in, buf); done {
		return answer, err
	}
	if err := second.requirePIN(); err != nil {
		return ck.Output{}, err
	}
	out, err := s.runBoth(k, other, op, second, in)
	if err != nil {
		return ck.Output{}, err
	}
	op.multi, second.multi = true, true
	return output(out), nil
}

// runBoth runs one step of two operations: it adds the plaintext before encryption, or after
// decryption.
func (s *session) runBoth(k, other kind, op, second *operation, in []byte) (out []byte, err error) {
	if err := op.requirePIN(); err != nil {
		return nil, err
	}
	if k == encrypting {
		if err := s.runStep(other, second, func() error { return second.addData(in) }); err != nil {
			return nil, err
		}
	}
	err = s.runStep(k, op, func() (err error) {
		out, err = op.cipher.Update(in)
		return err
	})
	if err == nil && k == decrypting {
		err = s.runStep(other, second, func() error { return second.addData(out) })
	}
	return out, err
}

// addData adds data to a digest, a signature or a verification.
func (op *operation) addData(data []byte) error {
	switch {
	case op.signer != nil:
		return op.signer.Update(data)
	case op.verifier != nil:
		return op.verifier.Update(data)
	}
	_, err := op.digest.Write(data)
	return err
}
