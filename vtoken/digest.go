package vtoken

import (
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
)

func beginDigest(op *operation, d *mech.Descriptor, _ *mech.Key, p ck.Parameter) (err error) {
	op.digest, err = d.Digest(p)
	return err
}

// DigestInit is C_DigestInit (section 5.12).
func (c *Client) DigestInit(h ck.SessionHandle, m ck.Mechanism) error {
	return c.beginOperation(h, digesting, m, ck.InvalidHandle)
}

// Digest is C_Digest (section 5.12).
func (c *Client) Digest(h ck.SessionHandle, data []byte, buf ck.Buffer) (ck.Output, error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	op, err := s.onePart(digesting)
	if err != nil {
		return ck.Output{}, err
	}
	return s.digest(op, data, buf)
}

// DigestUpdate is C_DigestUpdate (section 5.12).
func (c *Client) DigestUpdate(h ck.SessionHandle, data []byte) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	op, err := s.active(digesting)
	if err != nil {
		return err
	}
	op.multi = true
	op.hash(data)
	return nil
}

// hashAtOnce is how many bytes are hashed at a time. Go's scheduler and its garbage collector
// can stop the goroutine only in between.
const hashAtOnce = 64 << 10

// hash adds data to the digest.
func (op *operation) hash(data []byte) {
	for part := range slices.Chunk(data, hashAtOnce) {
		op.digest.Write(part) // never fails (hash.Hash)
	}
}

// DigestKey is C_DigestKey (section 5.12): it adds the value of a secret key to the digest.
// Other keys are CKR_KEY_INDIGESTIBLE, and so are keys that may not leave the token: a digest
// of a known prefix and a key, or of a short key, reveals something of the key.
func (c *Client) DigestKey(h ck.SessionHandle, key ck.ObjectHandle) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	op, err := s.active(digesting)
	if err != nil {
		return err
	}
	if err := s.digestKey(op, key); err != nil {
		s.ops[digesting] = nil
		return err
	}
	return nil
}

func (s *session) digestKey(op *operation, key ck.ObjectHandle) error {
	o := s.spaceOf(key).get(key)
	if o == nil || !s.sees(o) || !o.IsKey() {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	if o.Class() != ck.CKO_SECRET_KEY || o.Sensitive() || !o.Extractable() {
		return ck.Errorf(ck.CKR_KEY_INDIGESTIBLE, "only secret keys that can be read can be digested")
	}
	k, err := s.liveKey(key, o)
	if err != nil {
		return err
	}
	if !k.acquire() {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	defer k.release()
	op.multi = true
	_, err = op.digest.Write(k.key.Secret)
	return err
}

// DigestFinal is C_DigestFinal (section 5.12).
func (c *Client) DigestFinal(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	op, err := s.active(digesting)
	if err != nil {
		return ck.Output{}, err
	}
	return s.digest(op, nil, buf)
}

func (s *session) digest(op *operation, data []byte, buf ck.Buffer) (ck.Output, error) {
	if answer, done, err := fitsBuffer(op.digest.Size(), buf); done {
		return answer, err
	}
	s.ops[digesting] = nil
	op.hash(data)
	return output(op.digest.Sum(nil)), nil
}
