package vtoken

import (
	"time"

	"vtoken/vtoken/ck"
)

// MessageSignInit is C_MessageSignInit (section 5.14).
func (c *Client) MessageSignInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return c.beginOperation(h, messageSigning, m, key)
}

// SignMessage is C_SignMessage (section 5.14). A size query signs nothing.
func (c *Client) SignMessage(h ck.SessionHandle, parameter, data []byte, buf ck.Buffer) (ck.Output, error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	op, err := s.wholeMessageOp(messageSigning, parameter)
	if err != nil {
		return ck.Output{}, err
	}
	return s.signMessage(op, data, buf)
}

// SignMessageBegin is C_SignMessageBegin (section 5.14).
func (c *Client) SignMessageBegin(h ck.SessionHandle, parameter []byte) error {
	return c.messageBegin(h, messageSigning, parameter)
}

// SignMessageNext is C_SignMessageNext (section 5.14): a part of a message, and the signature
// with the last part. A size query adds nothing.
func (c *Client) SignMessageNext(h ck.SessionHandle, parameter, data []byte, last bool, buf ck.Buffer) (ck.Output, error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	op, err := s.begunMessageOp(messageSigning, parameter)
	switch {
	case err != nil:
		return ck.Output{}, err
	case last:
		return s.signMessage(op, data, buf)
	}
	return output(nil), s.runMessageStep(messageSigning, op, false, func() error { return op.signer.Update(data) })
}

// signMessage adds the last data of a message and signs it, if the signature fits the buffer.
func (s *session) signMessage(op *operation, data []byte, buf ck.Buffer) (ck.Output, error) {
	if answer, done, err := fitsBuffer(op.signer.Len(), buf); done {
		return answer, err
	}
	var signature []byte
	began := time.Now()
	err := s.runMessageStep(messageSigning, op, true, func() (err error) {
		if err := op.signer.Update(data); err != nil {
			return err
		}
		signature, err = op.signer.Final()
		return err
	})
	s.signed(op, began, err)
	if err != nil {
		return ck.Output{}, err
	}
	return output(signature), nil
}

// MessageSignFinal is C_MessageSignFinal (section 5.14).
func (c *Client) MessageSignFinal(h ck.SessionHandle) error { return c.messageFinal(h, messageSigning) }

// MessageVerifyInit is C_MessageVerifyInit (section 5.16).
func (c *Client) MessageVerifyInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return c.beginOperation(h, messageVerifying, m, key)
}

// VerifyMessage is C_VerifyMessage (section 5.16). A wrong signature does not end
// the operation.
func (c *Client) VerifyMessage(h ck.SessionHandle, parameter, data, signature []byte) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	op, err := s.wholeMessageOp(messageVerifying, parameter)
	if err != nil {
		return err
	}
	return s.verifyMessage(op, data, signature)
}

// VerifyMessageBegin is C_VerifyMessageBegin (section 5.16).
func (c *Client) VerifyMessageBegin(h ck.SessionHandle, parameter []byte) error {
	return c.messageBegin(h, messageVerifying, parameter)
}

// VerifyMessageNext is C_VerifyMessageNext (section 5.16): a part of a message. The last part
// has a signature; it is nil for the others.
func (c *Client) VerifyMessageNext(h ck.SessionHandle, parameter, data, signature []byte) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	op, err := s.begunMessageOp(messageVerifying, parameter)
	switch {
	case err != nil:
		return err
	case signature != nil:
		return s.verifyMessage(op, data, signature)
	}
	return s.runMessageStep(messageVerifying, op, false, func() error { return op.verifier.Update(data) })
}

func (s *session) verifyMessage(op *operation, data, signature []byte) error {
	return s.runMessageStep(messageVerifying, op, true, func() error {
		if err := op.verifier.Update(data); err != nil {
			return err
		}
		return op.verifier.Final(signature)
	})
}

// MessageVerifyFinal is C_MessageVerifyFinal (section 5.16).
func (c *Client) MessageVerifyFinal(h ck.SessionHandle) error {
	return c.messageFinal(h, messageVerifying)
}
