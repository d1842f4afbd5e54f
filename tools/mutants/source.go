package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// goPackage is what the go command says of a package.
type goPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	CgoFiles   []string
	Module     struct{ Dir string }

	TestGoFiles  []string
	XTestGoFiles []string
}

// files are the Go files of the package that are built, with those that call C.
func (p goPackage) files() []string { return slices.Concat(p.GoFiles, p.CgoFiles) }

// hasTests reports whether the package has tests of its own.
func (p goPackage) hasTests() bool { return len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 }

// list asks the go command for packages. Those without code or without tests of their own are
// left out: nothing could notice a fault in them.
func list(ctx context.Context, patterns []string) ([]goPackage, error) {
	c := exec.CommandContext(ctx, "go", append([]string{"list", "-json"}, patterns...)...)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages %s: %w", strings.Join(patterns, " "), err)
	}
	var packages []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p goPackage
		if err := d.Decode(&p); err != nil {
			return nil, fmt.Errorf("read the output of go list: %w", err)
		}
		if len(p.files()) > 0 && p.hasTests() {
			packages = append(packages, p)
		}
	}
	if len(packages) == 0 {
		return nil, errors.New("no package with tests matches " + strings.Join(patterns, " "))
	}
	return packages, nil
}

// mutantsOf returns all mutants of all files of packages.
func mutantsOf(packages []goPackage) ([]mutant, error) {
	var all []mutant
	for _, p := range packages {
		for _, name := range p.files() {
			path := filepath.Join(p.Dir, name)
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			file, err := filepath.Rel(p.Module.Dir, path)
			if err != nil {
				return nil, err
			}
			mutants, err := mutate(file, text)
			if err != nil {
				return nil, err
			}
			for _, m := range mutants {
				m.pkg, m.path = p.ImportPath, path
				all = append(all, m)
			}
		}
	}
	return all, nil
}

// mutate returns the mutants of one file, in the order of the text.
func mutate(file string, text []byte) ([]mutant, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, file, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(tree) {
		return nil, nil
	}
	var mutants []mutant
	seen := make(map[key]int)
	ast.PreorderStack(tree, nil, func(n ast.Node, above []ast.Node) bool {
		if isLogging(n) || isDeclarationOfType(n) {
			return false
		}
		at := site{text: text, base: tree.FileStart, node: n, above: above}
		for _, o := range operators() {
			for _, e := range o(at) {
				m := mutant{
					file:     file,
					function: enclosingFunction(append(above, n)),
					line:     fset.Position(e.from).Line,
					from:     int(e.from - tree.FileStart),
					to:       int(e.to - tree.FileStart),
					with:     e.with,
					text:     text,
				}
				k := m.key()
				if seen[k]++; seen[k] > 1 {
					m.function = fmt.Sprintf("%s#%d", m.function, seen[k])
				}
				mutants = append(mutants, m)
			}
		}
		return !isErrorText(n)
	})
	return mutants, nil
}

// enclosingFunction is the name of the declared function that a node is in, with the type of
// its receiver, or "package".
func enclosingFunction(path []ast.Node) string {
	for _, n := range path {
		f, ok := n.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if f.Recv == nil {
			return f.Name.Name
		}
		receiver := f.Recv.List[0].Type
		for {
			switch t := receiver.(type) {
			case *ast.StarExpr:
				receiver = t.X
			case *ast.IndexExpr:
				receiver = t.X
			case *ast.IndexListExpr:
				receiver = t.X
			case *ast.Ident:
				return t.Name + "." + f.Name.Name
			default:
				return f.Name.Name
			}
		}
	}
	return "package"
}
