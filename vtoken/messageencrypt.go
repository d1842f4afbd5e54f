package vtoken

import (
	"bytes"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
)

// messageCipher is the state of an operation that encrypts or decrypts messages. The mechanism
// takes whole messages: there is no output before the last part, so that no plaintext is
// returned before its tag was verified.
type messageCipher struct {
	begin     func(k *mech.Key, p ck.Parameter) (mech.Cipher, error)
	parameter func(m ck.MessageParams, aad []byte) ck.Parameter
	nonces    nonces
	// Of the message under way:
	cipher  mech.Cipher
	tagBits uint64
	under   ck.Parameter // that cipher was begun with
}

func beginMessageEncrypt(op *operation, d *mech.Descriptor, k *mech.Key, p ck.Parameter) error {
	if d.EncryptMessage != nil {
		return op.beginMessageCipher(d, d.EncryptMessage, k, p)
	}
	return op.beginMessageCipher(d, d.Encrypt, k, p)
}

func beginMessageDecrypt(op *operation, d *mech.Descriptor, k *mech.Key, p ck.Parameter) error {
	return op.beginMessageCipher(d, d.Decrypt, k, p)
}

func (op *operation) beginMessageCipher(d *mech.Descriptor, begin func(*mech.Key, ck.Parameter) (mech.Cipher, error), k *mech.Key, p ck.Parameter) error {
	if p != nil {
		return ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "the parameters of %v come with the messages", d.Type)
	}
	m := &messageCipher{begin: begin, parameter: d.Message}
	return op.beginMessages(k, func(*mech.Key) error {
		m.cipher, m.under, op.associated = nil, nil, 0
		op.message.cipher = m
		return nil
	})
}

// MessageEncryptInit is C_MessageEncryptInit (section 5.9). The mechanism has no
// parameter; each message has one.
func (c *Client) MessageEncryptInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return c.beginOperation(h, messageEncrypting, m, key)
}

// EncryptMessage is C_EncryptMessage (section 5.9). It puts the tag, and a generated nonce,
// into p. A size query makes neither.
func (c *Client) EncryptMessage(h ck.SessionHandle, p *ck.MessageParams, aad, plain []byte, buf ck.Buffer) (ck.Output, error) {
	return c.wholeMessage(h, messageEncrypting, p, aad, plain, buf)
}

// EncryptMessageBegin is C_EncryptMessageBegin (section 5.9). It puts a generated nonce into
// p.
func (c *Client) EncryptMessageBegin(h ck.SessionHandle, p *ck.MessageParams, aad []byte) error {
	return c.cipherBegin(h, messageEncrypting, p, aad)
}

// EncryptMessageNext is C_EncryptMessageNext (section 5.9). With CKF_END_OF_MESSAGE it returns
// the whole message, and puts the tag into p.
func (c *Client) EncryptMessageNext(h ck.SessionHandle, p *ck.MessageParams, plain []byte, buf ck.Buffer, flags ck.Flags) (ck.Output, error) {
	return c.cipherNext(h, messageEncrypting, p, plain, buf, flags)
}

// MessageEncryptFinal is C_MessageEncryptFinal (section 5.9).
func (c *Client) MessageEncryptFinal(h ck.SessionHandle) error {
	return c.messageFinal(h, messageEncrypting)
}

// MessageDecryptInit is C_MessageDecryptInit (section 5.11).
func (c *Client) MessageDecryptInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return c.beginOperation(h, messageDecrypting, m, key)
}

// DecryptMessage is C_DecryptMessage (section 5.11), with the tag in p. A wrong tag is
// CKR_AEAD_DECRYPT_FAILED and does not end the operation.
func (c *Client) DecryptMessage(h ck.SessionHandle, p *ck.MessageParams, aad, encrypted []byte, buf ck.Buffer) (ck.Output, error) {
	return c.wholeMessage(h, messageDecrypting, p, aad, encrypted, buf)
}

// DecryptMessageBegin is C_DecryptMessageBegin (section 5.11).
func (c *Client) DecryptMessageBegin(h ck.SessionHandle, p *ck.MessageParams, aad []byte) error {
	return c.cipherBegin(h, messageDecrypting, p, aad)
}

// DecryptMessageNext is C_DecryptMessageNext (section 5.11). With CKF_END_OF_MESSAGE it takes
// the tag from p and returns the whole message.
func (c *Client) DecryptMessageNext(h ck.SessionHandle, p *ck.MessageParams, encrypted []byte, buf ck.Buffer, flags ck.Flags) (ck.Output, error) {
	return c.cipherNext(h, messageDecrypting, p, encrypted, buf, flags)
}

// MessageDecryptFinal is C_MessageDecryptFinal (section 5.11).
func (c *Client) MessageDecryptFinal(h ck.SessionHandle) error {
	return c.messageFinal(h, messageDecrypting)
}

func (c *Client) wholeMessage(h ck.SessionHandle, k kind, p *ck.MessageParams, aad, in []byte, buf ck.Buffer) (ck.Output, error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	op, err := s.wholeMessageOp(k, nil)
	if err != nil {
		return ck.Output{}, err
	}
	if err := op.checkMessageParameter(p); err != nil {
		return ck.Output{}, err
	}
	if answer, done, err := fitsBuffer(len(in), buf); done {
		return answer, err
	}
	var out []byte
	err = s.runMessageStep(k, op, true, func() (err error) {
		if err = op.startMessage(k, p, aad); err != nil {
			return err
		}
		out, err = op.endMessage(k, p, in)
		return err
	})
	if err != nil {
		return ck.Output{}, err
	}
	return output(out), nil
}

func (c *Client) cipherBegin(h ck.SessionHandle, k kind, p *ck.MessageParams, aad []byte) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	op, err := s.idleMessageOp(k, nil)
	if err != nil {
		return err
	}
	if err := op.checkMessageParameter(p); err != nil {
		return err
	}
	err = s.runMessageStep(k, op, false, func() error { return op.startMessage(k, p, aad) })
	op.message.begun = err == nil
	return err
}

func (c *Client) cipherNext(h ck.SessionHandle, k kind, p *ck.MessageParams, in []byte, buf ck.Buffer, flags ck.Flags) (ck.Output, error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	op, err := s.begunMessageOp(k, nil)
	switch {
	case err != nil:
		return ck.Output{}, err
	case flags&^ck.CKF_END_OF_MESSAGE != 0:
		return ck.Output{}, s.refuseMessage(k, op,
			ck.Errorf(ck.CKR_ARGUMENTS_BAD, "%#x: the only flag of a message part is CKF_END_OF_MESSAGE", flags))
	}
	if err := s.refuseMessage(k, op, op.checkMessageParameter(p)); err != nil {
		return ck.Output{}, err
	}
	last := flags.Has(ck.CKF_END_OF_MESSAGE)
	n := 0
	if last {
		n = op.message.cipher.outLen(k, len(in))
	}
	if answer, done, err := fitsBuffer(n, buf); done {
		return answer, err
	}
	var out []byte
	err = s.runMessageStep(k, op, last, func() (err error) {
		if !last {
			return op.message.cipher.update(in)
		}
		out, err = op.endMessage(k, p, in)
		return err
	})
	if err != nil {
		return ck.Output{}, err
	}
	return output(out), nil
}

// checkMessageParameter refuses a parameter of another mechanism.
func (op *operation) checkMessageParameter(p *ck.MessageParams) error {
	if p.Mechanism != op.mechanism.Type {
		return ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "the message parameter is for %v, the operation uses %v", p.Mechanism, op.mechanism.Type)
	}
	return nil
}

// outLen is the length of the message with n more bytes.
func (m *messageCipher) outLen(k kind, n int) int {
	tag := int(m.tagBits / 8)
	if k == messageEncrypting {
		return m.cipher.FinalLen(n) - tag
	}
	return m.cipher.FinalLen(n + tag)
}

func (m *messageCipher) update(in []byte) error {
	_, err := m.cipher.Update(in) // puts nothing out
	return err
}

func (op *operation) startMessage(k kind, p *ck.MessageParams, aad []byte) error {
	m := op.message.cipher
	if p.TagBits%8 != 0 || p.TagBits > 128 {
		return ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "a tag of %d bits; it must have whole bytes and at most 128 bits", p.TagBits)
	}
	if k == messageEncrypting {
		nonce, err := m.nonces.next(*p)
		if err != nil {
			return err
		}
		p.Nonce = nonce
	}
	m.tagBits = p.TagBits
	weight := 2 * (len(p.Nonce) + len(aad))
	if err := op.session.Reserve(weight); err != nil {
		return err
	}
	op.associated = weight
	var err error
	kept := *p // p and aad are the caller's again after this call
	kept.Nonce = bytes.Clone(p.Nonce)
	m.under = m.parameter(kept, bytes.Clone(aad))
	m.cipher, err = m.begin(op.key.key, m.under)
	op.metered(m.cipher)
	return err
}

// endMessage adds the last data of a message and returns all of it.
func (op *operation) endMessage(k kind, p *ck.MessageParams, in []byte) ([]byte, error) {
	m := op.message.cipher
	if p.TagBits != m.tagBits || uint64(len(p.Tag))*8 != m.tagBits {
		return nil, ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "a buffer of %d bytes for a tag of %d bits", len(p.Tag), m.tagBits)
	}
	if err := m.update(in); err != nil {
		return nil, err
	}
	if k == messageEncrypting {
		out, err := m.cipher.Final()
		if err != nil {
			return nil, err
		}
		n := len(out) - len(p.Tag)
		p.Tag = out[n:]
		return out[:n:n], nil
	}
	if err := m.update(p.Tag); err != nil {
		return nil, err
	}
	out, err := m.cipher.Final()
	if ck.CodeOf(err) == ck.CKR_ENCRYPTED_DATA_INVALID {
		return nil, ck.CKR_AEAD_DECRYPT_FAILED
	}
	return out, err
}
