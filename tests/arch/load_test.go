// Package arch is the house's rules as tests: who imports whom, what every
// package and file must and must not have. A rule that is not here is advice.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// module is the prefix of our import paths.
const module = "vtoken/"

// pkg is what go list says of a package.
type pkg struct {
	ImportPath   string
	Name         string
	Dir          string
	Doc          string
	GoFiles      []string
	CgoFiles     []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	Deps         []string
	TestImports  []string
	XTestImports []string
}

// path is the import path without the module.
func (p *pkg) path() string { return strings.TrimPrefix(p.ImportPath, module) }

// root is the folder of go.mod.
var root = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	return strings.TrimSpace(string(out)), err
})

var list = sync.OnceValues(func() ([]*pkg, error) {
	dir, err := root()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "list", "-json", "./...")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var all []*pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(pkg)
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

// packages are all packages of the module.
func packages(t *testing.T) []*pkg {
	t.Helper()
	all, err := list()
	require.NoError(t, err, "listing the packages")
	if len(all) < 10 {
		t.Fatalf("go list found %d packages only; the rules would check nothing", len(all))
	}
	return all
}

// file is a parsed Go file.
type file struct {
	*ast.File
	path  string // from the root
	pkg   *pkg
	fset  *token.FileSet
	test  bool
	lines int
}

func (f *file) generated() bool { return ast.IsGenerated(f.File) }

// at is the place of a node, for messages.
func (f *file) at(n ast.Node) token.Position {
	p := f.fset.Position(n.Pos())
	p.Filename = f.path
	return p
}

var parsed = sync.OnceValues(func() ([]*file, error) {
	all, err := list()
	if err != nil {
		return nil, err
	}
	dir, err := root()
	if err != nil {
		return nil, err
	}
	var files []*file
	for _, p := range all {
		names := [][]string{p.GoFiles, p.CgoFiles, p.TestGoFiles, p.XTestGoFiles}
		for i, group := range names {
			for _, name := range group {
				f, err := parse(p, filepath.Join(p.Dir, name))
				if err != nil {
					return nil, err
				}
				f.path, err = filepath.Rel(dir, f.path)
				if err != nil {
					return nil, err
				}
				f.test = i >= 2
				files = append(files, f)
			}
		}
	}
	return files, nil
})

func parse(p *pkg, path string) (*file, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, path, src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	return &file{File: tree, path: path, pkg: p, fset: fset, lines: bytes.Count(src, []byte("\n"))}, nil
}

// files are all Go files of the module.
func files(t *testing.T) []*file {
	t.Helper()
	packages(t)
	all, err := parsed()
	require.NoError(t, err, "parsing the module")
	return all
}
