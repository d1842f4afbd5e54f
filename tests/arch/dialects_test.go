package arch

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dialectList is the folder of the list that names all dialects.
const dialectList = "provisioning/dialect/all"

// mayNameDialects are the other files that may have a dialect's name, and why.
var mayNameDialects = map[string]string{
	"daemon/config/config.go": "the configuration has a default",
	"vtoken/ck/zconst.go":     "the standard has constants for tokens of the same vendor",
}

// TestDialectsAreNamedInTheirFolders: what is special about a dialect is in its folder,
// behind the interface. Its name is nowhere else but in the list and in tests.
func TestDialectsAreNamedInTheirFolders(t *testing.T) {
	var folders []string
	for _, p := range packages(t) {
		if p.path() != dialectList {
			continue
		}
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, module); ok && strings.HasPrefix(ours, "provisioning/dialect/") {
				folders = append(folders, ours)
			}
		}
	}
	require.GreaterOrEqual(t, len(folders), 5, "the dialects that %s imports", dialectList)
	dir, err := root()
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, name := range sources(t, dir) {
		own := path.Dir(filepath.ToSlash(name))
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "tests/") || own == dialectList {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		lower := strings.ToLower(string(text))
		for _, folder := range folders {
			if own == folder || !strings.Contains(lower, path.Base(folder)) {
				continue
			}
			seen[name] = true
			if mayNameDialects[name] == "" {
				t.Errorf("%s names %s; what is special about it belongs into %s, behind the interface", name, path.Base(folder), folder)
			}
		}
	}
	for name := range mayNameDialects {
		if !seen[name] {
			t.Errorf("%s names no dialect any more; take it off mayNameDialects", name)
		}
	}
}
