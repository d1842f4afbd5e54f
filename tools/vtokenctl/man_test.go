package main

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the files on file anew")

// golden compares what was made with the file, or writes the file with -update.
func golden(t *testing.T, file, made string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(made), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	if made != string(want) {
		t.Errorf("%s is not current; look at the difference after: go test ./tools/vtokenctl -update", file)
	}
}

// TestManPage checks that the manual page on file is current.
func TestManPage(t *testing.T) {
	golden(t, "../../docs/man/vtoken.1", manPage(newRoot(&app{})))
}

// TestManPageReads checks the page with groff's own warnings.
func TestManPageReads(t *testing.T) {
	cmd := exec.Command("groff", "-man", "-Tascii", "-P-cbou", "-ww", "../../docs/man/vtoken.1")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil || said.Len() > 0 {
		t.Fatalf("%v: %s", err, said.String())
	}
	for _, want := range []string{"vtoken token create --user NAME", "VTOKEN_ADMIN_SOCKET", "EXIT STATUS"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// TestManPageIsWhole checks that the page misses no command.
func TestManPageIsWhole(t *testing.T) {
	root := newRoot(&app{})
	page := manPage(root)
	for _, c := range leaves(root) {
		if !strings.Contains(page, roff(c.CommandPath())) {
			t.Errorf("%s is missing", c.CommandPath())
		}
	}
}
