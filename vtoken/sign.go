package vtoken

import (
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
)

func beginSign(op *operation, d *mech.Descriptor, k *mech.Key, p ck.Parameter) (err error) {
	op.signer, err = d.Sign(k, p)
	return err
}

func beginVerify(op *operation, d *mech.Descriptor, k *mech.Key, p ck.Parameter) (err error) {
	op.verifier, err = d.Verify(k, p)
	return err
}

// SignInit is C_SignInit (section 5.13).
func (c *Client) SignInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return c.beginOperation(h, signing, m, key)
}

// VerifyInit is C_VerifyInit (section 5.15).
func (c *Client) VerifyInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return c.beginOperation(h, verifying, m, key)
}

func (c *Client) beginOperation(h ck.SessionHandle, k kind, m ck.Mechanism, key ck.ObjectHandle) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	return s.begin(k, m, key)
}

// Sign is C_Sign (section 5.13). A size query signs nothing.
func (c *Client) Sign(h ck.SessionHandle, data []byte, buf ck.Buffer) (ck.Output, error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	op, err := s.onePart(signing)
	if err != nil {
		return ck.Output{}, err
	}
	return s.sign(signing, op, data, buf)
}

// SignUpdate is C_SignUpdate (section 5.13).
func (c *Client) SignUpdate(h ck.SessionHandle, data []byte) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	op, err := s.active(signing)
	if err != nil {
		return err
	}
	op.multi = true
	return s.runStep(signing, op, func() error { return op.signer.Update(data) })
}

// SignFinal is C_SignFinal (section 5.13).
func (c *Client) SignFinal(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	op, err := s.active(signing)
	if err != nil {
		return ck.Output{}, err
	}
	return s.sign(signing, op, nil, buf)
}

// sign adds the last data and makes the signature, if it fits the buffer.
func (s *session) sign(k kind, op *operation, data []byte, buf ck.Buffer) (ck.Output, error) {
	if answer, done, err := fitsBuffer(op.signer.Len(), buf); done {
		return answer, err
	}
	if err := s.advanceSignature(k, op, data); err != nil {
		return ck.Output{}, err
	}
	var signature []byte
	began := time.Now()
	err := s.runLastStep(k, op, func() (err error) {
		if len(data) > 0 || !op.multi {
			if err := op.signer.Update(data); err != nil {
				return err
			}
		}
		signature, err = op.signer.Final()
		return err
	})
	s.signed(op, began, err)
	if err != nil {
		return ck.Output{}, err
	}
	s.ops[k] = nil
	return output(signature), nil
}

// advanceSignature is advance for a signature, after the mechanism has accepted the data.
func (s *session) advanceSignature(k kind, op *operation, data []byte) error {
	if _, ok := op.signer.(mech.Stateful); !ok {
		return nil
	}
	if err := s.runStep(k, op, func() error { return op.signer.Update(data) }); err != nil {
		return err
	}
	return s.advance(k, op, op.signer)
}

// Verify is C_Verify (section 5.15). It ends the operation, whatever the result.
func (c *Client) Verify(h ck.SessionHandle, data, signature []byte) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	op, err := s.onePart(verifying)
	if err != nil {
		return err
	}
	if err := s.advance(verifying, op, op.verifier); err != nil {
		return err
	}
	err = s.runLastStep(verifying, op, func() error {
		if err := op.verifier.Update(data); err != nil {
			return err
		}
		return op.verifier.Final(signature)
	})
	s.ops[verifying] = nil
	return err
}

// VerifyUpdate is C_VerifyUpdate (section 5.15).
func (c *Client) VerifyUpdate(h ck.SessionHandle, data []byte) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	op, err := s.active(verifying)
	if err != nil {
		return err
	}
	op.multi = true
	return s.runStep(verifying, op, func() error { return op.verifier.Update(data) })
}

// VerifyFinal is C_VerifyFinal (section 5.15). It ends the operation, whatever the result.
func (c *Client) VerifyFinal(h ck.SessionHandle, signature []byte) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	op, err := s.active(verifying)
	if err != nil {
		return err
	}
	if err := s.advance(verifying, op, op.verifier); err != nil {
		return err
	}
	err = s.runLastStep(verifying, op, func() error { return op.verifier.Final(signature) })
	s.ops[verifying] = nil
	return err
}
