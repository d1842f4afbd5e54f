package harness

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Packaged reads a file of the folder packaging.
func Packaged(t testing.TB, name string) string {
	t.Helper()
	root, err := Root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "packaging", name))
	require.NoError(t, err)
	return string(text)
}
