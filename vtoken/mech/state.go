package mech

import (
	"encoding"
	"hash"
	"slices"

	"vtoken/vtoken/ck"
)

// Saver is an ability of a [Signer] or [Verifier]: its data so far can be put
// aside and taken up again by another one, begun with the same key, mechanism and
// parameter (C_GetOperationState). Both functions answer CKR_STATE_UNSAVEABLE
// where the mechanism's state cannot be saved: that of an HMAC holds the key.
type Saver interface {
	Save() ([]byte, error)
	// Restore takes up what Save gave; the state is known to be authentic.
	Restore(state []byte) error
}

// SaveHash is the state of a digest.
func SaveHash(h hash.Hash) ([]byte, error) {
	m, ok := h.(encoding.BinaryMarshaler)
	if !ok {
		return nil, errUnsaveable
	}
	state, err := m.MarshalBinary()
	if err != nil {
		return nil, ck.Errorf(ck.CKR_STATE_UNSAVEABLE, "save the state of a digest: %w", err)
	}
	return state, nil
}

// RestoreHash takes up what [SaveHash] gave.
func RestoreHash(h hash.Hash, state []byte) error {
	m, ok := h.(encoding.BinaryUnmarshaler)
	if !ok {
		return errUnsaveable
	}
	if err := m.UnmarshalBinary(state); err != nil {
		return ck.Errorf(ck.CKR_SAVED_STATE_INVALID, "take up the state of a digest: %w", err)
	}
	return nil
}

var errUnsaveable = ck.Errorf(ck.CKR_STATE_UNSAVEABLE, "the state of this mechanism cannot be saved")

func (s hashSink) save() ([]byte, error)      { return SaveHash(s.Hash) }
func (s hashSink) restore(state []byte) error { return RestoreHash(s.Hash, state) }

func (c *collector) save() ([]byte, error) { return slices.Clone(c.data), nil }

func (c *collector) restore(state []byte) error {
	c.data = nil
	return c.Update(state)
}

// savingSink is a sink whose data can be put aside.
type savingSink interface {
	save() ([]byte, error)
	restore(state []byte) error
}

func saveSink(s sink) ([]byte, error) {
	if s, ok := s.(savingSink); ok {
		return s.save()
	}
	return nil, errUnsaveable
}

func restoreSink(s sink, state []byte) error {
	if s, ok := s.(savingSink); ok {
		return s.restore(state)
	}
	return errUnsaveable
}

// Save is of [Saver].
func (s *signer) Save() ([]byte, error) { return saveSink(s.sink) }

// Restore is of [Saver].
func (s *signer) Restore(state []byte) error { return restoreSink(s.sink, state) }

// Save is of [Saver].
func (v *verifier) Save() ([]byte, error) { return saveSink(v.sink) }

// Restore is of [Saver].
func (v *verifier) Restore(state []byte) error { return restoreSink(v.sink, state) }
