package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vtoken/tests/harness"
)

// TestPagesAreRun: a page of docs/consumers that no script runs is a promise that
// nobody keeps, and one that is not in the list is one that nobody finds.
func TestPagesAreRun(t *testing.T) {
	root, err := harness.Root()
	must(t, err)
	docs := filepath.Join(root, "docs", "consumers")
	list, err := os.ReadFile(filepath.Join(docs, "README.md"))
	must(t, err)
	run := pagesRun(t)
	pages, err := filepath.Glob(filepath.Join(docs, "*.md"))
	must(t, err)
	if len(pages) < 2 {
		t.Fatalf("%s has no pages", docs)
	}
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		if name == "README" {
			continue
		}
		if !run[name] {
			t.Errorf("no script of testdata/consumers runs %s: page %s", page, name)
		}
		if !strings.Contains(string(list), "("+name+".md)") {
			t.Errorf("docs/consumers/README.md does not list %s", page)
		}
	}
}

var pageCommand = regexp.MustCompile(`(?m)^page (\S+)`)

// pagesRun are the pages that the scripts name.
func pagesRun(t *testing.T) map[string]bool {
	t.Helper()
	scripts, err := filepath.Glob("testdata/consumers/*.txtar")
	must(t, err)
	pages := map[string]bool{}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		must(t, err)
		for _, m := range pageCommand.FindAllStringSubmatch(string(text), -1) {
			pages[m[1]] = true
		}
	}
	return pages
}
