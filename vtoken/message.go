package vtoken

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
)

// message is the state of an operation on messages (version 3.0): one key and mechanism, any
// number of messages.
type message struct {
	// renew begins the next message.
	renew func(k *mech.Key) error
	// always says that each message needs the PIN (CKA_ALWAYS_AUTHENTICATE).
	always bool
	begun  bool // a Begin function was called for the message under way
	cipher *messageCipher
}

func beginMessageSign(op *operation, d *mech.Descriptor, k *mech.Key, p ck.Parameter) error {
	return op.beginMessages(k, func(k *mech.Key) (err error) {
		op.signer, err = d.Sign(k, p)
		op.metered(op.signer)
		return err
	})
}

func beginMessageVerify(op *operation, d *mech.Descriptor, k *mech.Key, p ck.Parameter) error {
	return op.beginMessages(k, func(k *mech.Key) (err error) {
		op.verifier, err = d.Verify(k, p)
		op.metered(op.verifier)
		return err
	})
}

func (op *operation) beginMessages(k *mech.Key, renew func(*mech.Key) error) error {
	op.message = &message{renew: renew, always: op.waits}
	return renew(k)
}

// dropMessage ends the message under way, and the operation goes on with the next one.
func (s *session) dropMessage(k kind, op *operation) {
	if !op.key.acquire() {
		s.ops[k] = nil
		return
	}
	defer op.key.release()
	op.message.begun, op.waits = false, op.message.always
	if op.message.renew(op.key.key) != nil {
		s.ops[k] = nil
	}
}

// refuseMessage ends the message under way because of an error, and returns that.
func (s *session) refuseMessage(k kind, op *operation, err error) error {
	if err != nil && op.message.begun {
		s.dropMessage(k, op)
	}
	return err
}

// idleMessageOp returns the operation of that kind, between messages.
func (s *session) idleMessageOp(k kind, parameter []byte) (*operation, error) {
	op, err := s.active(k)
	switch {
	case err != nil:
		return nil, err
	case op.message.begun:
		return nil, ck.Errorf(ck.CKR_OPERATION_ACTIVE, "a message was begun in parts; end it first")
	}
	return op, noMessageParameter(op, parameter)
}

// wholeMessageOp is idleMessageOp for a message in one part, which ends one in parts: an error
// does. That of a Begin function does not, as that of an Init function does not.
func (s *session) wholeMessageOp(k kind, parameter []byte) (*operation, error) {
	op, err := s.idleMessageOp(k, parameter)
	if running := s.ops[k]; err != nil && running != nil {
		return nil, s.refuseMessage(k, running, err)
	}
	return op, err
}

// begunMessageOp returns the operation of that kind, in the middle of a message.
func (s *session) begunMessageOp(k kind, parameter []byte) (*operation, error) {
	op, err := s.active(k)
	switch {
	case err != nil:
		return nil, err
	case !op.message.begun:
		return nil, ck.Errorf(ck.CKR_OPERATION_NOT_INITIALIZED, "no message was begun")
	}
	return op, s.refuseMessage(k, op, noMessageParameter(op, parameter))
}

// noMessageParameter refuses a parameter: no mechanism that signs has one for each message.
func noMessageParameter(op *operation, parameter []byte) error {
	if len(parameter) == 0 {
		return nil
	}
	return ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "%v has no parameter for a message, and %d bytes were given", op.mechanism.Type, len(parameter))
}

// runMessageStep runs one step of a message. An error ends the message but, unlike in other
// operations, not the operation.
func (s *session) runMessageStep(k kind, op *operation, last bool, step func() error) error {
	if err := op.requirePIN(); err != nil {
		return s.refuseMessage(k, op, err)
	}
	run := s.runStep
	if last {
		run = s.runLastStep
	}
	err := run(k, op, func() error {
		err := step()
		if err == nil && !last {
			return nil
		}
		op.message.begun, op.waits = false, op.message.always
		if renewed := op.message.renew(op.key.key); renewed != nil {
			return renewed
		}
		return err
	})
	if err != nil && !op.isCancelled() {
		s.ops[k] = op
	}
	return err
}

func (c *Client) messageBegin(h ck.SessionHandle, k kind, parameter []byte) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	op, err := s.idleMessageOp(k, parameter)
	if err == nil {
		op.message.begun = true
	}
	return err
}

// messageFinal ends an operation on messages, and a message that was begun.
func (c *Client) messageFinal(h ck.SessionHandle, k kind) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	_, err = s.active(k)
	s.ops[k] = nil
	return err
}

// errNoMessages is returned for a mechanism without operations on messages.
func errNoMessages(d *mech.Descriptor) error {
	return ck.Errorf(ck.CKR_MECHANISM_INVALID, "%v has no messages; begin one operation for each", d.Type)
}
