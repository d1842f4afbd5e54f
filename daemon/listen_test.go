package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/record"
)

func TestListenModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "p11.sock")
	l, err := socket{path: path, mode: 0o666, dir: 0o755}.listen()
	require.NoError(t, err)
	defer l.Close()
	for p, want := range map[string]string{path: "Srw-rw-rw-", filepath.Dir(path): "drwxr-xr-x"} {
		info, err := os.Stat(p)
		require.NoError(t, err)
		if got := info.Mode().String(); got != want {
			t.Errorf("%s has mode %s, want %s", p, got, want)
		}
	}
}

// TestListenTakesOver replaces what a killed daemon left, and nothing else.
func TestListenTakesOver(t *testing.T) {
	s := socket{path: filepath.Join(t.TempDir(), "p11.sock"), mode: 0o600, dir: 0o700}
	first, err := s.listen()
	require.NoError(t, err)
	if _, err := s.listen(); err == nil || !strings.Contains(err.Error(), "another process listens") {
		t.Fatalf("a second daemon: %v", err)
	}
	first.SetUnlinkOnClose(false) // as SIGKILL leaves it
	first.Close()
	second, err := s.listen()
	require.NoError(t, err)
	second.Close()

	require.NoError(t, os.WriteFile(s.path, []byte("precious"), 0o600))
	if _, err := s.listen(); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Fatalf("an ordinary file in the way: %v", err)
	}
	if text, err := os.ReadFile(s.path); err != nil || string(text) != "precious" {
		t.Fatalf("the file in the way now is %q, %v", text, err)
	}
}

func TestAdministrators(t *testing.T) {
	group := "77"
	a := &administrators{uid: 1000}
	a.group.Store(&group)
	for _, test := range []struct {
		peer record.Peer
		want bool
	}{
		{record.Peer{UID: 0, GID: 0}, true},
		{record.Peer{UID: 1000, GID: 1000}, true},
		{record.Peer{UID: 4321, GID: 77}, true},
		{record.Peer{UID: 4321, GID: 78}, false},
	} {
		if got := a.Has(test.peer); got != test.want {
			t.Errorf("Has(%+v) = %v", test.peer, got)
		}
	}
	if _, err := newAdministrators("no-such-group-here"); err == nil {
		t.Error("a group that does not exist was accepted")
	}
}
