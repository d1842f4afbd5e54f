package arch

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGeneratedFilesAreCurrent runs every generator on a copy of the module and
// compares.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing the files: %v", err)
	}
	copied := t.TempDir()
	var names []string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		names = append(names, name)
		copyFile(t, filepath.Join(dir, name), filepath.Join(copied, name))
	}
	generate := exec.Command("go", "generate", "./...")
	generate.Dir = copied
	if out, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("go generate: %v\n%s", err, out)
	}
	for _, name := range names {
		before, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue // listed by git, but removed
		}
		after, err := os.ReadFile(filepath.Join(copied, name))
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s is not what its generator makes; run make generate", name)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Lstat(from)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, info.Mode().Perm()); err != nil {
		t.Fatal(err)
	}
}
