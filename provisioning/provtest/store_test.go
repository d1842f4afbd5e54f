package provtest_test

import (
	"testing"

	"vtoken/provisioning"
	"vtoken/provisioning/provtest"
)

func TestStore(t *testing.T) {
	provtest.Run(t, func(testing.TB) provisioning.Store { return provtest.New() })
}
