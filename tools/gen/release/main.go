// Command release writes the version of vtoken into the files that cannot read it: the
// OpenAPI documents of the dialects.
//
// "make generate" runs it. A test in tests/arch finds a document that has another version.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"vtoken/vtoken/version"
)

func main() {
	root := flag.String("root", ".", "folder of the sources")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// infoVersion matches the version of a document, which is in its head. Other members of
// that name are deeper.
var infoVersion = regexp.MustCompile(`(?m)^  version: .*$`)

func run(root string) error {
	documents, err := filepath.Glob(filepath.Join(root, "provisioning/dialect/*/openapi.yaml"))
	if err != nil {
		return err
	}
	if len(documents) == 0 {
		return fmt.Errorf("there is no OpenAPI document below %s", root)
	}
	for _, path := range documents {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if n := len(infoVersion.FindAll(text, -1)); n != 1 {
			return fmt.Errorf("%s has %d lines with a version in its head, not one", path, n)
		}
		text = infoVersion.ReplaceAll(text, []byte(fmt.Sprintf("  version: %q", version.String())))
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
