package arch

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// raced are the patterns of packages in the Makefile that the race detector runs.
func raced(t *testing.T) []string {
	t.Helper()
	dir, err := root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	require.NoError(t, err)
	m := regexp.MustCompile(`(?m)^RACE := ((?:.*\\\n)*.*)$`).FindSubmatch(text)
	require.NotNil(t, m, "the Makefile has no RACE")
	return strings.Fields(strings.ReplaceAll(string(m[1]), "\\\n", " "))
}

// startsGoroutine reports whether a file has a go statement, a call of a method Go, or a test
// that runs beside others.
func startsGoroutine(f *ast.File) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = true
		case *ast.SelectorExpr:
			found = found || n.Sel.Name == "Go" || n.Sel.Name == "Parallel"
		}
		return !found
	})
	return found
}

// TestRaceFindsGoroutines: a package with goroutines is one that the race detector runs.
func TestRaceFindsGoroutines(t *testing.T) {
	const mech = "vtoken/mech" // of which the Makefile runs one test
	patterns := raced(t)
	matches := func(pkg string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			name, below := strings.CutSuffix(strings.TrimPrefix(pattern, "./"), "/...")
			return pkg == name || below && strings.HasPrefix(pkg, name+"/")
		})
	}
	looked := 0
	for _, f := range files(t) {
		pkg := f.pkg.path()
		top, _, _ := strings.Cut(pkg, "/")
		if !slices.Contains([]string{"vtoken", "keystore", "provisioning", "daemon"}, top) && !strings.HasPrefix(pkg, "p11module/remote") {
			continue
		}
		looked++
		if pkg != mech && !matches(pkg) && startsGoroutine(f.File) {
			t.Errorf("%s starts goroutines, and RACE in the Makefile has no %s", f.at(f.File), pkg)
		}
	}
	require.Greater(t, looked, 300, "files of these packages")
}
