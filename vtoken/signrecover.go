package vtoken

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
)

func beginSignRecover(op *operation, d *mech.Descriptor, k *mech.Key, p ck.Parameter) (err error) {
	op.signer, err = d.SignRecover(k, p)
	return err
}

func beginVerifyRecover(op *operation, d *mech.Descriptor, k *mech.Key, p ck.Parameter) error {
	return op.beginCipher(d.VerifyRecover, k, p)
}

// SignRecoverInit is C_SignRecoverInit (section 5.13).
func (c *Client) SignRecoverInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return c.beginOperation(h, signRecovering, m, key)
}

// SignRecover is C_SignRecover (section 5.13). A size query signs nothing.
func (c *Client) SignRecover(h ck.SessionHandle, data []byte, buf ck.Buffer) (ck.Output, error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	op, err := s.onePart(signRecovering)
	if err != nil {
		return ck.Output{}, err
	}
	return s.sign(signRecovering, op, data, buf)
}

// VerifyRecoverInit is C_VerifyRecoverInit (section 5.15).
func (c *Client) VerifyRecoverInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return c.beginOperation(h, verifyRecovering, m, key)
}

// VerifyRecover is C_VerifyRecover (section 5.15): it returns the data in the signature. A
// size query returns an upper bound.
func (c *Client) VerifyRecover(h ck.SessionHandle, signature []byte, buf ck.Buffer) (ck.Output, error) {
	return c.cipherAll(h, verifyRecovering, signature, buf)
}
