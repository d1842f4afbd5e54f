package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// TestPagesAreRun: a page with commands that no script runs is a promise that nobody
// keeps, and one that is not in the list is one that nobody finds.
func TestPagesAreRun(t *testing.T) {
	t.Parallel()
	for _, folder := range []struct{ docs, scripts, prefix string }{
		{"consumers", "testdata/consumers", ""},
		{"api", "testdata/api", "api/"},
	} {
		t.Run(folder.docs, func(t *testing.T) { pagesAreRun(t, folder.docs, folder.scripts, folder.prefix) })
	}
}

func pagesAreRun(t *testing.T, folder, scripts, prefix string) {
	root, err := harness.Root()
	require.NoError(t, err)
	docs := filepath.Join(root, "docs", folder)
	list, err := os.ReadFile(filepath.Join(docs, "README.md"))
	require.NoError(t, err)
	run := pagesRun(t, scripts)
	pages, err := filepath.Glob(filepath.Join(docs, "*.md"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(pages), 2, "%s has no pages", docs)
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		if name == "README" {
			continue
		}
		if _, err := harness.PageScript(string(text), ""); err == nil && !run[prefix+name] {
			t.Errorf("no script of %s runs %s: page %s%s", scripts, page, prefix, name)
		}
		if !strings.Contains(string(list), "("+name+".md)") {
			t.Errorf("docs/%s/README.md does not list %s", folder, page)
		}
	}
}

var pageCommand = regexp.MustCompile(`(?m)^page (\S+)`)

// pagesRun are the pages that the scripts name.
func pagesRun(t *testing.T, folder string) map[string]bool {
	t.Helper()
	scripts, err := filepath.Glob(filepath.Join(folder, "*.txtar"))
	require.NoError(t, err)
	pages := map[string]bool{}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		require.NoError(t, err)
		for _, m := range pageCommand.FindAllStringSubmatch(string(text), -1) {
			pages[m[1]] = true
		}
	}
	return pages
}
