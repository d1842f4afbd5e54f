package vtoken

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
)

// A step that panics ends its operation and lets go of the key, so that a logout
// or the feed never waits for it.
func TestPanicLetsGoOfTheKey(t *testing.T) {
	key := &liveKey{key: &mech.Key{}}
	s := &session{}
	op := &operation{key: key}
	s.ops[signing] = op
	func() {
		defer func() {
			require.NotNil(t, recover(), "no panic")
		}()
		_ = s.runStep(signing, op, func() error { panic("in a mechanism") })
	}()
	require.Nil(t, s.ops[signing], "the operation is still there")
	require.True(t, key.mu.TryLock(), "the key is still held")
	key.mu.Unlock()
	key.wipe()
	s.ops[signing] = op
	if err := s.runStep(signing, op, func() error { return nil }); ck.CodeOf(err) != ck.CKR_OPERATION_NOT_INITIALIZED {
		t.Error(err)
	}
}
