// Command cedge writes the generated parts of p11module from one table of the
// functions of PKCS#11 (functions.go):
//
//   - zfunctions.h: the prototypes and the two function lists;
//   - zfront.c: the exported C functions, which check arguments and hand over;
//   - zedge.go: the Go functions that they hand over to, which convert, call the
//     remote client and convert back;
//   - exports.map: the linker's list of what the library exports, and no more.
//
// "go generate ./p11module" runs it; with -check it writes nothing and fails
// where a file is not what it would write.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	dir := flag.String("dir", ".", "folder of p11module")
	check := flag.Bool("check", false, "compare with the files instead of writing them")
	flag.Parse()
	if err := run(*dir, *check); err != nil {
		fmt.Fprintln(os.Stderr, "cedge:", err)
		os.Exit(1)
	}
}

func run(dir string, check bool) error {
	list, err := functions()
	if err != nil {
		return err
	}
	edge, err := goEdge(list)
	if err != nil {
		return fmt.Errorf("formatting the Go edge: %w", err)
	}
	for _, f := range []struct {
		name string
		text []byte
	}{
		{"zfunctions.h", header(list)},
		{"zfront.c", front(list)},
		{"exports.map", exports(list)},
		{"zedge.go", edge},
	} {
		if err := put(filepath.Join(dir, f.name), f.text, check); err != nil {
			return err
		}
	}
	return nil
}

func put(path string, text []byte, check bool) error {
	if !check {
		return os.WriteFile(path, text, 0o644)
	}
	have, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, text) {
		return fmt.Errorf("%s is not current: run go generate ./p11module", path)
	}
	return nil
}
