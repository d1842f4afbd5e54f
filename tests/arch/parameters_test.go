package arch

import (
	"go/ast"
	"path"
	"testing"
)

// Every structure of package ck that is the parameter of a mechanism is read from C,
// travels, and is understood by a mechanism.
func TestParametersAreCarried(t *testing.T) {
	used := map[string]map[string]bool{"p11module": {}, "vtoken/p11rpc": {}, "vtoken/mech": {}}
	var parameters []string
	for _, f := range files(t) {
		dir := path.Dir(f.path)
		if f.test {
			continue
		}
		if dir == "vtoken/ck" {
			parameters = append(parameters, parametersOf(f)...)
		}
		if used[dir] == nil {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "ck" {
					used[dir][s.Sel.Name] = true
				}
			}
			return true
		})
	}
	if len(parameters) < 10 {
		t.Fatalf("only %d parameters were found in vtoken/ck", len(parameters))
	}
	for _, p := range parameters {
		for dir, names := range used {
			if !names[p] {
				t.Errorf("ck.%s is a parameter that %s does not know", p, dir)
			}
		}
	}
}

// parametersOf are the types of a file that implement ck.Parameter.
func parametersOf(f *file) (names []string) {
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv == nil || fn.Name.Name != "parameter" {
			continue
		}
		if x, ok := fn.Recv.List[0].Type.(*ast.Ident); ok {
			names = append(names, x.Name)
		}
	}
	return names
}
