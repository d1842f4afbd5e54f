package vtoken

import (
	"bytes"
	"crypto/aes"
	aead "crypto/cipher"
	"encoding/binary"
	"encoding/gob"
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
)

// savedOperation is an operation in the result of C_GetOperationState. It names the key by its
// handle and its CKA_UNIQUE_ID; key material is not in it.
type savedOperation struct {
	Kind      kind
	Mechanism ck.MechanismType
	Raw       []byte               // the parameter, where it is bytes
	PSS       *ck.RSAPkcsPssParams // the parameter, where it is this
	Key       ck.ObjectHandle
	UniqueID  []byte
	Multi     bool
	State     []byte
}

// GetOperationState is C_GetOperationState (section 5.6), for digests, and for signatures and
// verifications over a digest: OpenSSL duplicates contexts (mtrojnar/osslsigncode#468). It is
// CKR_STATE_UNSAVEABLE if another operation is active too, for mechanisms with key material in
// their state, and for keys that ask for the PIN at each use. The state is encrypted under a key of this process, and valid in
// sessions of this application with this token.
func (c *Client) GetOperationState(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
	s, err := c.enter(h)
	if err != nil {
		return ck.Output{}, err
	}
	defer s.leave()
	saved, err := s.saveOperations()
	if err != nil {
		return ck.Output{}, err
	}
	var plain bytes.Buffer
	if err := gob.NewEncoder(&plain).Encode(saved); err != nil {
		return ck.Output{}, ck.Errorf(ck.CKR_STATE_UNSAVEABLE, "encode the state of the session's operations: %w", err)
	}
	sealed, err := s.attachment.seal(plain.Bytes())
	if err != nil {
		return ck.Output{}, err
	}
	if len(sealed) > mech.MaxGCM {
		return ck.Output{}, ck.Errorf(ck.CKR_STATE_UNSAVEABLE,
			"the operation has gathered %d bytes, and one answer holds %d", len(sealed), mech.MaxGCM)
	}
	if answer, done, err := fitsBuffer(len(sealed), buf); done {
		return answer, err
	}
	return output(sealed), nil
}

func (s *session) saveOperations() (saved []savedOperation, err error) {
	for k := range kinds {
		if s.ops[k] == nil {
			continue
		}
		op, err := s.active(k)
		if err != nil {
			continue // over, because of a logout
		}
		one, err := s.saveOne(k, op)
		if err != nil {
			return nil, err
		}
		saved = append(saved, one)
	}
	if saved == nil {
		return nil, ck.CKR_OPERATION_NOT_INITIALIZED
	}
	return saved, nil
}

func (s *session) saveOne(k kind, op *operation) (one savedOperation, err error) {
	one = savedOperation{Kind: k, Mechanism: op.mechanism.Type, Key: op.handle, Multi: op.multi}
	switch p := op.mechanism.Parameter.(type) {
	case nil:
	case ck.RawParameter:
		one.Raw = p
	case ck.RSAPkcsPssParams:
		one.PSS = &p
	default:
		return one, ck.Errorf(ck.CKR_STATE_UNSAVEABLE, "an operation of %v with this parameter cannot be saved", op.mechanism.Type)
	}
	if op.key != nil {
		o := s.spaceOf(op.handle).get(op.handle)
		if o == nil {
			return one, ck.CKR_OPERATION_NOT_INITIALIZED
		}
		if o.AlwaysAuthenticate() {
			// The PIN was given for this operation, and no copy of it may be used without one.
			return one, ck.Errorf(ck.CKR_STATE_UNSAVEABLE, "an operation with a key that asks for the PIN at each use cannot be saved")
		}
		one.UniqueID = o.Attrs.Get(ck.CKA_UNIQUE_ID)
	}
	one.State, err = op.save()
	return one, err
}

// save returns the state of the data that the operation has processed.
func (op *operation) save() ([]byte, error) {
	if op.digest != nil {
		return mech.SaveHash(op.digest)
	}
	if saver := op.saver(); saver != nil {
		return saver.Save()
	}
	return nil, ck.Errorf(ck.CKR_STATE_UNSAVEABLE, "an operation of %v cannot be saved", op.mechanism.Type)
}

func (op *operation) restore(state []byte) error {
	if op.digest != nil {
		return mech.RestoreHash(op.digest, state)
	}
	if saver := op.saver(); saver != nil {
		return saver.Restore(state)
	}
	return ck.CKR_SAVED_STATE_INVALID
}

func (op *operation) saver() mech.Saver {
	if op.message != nil {
		return nil // how far its messages came is not saved
	}
	var saver mech.Saver
	switch {
	case op.signer != nil:
		saver = op.signer
	case op.verifier != nil:
		saver = op.verifier
	}
	if saver == nil || saver.Confined() {
		return nil
	}
	return saver
}

// SetOperationState is C_SetOperationState (section 5.6). It ends the session's operations.
// The state names its key, so the key may be omitted; a key that is given, in either place,
// must be that one. Whether the key may be used is checked again.
func (c *Client) SetOperationState(h ck.SessionHandle, state []byte, encryptionKey, authenticationKey ck.ObjectHandle) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	plain, err := s.attachment.open(state)
	if err != nil {
		return err
	}
	var saved []savedOperation
	if err := gob.NewDecoder(bytes.NewReader(plain)).Decode(&saved); err != nil {
		return ck.Errorf(ck.CKR_SAVED_STATE_INVALID, "read the state of operations: %w", err)
	}
	if err := s.checkSavedKeys(saved, encryptionKey, authenticationKey); err != nil {
		return err
	}
	s.ops = [kinds]*operation{}
	for _, one := range saved {
		if err := s.resumeOperation(one); err != nil {
			s.ops = [kinds]*operation{}
			return err
		}
	}
	return nil
}

// checkSavedKeys compares the keys that the caller gives with those in the state.
func (s *session) checkSavedKeys(saved []savedOperation, named ...ck.ObjectHandle) error {
	keyed := slices.ContainsFunc(saved, func(one savedOperation) bool { return one.Key != ck.InvalidHandle })
	for _, h := range named {
		switch {
		case h == ck.InvalidHandle:
		case !keyed:
			return ck.Errorf(ck.CKR_KEY_NOT_NEEDED, "the state is a digest's, which has no key")
		case !slices.ContainsFunc(saved, func(one savedOperation) bool { return one.Key == h }):
			return ck.Errorf(ck.CKR_KEY_CHANGED, "the key is not the one that the state was saved with")
		}
	}
	return nil
}

// resumeOperation starts a saved operation and restores its state.
func (s *session) resumeOperation(one savedOperation) error {
	m := ck.Mechanism{Type: one.Mechanism}
	switch {
	case one.PSS != nil:
		m.Parameter = *one.PSS
	case one.Raw != nil:
		m.Parameter = ck.RawParameter(one.Raw)
	}
	if one.Key != ck.InvalidHandle {
		o, err := s.visibleKey(one.Key)
		if err != nil {
			return err
		}
		if !bytes.Equal(o.Attrs.Get(ck.CKA_UNIQUE_ID), one.UniqueID) {
			return ck.CKR_KEY_CHANGED
		}
	}
	if err := s.begin(one.Kind, m, one.Key); err != nil {
		return err
	}
	op := s.ops[one.Kind]
	op.multi = one.Multi
	return op.restore(one.State)
}

// stateCipher returns the cipher for saved states, under a key of this process.
func (e *Engine) stateCipher() (aead.AEAD, error) {
	block, err := aes.NewCipher(e.stateKey[:])
	if err != nil {
		return nil, err
	}
	return aead.NewGCMWithRandomNonce(block)
}

// seal encrypts a saved state for the sessions of this attachment.
func (a *attachment) seal(plain []byte) ([]byte, error) {
	box, err := a.client.engine.stateCipher()
	if err != nil {
		return nil, err
	}
	return box.Seal(nil, nil, plain, binary.BigEndian.AppendUint64(nil, a.id)), nil
}

func (a *attachment) open(sealed []byte) ([]byte, error) {
	box, err := a.client.engine.stateCipher()
	if err != nil {
		return nil, err
	}
	plain, err := box.Open(nil, nil, sealed, binary.BigEndian.AppendUint64(nil, a.id))
	if err != nil {
		return nil, ck.Errorf(ck.CKR_SAVED_STATE_INVALID, "the state was not saved by this application with this token")
	}
	return plain, nil
}
