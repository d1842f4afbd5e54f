package enginetest_test

import (
	"testing"

	"vtoken/vtoken/enginetest"
)

// TestStore: the store for tests of the engine keeps the engine's contract.
func TestStore(t *testing.T) {
	enginetest.Run(t, func(testing.TB) enginetest.Subject {
		s := enginetest.New()
		s.MapUser(1001, "user")
		return enginetest.Subject{Store: s, User: "user", UID: 1001, DeleteToken: s.DeleteToken}
	})
}
