package remote

import (
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// Version 3.2 can verify with the signature given first. The protocol has no call
// for that and needs none: the signature waits here until the data was seen.

// VerifySignatureInit is C_VerifySignatureInit (section 5.15.7 of 3.2); a nil
// mechanism cancels.
func (c *Client) VerifySignatureInit(h ck.SessionHandle, m *ck.Mechanism, key ck.ObjectHandle, signature []byte) error {
	err := c.start(h, p11rpc.CallVerifyInit, m, key)
	if s := c.sessions.find(h); err == nil && s != nil {
		s.mu.Lock()
		s.signature = nil
		if m != nil {
			s.signature = slices.Concat([]byte{}, signature) // not nil
		}
		s.mu.Unlock()
	}
	return err
}

// VerifySignature is C_VerifySignature (section 5.15.8 of 3.2).
func (c *Client) VerifySignature(h ck.SessionHandle, data []byte) error {
	signature, err := c.signatureGiven(h)
	if err != nil {
		return err
	}
	if len(data) > largest {
		if err := c.untouched(h, p11rpc.CallVerify, kindVerify); err != nil {
			return err
		}
		if err := c.VerifySignatureUpdate(h, data); err != nil {
			return err
		}
		return c.VerifySignatureFinal(h)
	}
	defer c.forgetSignature(h)
	return c.in(h, p11rpc.CallVerify, data, signature)
}

// VerifySignatureUpdate is C_VerifySignatureUpdate (section 5.15.9 of 3.2).
func (c *Client) VerifySignatureUpdate(h ck.SessionHandle, part []byte) error {
	if _, err := c.signatureGiven(h); err != nil {
		return err
	}
	err := c.update(h, p11rpc.CallVerifyUpdate, part)
	if err != nil {
		c.forgetSignature(h)
	}
	return err
}

// VerifySignatureFinal is C_VerifySignatureFinal (section 5.15.10 of 3.2).
func (c *Client) VerifySignatureFinal(h ck.SessionHandle) error {
	signature, err := c.signatureGiven(h)
	if err != nil {
		return err
	}
	defer c.forgetSignature(h)
	return c.in(h, p11rpc.CallVerifyFinal, signature)
}

// signatureGiven is the signature of C_VerifySignatureInit;
// CKR_OPERATION_NOT_INITIALIZED where there is none.
func (c *Client) signatureGiven(h ck.SessionHandle) ([]byte, error) {
	s, err := c.session(h)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Lock()
	active := s.ops[kindVerify].active
	s.state.Unlock()
	if s.signature == nil || !active {
		return nil, ck.CKR_OPERATION_NOT_INITIALIZED
	}
	return s.signature, nil
}

func (c *Client) forgetSignature(h ck.SessionHandle) {
	if s := c.sessions.find(h); s != nil {
		s.mu.Lock()
		s.signature = nil
		s.mu.Unlock()
	}
}

// verify is a call of the older way to verify, which an operation that got its
// signature first is not under way for.
func (c *Client) verify(h ck.SessionHandle, call p11rpc.CallID, data ...[]byte) error {
	if _, err := c.signatureGiven(h); err == nil {
		return ck.Errorf(ck.CKR_OPERATION_NOT_INITIALIZED, "%v in an operation of C_VerifySignatureInit", call)
	}
	if call == p11rpc.CallVerifyUpdate {
		return c.update(h, call, data[0])
	}
	return c.in(h, call, data...)
}
