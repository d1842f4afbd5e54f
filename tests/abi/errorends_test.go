package abi

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestErrorsEndOperations: an error that the library finds by itself ends the operation in the
// daemon, too. The host tries every function that the library refuses so.
func TestErrorsEndOperations(t *testing.T) {
	p := startPeer(t)
	tried := strings.Fields(run(t, p.environment(), host(t, "errorends"), module(t)))
	refuses := map[string]*regexp.Regexp{
		"zfront.c": regexp.MustCompile(`vtokenBadArguments\(hSession, "(C_\w+)"\)`),
		"zedge.go": regexp.MustCompile(`refuse\(c, "(C_\w+)"`),
	}
	for file, pattern := range refuses {
		text, err := os.ReadFile(filepath.Join(root(t), "p11module", file))
		require.NoError(t, err)
		all := pattern.FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, all, file)
		for _, name := range all {
			require.True(t, slices.Contains(tried, name[1]), "%s is refused in %s and not tried", name[1], file)
		}
	}
}
