package observe

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/audit"
)

// The names of settings are in as many lines as it takes to clip none.
func TestInLines(t *testing.T) {
	require.Equal(t, []string{"nothing changed"}, inLines(nil))
	require.Equal(t, []string{"--log-level --dialect"}, inLines([]string{"--log-level", "--dialect"}))
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("--a-setting-with-number-%d", i))
	}
	lines := inLines(names)
	require.Equal(t, strings.Join(names, " "), strings.Join(lines, " "))
	for _, line := range lines {
		require.LessOrEqual(t, len(line), audit.MaxText)
	}
}
