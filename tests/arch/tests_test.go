package arch

import (
	"go/ast"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNoTestIsSkipped: a skipped test passes on the machine where it matters.
func TestNoTestIsSkipped(t *testing.T) {
	skips := []string{"Skip", "SkipNow", "Skipf"}
	for _, f := range files(t) {
		if !f.test && !strings.HasPrefix(f.pkg.path(), "tests/") {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if ok && slices.Contains(skips, sel.Sel.Name) && len(x.Name) <= 2 {
				t.Errorf("%v: a test is skipped; install what it needs (tools/sh/packages.sh), or fail and say what to do", f.at(call))
			}
			if ok && x.Name == "time" && sel.Sel.Name == "Sleep" {
				t.Errorf("%v: a test sleeps; wait for the condition instead", f.at(call))
			}
			return true
		})
	}
}

// TestFuzzTargetsHaveSeeds: a fuzz target without seeds starts from nothing and
// says nothing in go test.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	count := 0
	for _, f := range files(t) {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !f.test || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Fuzz") {
				continue
			}
			count++
			if !addsSeeds(fn) && !hasCorpus(f.pkg.Dir, fn.Name.Name) {
				t.Errorf("%v: %s has no seeds", f.at(fn), fn.Name.Name)
			}
		}
	}
	if count == 0 {
		t.Error("there is no fuzz target: every decoder needs one")
	}
}

// addsSeeds reports whether a fuzz target calls f.Add or hands f to a function
// that does.
func addsSeeds(fn *ast.FuncDecl) bool {
	name := fn.Type.Params.List[0].Names[0].Name
	found := false
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Add" {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == name {
				found = true
			}
		}
		for _, a := range call.Args {
			if x, ok := a.(*ast.Ident); ok && x.Name == name {
				found = true
			}
		}
		return true
	})
	return found
}

func hasCorpus(dir, name string) bool {
	entries, err := os.ReadDir(filepath.Join(dir, "testdata", "fuzz", name))
	return err == nil && len(entries) > 0
}
