package mech

import (
	"encoding"
	"encoding/binary"
	"hash"
	"slices"

	"vtoken/vtoken/ck"
)

// Saver is what every [Signer], [Verifier] and [Cipher] is able to do: its data so far can be
// put aside and taken up again by another one, begun with the same key, mechanism and
// parameter, in this process or in the next one. Len, the parameter and the key are not in
// the state.
//
// After Final there is nothing to save, and what Save returns then means nothing.
// A change of what Save returns changes the version of the engine's states, too.
type Saver interface {
	// Save returns the state, which may hold secrets. It is CKR_STATE_UNSAVEABLE where the
	// mechanism cannot tell its state.
	Save() ([]byte, error)
	// Restore takes up what Save returned. The state is known to be authentic; one that
	// Save did not return is CKR_SAVED_STATE_INVALID or another error.
	Restore(state []byte) error
	// Confined reports whether C_GetOperationState keeps the state to itself, because it
	// depends on the key, as that of an HMAC does.
	Confined() bool
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

// badState is the answer to a state that no Save of the mechanism returned.
func badState(of string, n int) error {
	return ck.Errorf(ck.CKR_SAVED_STATE_INVALID, "%d bytes are no state of %s", n, of)
}

func (s hashSink) save() ([]byte, error)      { return SaveHash(s.Hash) }
func (s hashSink) restore(state []byte) error { return RestoreHash(s.Hash, state) }
func (s hashSink) confined() bool             { return false }

// macSink is the sink of a MAC, whose state depends on the key.
type macSink struct{ hashSink }

func (macSink) confined() bool { return true }

func (c *collector) save() ([]byte, error) { return slices.Clone(c.data), nil }

func (c *collector) restore(state []byte) error {
	c.data = nil
	return c.Update(state)
}

func (c *collector) confined() bool { return false }

// Save is of [Saver].
func (s *signer) Save() ([]byte, error) { return s.save() }

// Restore is of [Saver].
func (s *signer) Restore(state []byte) error { return s.restore(state) }

// Confined is of [Saver].
func (s *signer) Confined() bool { return s.confined() }

// Save is of [Saver].
func (v *verifier) Save() ([]byte, error) { return v.save() }

// Restore is of [Saver].
func (v *verifier) Restore(state []byte) error { return v.restore(state) }

// Confined is of [Saver].
func (v *verifier) Confined() bool { return v.confined() }

// Save is of [Saver].
func (w *whole) Save() ([]byte, error) { return w.save() }

// Restore is of [Saver].
func (w *whole) Restore(state []byte) error { return w.restore(state) }

// Confined is of [Saver].
func (w *whole) Confined() bool { return true }

// Save is of [Saver]: the last block of ciphertext, which the next one is chained to, and the
// input that is not put out yet.
func (c *blockCipher) Save() ([]byte, error) {
	return slices.Concat(c.mode.chain(), c.rest), nil
}

// Restore is of [Saver].
func (c *blockCipher) Restore(state []byte) error {
	n := len(c.mode.chain())
	if len(state) < n || len(state)-n >= c.mode.BlockSize()+c.hold {
		return badState("a block cipher", len(state))
	}
	c.mode.resume(state[:n])
	c.rest = slices.Clone(state[n:])
	return nil
}

// Confined is of [Saver].
func (c *blockCipher) Confined() bool { return true }

// Save is of [Saver]: how many bytes went through.
func (c *ctr) Save() ([]byte, error) {
	return binary.BigEndian.AppendUint64(nil, ctrBytes(c.params)-c.left), nil
}

// Restore is of [Saver].
func (c *ctr) Restore(state []byte) error {
	all := ctrBytes(c.params)
	if len(state) != 8 || binary.BigEndian.Uint64(state) > all {
		return badState("a counter mode", len(state))
	}
	done := binary.BigEndian.Uint64(state)
	c.left = all - done
	c.seek(done)
	return nil
}

// Confined is of [Saver].
func (c *ctr) Confined() bool { return true }

// Save is of [Saver]. Between two calls there is no state: the password is chosen and made in
// one.
func (h *hotp) Save() ([]byte, error) { return nil, nil }

// Restore is of [Saver].
func (h *hotp) Restore(state []byte) error {
	if len(state) > 0 {
		return badState("a one-time password", len(state))
	}
	return nil
}

// Confined is of [Saver].
func (h *hotp) Confined() bool { return true }
