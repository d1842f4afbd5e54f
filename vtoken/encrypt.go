package vtoken

import (
	"bytes"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
)

// cipher is a running encryption or decryption.
type cipher struct {
	mech.Cipher
	// restart makes a fresh cipher, for a caller who comes back with other data after a buffer
	// was too short.
	restart func() (mech.Cipher, error)
	// kept is output whose buffer was too short: the length of a decryption is known only when
	// it is done.
	kept *keptOutput
}

// keptOutput is the output of a decryption, with its input.
type keptOutput struct{ in, out []byte }

func beginEncrypt(op *operation, d *mech.Descriptor, k *mech.Key, p ck.Parameter) error {
	return op.beginCipher(d.Encrypt, k, p)
}

func beginDecrypt(op *operation, d *mech.Descriptor, k *mech.Key, p ck.Parameter) error {
	return op.beginCipher(d.Decrypt, k, p)
}

func (op *operation) beginCipher(begin func(*mech.Key, ck.Parameter) (mech.Cipher, error), k *mech.Key, p ck.Parameter) error {
	again := func() (mech.Cipher, error) {
		c, err := begin(k, p)
		op.metered(c)
		return c, err
	}
	running, err := again()
	op.cipher = &cipher{Cipher: running, restart: again}
	return err
}

// EncryptInit is C_EncryptInit (section 5.8).
func (c *Client) EncryptInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return c.beginOperation(h, encrypting, m, key)
}

// DecryptInit is C_DecryptInit (section 5.10).
func (c *Client) DecryptInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return c.beginOperation(h, decrypting, m, key)
}

// Encrypt is C_Encrypt (section 5.8). A size query returns the exact length.
func (c *Client) Encrypt(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error) {
	return c.cipherAll(h, encrypting, in, buf)
}

// Decrypt is C_Decrypt (section 5.10). A size query returns an upper bound.
func (c *Client) Decrypt(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error) {
	return c.cipherAll(h, decrypting, in, buf)
}

// EncryptUpdate is C_EncryptUpdate (section 5.8).
func (c *Client) EncryptUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error) {
	return c.cipherUpdate(h, encrypting, in, buf)
}

// DecryptUpdate is C_DecryptUpdate (section 5.10).
func (c *Client) DecryptUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error) {
	return c.cipherUpdate(h, decrypting, in, buf)
}

// EncryptFinal is C_EncryptFinal (section 5.8).
func (c *Client) EncryptFinal(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
	return c.cipherFinal(h, encrypting, buf)
}

// DecryptFinal is C_DecryptFinal (section 5.10). A size query returns an upper bound.
func (c *Client) DecryptFinal(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
	return c.cipherFinal(h, decrypting, buf)
}

func (c *Client) cipherAll(h ck.SessionHandle, k kind, in []byte, buf ck.Buffer) (ck.Output, error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	op, err := s.onePart(k)
	if err != nil {
		return ck.Output{}, err
	}
	if r := op.cipher.kept; r != nil && !bytes.Equal(r.in, in) {
		if err := s.restartCipher(k, op); err != nil {
			return ck.Output{}, err
		}
	}
	bound := func() int { return op.cipher.UpdateLen(len(in)) + op.cipher.FinalLen(len(in)) }
	return s.finish(k, op, in, buf, bound, func() ([]byte, error) {
		if one, ok := op.cipher.Cipher.(mech.OneParter); ok {
			return one.Whole(in)
		}
		out, err := op.cipher.Update(in)
		if err != nil {
			return nil, err
		}
		last, err := op.cipher.Final()
		return joinOutput(out, last), err
	})
}

// joinOutput joins the parts of an output. All of an RSA decryption is in the last one:
// to copy it would take a time that depends on its length, which tells an attacker about
// the padding (as in CVE-2023-5992).
func joinOutput(out, last []byte) []byte {
	if len(out) == 0 {
		return last
	}
	return append(out, last...)
}

// restartCipher restarts an operation with the same key and parameter.
func (s *session) restartCipher(k kind, op *operation) error {
	op.cipher.kept = nil
	return s.runStep(k, op, func() (err error) {
		op.cipher.Cipher, err = op.cipher.restart()
		return err
	})
}

func (c *Client) cipherUpdate(h ck.SessionHandle, k kind, in []byte, buf ck.Buffer) (ck.Output, error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	op, err := s.active(k)
	if err != nil {
		return ck.Output{}, err
	}
	if answer, done, err := s.cipherFits(k, op, in, buf); done {
		return answer, err
	}
	var out []byte
	err = s.runStep(k, op, func() (err error) {
		out, err = op.cipher.Update(in)
		return err
	})
	if err != nil {
		return ck.Output{}, err
	}
	op.multi = true
	return output(out), nil
}

// cipherFits is fitsBuffer for the output of an Update, which ends an operation that was done
// in one part.
func (s *session) cipherFits(k kind, op *operation, in []byte, buf ck.Buffer) (answer ck.Output, done bool, err error) {
	if op.cipher.kept != nil {
		s.ops[k] = nil
		return ck.Output{}, true, ck.Errorf(ck.CKR_OPERATION_ACTIVE, "a result waited for a call with a longer buffer; the operation has ended")
	}
	return fitsBuffer(op.cipher.UpdateLen(len(in)), buf)
}

func (c *Client) cipherFinal(h ck.SessionHandle, k kind, buf ck.Buffer) (ck.Output, error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	op, err := s.active(k)
	if err != nil {
		return ck.Output{}, err
	}
	if r := op.cipher.kept; r != nil && !op.multi {
		s.ops[k] = nil
		return ck.Output{}, ck.Errorf(ck.CKR_OPERATION_ACTIVE, "the result of a one-part call waited for that call; the operation has ended")
	}
	bound := func() int { return op.cipher.FinalLen(0) }
	return s.finish(k, op, nil, buf, bound, op.cipher.Final)
}

// finish runs the last step of an operation, and ends it if the output fits the buffer. The
// length of an encryption is known before. For a decryption there is an upper bound; with a
// shorter buffer, the step has to run to tell.
func (s *session) finish(k kind, op *operation, in []byte, buf ck.Buffer, bound func() int, run func() ([]byte, error)) (ck.Output, error) {
	if op.cipher.kept == nil {
		n := bound()
		if answer, done, err := fitsBuffer(n, buf); done && (buf.Null || k == encrypting) {
			return answer, err
		}
		var out []byte
		err := s.runLastStep(k, op, func() (err error) {
			out, err = run()
			return err
		})
		if err != nil {
			return ck.Output{}, err
		}
		op.cipher.kept = &keptOutput{in: in, out: out}
	}
	out := op.cipher.kept.out
	if answer, done, err := fitsBuffer(len(out), buf); done {
		// The caller's memory of the input is its own again after this call.
		if err := s.Reserve(len(in) + cap(out)); err != nil {
			s.ops[k] = nil
			return ck.Output{}, err
		}
		op.cipher.kept.in = bytes.Clone(in)
		return answer, err
	}
	s.ops[k] = nil
	return output(out), nil
}
