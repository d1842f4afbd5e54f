package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/dialect/native/nativetest"
)

func TestAccessRule(t *testing.T) {
	for _, x := range []struct {
		mode os.FileMode
		want string
	}{
		{0o660, "/run/s is open to the user root and the group ops; run this with sudo, or join the group with: sudo usermod -aG ops me (then log in again)"},
		{0o710, "/run/s is open to the user root and the group ops; run this with sudo, or join the group with: sudo usermod -aG ops me (then log in again)"},
		{0o600, "/run/s is open to the user root only; run this as root"},
	} {
		if got := accessRule("/run/s", x.mode, "root", "ops", "me"); got != x.want {
			t.Errorf("%o: %s", x.mode, got)
		}
	}
}

// TestNoAccess runs the command as a user who may not open the socket, and as one who may
// not even search its folder.
func TestNoAccess(t *testing.T) {
	s := nativetest.Start(t)
	program := publicCopy(t)
	dir := filepath.Dir(s.Socket)
	for _, x := range []struct {
		name         string
		dir, socket  os.FileMode
		wantedHintOn string
	}{
		{"socket", 0o755, 0, s.Socket},
		{"folder", 0, 0o666, dir},
	} {
		require.NoError(t, errors.Join(os.Chmod(s.Socket, x.socket), os.Chmod(dir, x.dir)))
		out, code := runAsNobody(t, program, "--admin-socket", s.Socket, "status")
		want := "open " + s.Socket + ": permission denied; " + x.wantedHintOn + " is open to the user "
		if code != exitNotAllowed || !strings.Contains(out, want) {
			t.Errorf("%s: exit code %d: %s", x.name, code, out)
		}
		require.NoError(t, os.Chmod(dir, 0o700))
	}
}

// publicCopy is a copy of this program, as vtoken, that everybody may run.
func publicCopy(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vtoken")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	self, err := os.Executable()
	require.NoError(t, err)
	binary, err := os.ReadFile(self)
	require.NoError(t, err)
	program := filepath.Join(dir, "vtoken")
	require.NoError(t, errors.Join(os.WriteFile(program, binary, 0o755), os.Chmod(program, 0o755), os.Chmod(dir, 0o755)))
	return program
}

// runAsNobody runs a program as a user without rights: nobody where this is
// root, else this user, whom a mode of 0 keeps out too.
func runAsNobody(t *testing.T, program string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(said), exit.ExitCode()
	}
	require.NoError(t, err)
	return string(said), 0
}
