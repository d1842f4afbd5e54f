package record_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/record"
)

// The role of the system has all rights; an administrator has all but those over the system.
func TestRolesOfAdministrators(t *testing.T) {
	all := []string{"view", "add", "edit", "remove", "manage", "system"}
	require.Equal(t, all, record.RoleSystem.Rights().Names())
	require.Equal(t, all[:5], record.RoleAdmin.Rights().Names())
}
