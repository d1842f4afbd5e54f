package arch

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestPackagesAreDocumented(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles)+len(p.CgoFiles) > 0 {
			t.Errorf("%s has no package comment; write a doc.go", p.path())
		}
	}
}

func TestExportedIsDocumented(t *testing.T) {
	for _, f := range files(t) {
		if f.test || f.generated() || f.Name.Name == "main" {
			continue
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
					t.Errorf("%v: %s has no comment", f.at(d), d.Name.Name)
				}
			case *ast.GenDecl:
				undocumented(t, f, d)
			}
		}
	}
}

// wellKnown are methods whose meaning their interface says.
var wellKnown = [...]string{"Error", "Is", "Unwrap", "String", "LogValue", "GoString", "Format", "MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText", "Len", "Less", "Swap", "Read", "Write", "Close"}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported() && !slices.Contains(wellKnown[:], d.Name.Name)
}

func undocumented(t *testing.T, f *file, d *ast.GenDecl) {
	if d.Doc != nil {
		return
	}
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && s.Comment == nil {
				t.Errorf("%v: %s has no comment", f.at(s), s.Name.Name)
			}
		case *ast.ValueSpec:
			if s.Names[0].IsExported() && s.Doc == nil && s.Comment == nil {
				t.Errorf("%v: %s has no comment", f.at(s), s.Names[0].Name)
			}
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, f := range files(t) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%v: init runs before anybody asked for it; make it a function that main calls", f.at(fn))
			}
		}
		for _, i := range f.Imports {
			if i.Name != nil && i.Name.Name == "_" && i.Path.Value != `"embed"` {
				t.Errorf("%v: a blank import registers things that nobody can find; name them in a list", f.at(i))
			}
			if i.Name != nil && i.Name.Name == "." {
				t.Errorf("%v: a dot import hides where names come from", f.at(i))
			}
		}
	}
}

func TestNoPackageWithoutMeaning(t *testing.T) {
	vague := []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base", "types"}
	for _, p := range packages(t) {
		if slices.Contains(vague, path.Base(p.path())) {
			t.Errorf("%s: the name says nothing; name it for what it does", p.path())
		}
	}
}

// processState are the packages that hold the state of a process, because their
// interface is one per process: C_Initialize has no handle to keep it in.
var processState = [...]string{"p11module"}

// TestNoMutablePackageVariables finds package variables that a function writes
// to, and those of types that exist to be changed.
func TestNoMutablePackageVariables(t *testing.T) {
	vars := map[*pkg]map[string]*ast.ValueSpec{}
	for _, f := range files(t) {
		if vars[f.pkg] == nil {
			vars[f.pkg] = map[string]*ast.ValueSpec{}
		}
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				packageVars(t, f, g, vars[f.pkg])
			}
		}
	}
	for _, f := range files(t) {
		if slices.Contains(processState[:], f.pkg.path()) {
			continue
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				ast.Inspect(fn.Body, func(n ast.Node) bool {
					for _, target := range written(n) {
						if id := rootIdent(target); id != nil && global(id, vars[f.pkg]) {
							t.Errorf("%v: package variable %s is written to; pass the state along instead", f.at(n), id.Name)
						}
					}
					return true
				})
			}
		}
	}
}

// packageVars notes the names of a declaration, and reports types of state.
func packageVars(t *testing.T, f *file, g *ast.GenDecl, names map[string]*ast.ValueSpec) {
	for _, s := range g.Specs {
		v := s.(*ast.ValueSpec)
		for _, n := range v.Names {
			names[n.Name] = v
		}
		sel, ok := v.Type.(*ast.SelectorExpr)
		if !ok || slices.Contains(processState[:], f.pkg.path()) {
			continue
		}
		if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "sync" || x.Name == "atomic") {
			t.Errorf("%v: package variable %s is state of the process; pass it along instead", f.at(v), v.Names[0].Name)
		}
	}
}

// written are the expressions that a statement writes to.
func written(n ast.Node) []ast.Expr {
	switch s := n.(type) {
	case *ast.AssignStmt:
		if s.Tok != token.DEFINE {
			return s.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{s.X}
	}
	return nil
}

// rootIdent is x of x.f[i].g.
func rootIdent(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// global reports whether an identifier is a variable of its package: the parser
// resolves local names, and package names within one file.
func global(id *ast.Ident, names map[string]*ast.ValueSpec) bool {
	spec := names[id.Name]
	if spec == nil || id.Name == "_" {
		return false
	}
	return id.Obj == nil || id.Obj.Decl == spec
}

func TestNoUnfinishedWork(t *testing.T) {
	marks := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"}
	for _, f := range files(t) {
		for _, group := range f.Comments {
			for _, c := range group.List {
				for _, m := range marks {
					if containsWord(c.Text, m) {
						t.Errorf("%v: %s; finish it, or write down what is left where users look", f.at(c), m)
					}
				}
			}
		}
	}
}

func containsWord(text, word string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }), word)
}
