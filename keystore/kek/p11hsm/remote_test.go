//go:build cgo

package p11hsm

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vtoken/keystore/kek"

	"github.com/stretchr/testify/require"
)

// server is an HSM in another process: SoftHSM behind p11-kit server, which
// knows OAEP, but not the mechanisms of AES that we use.
type server struct {
	socket string
	cmd    *exec.Cmd
}

func (s *server) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command("/usr/libexec/p11-kit/p11-kit-server", "--foreground", "--name", s.socket, "--provider", softHSM, "pkcs11:token=kek")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has a process for each connection
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	for lines := bufio.NewScanner(out); lines.Scan(); { // it prints its process id when it listens
		if strings.HasPrefix(lines.Text(), "P11_KIT_SERVER_PID=") {
			return
		}
	}
	t.Fatal("p11-kit server ended at once")
}

func (s *server) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL))
	require.Error(t, s.cmd.Wait(), "p11-kit server ended by itself")
	require.NoError(t, os.RemoveAll(s.socket))
}

// TestHSMComesBack has the HSM go away while a provider uses it.
func TestHSMComesBack(t *testing.T) {
	found, err := filepath.Glob("/usr/lib/*/pkcs11/p11-kit-client.so")
	require.NoError(t, err)
	require.NotEmpty(t, found, "no p11-kit-client.so (package p11-kit-modules)")
	short, err := os.MkdirTemp("", "p11") // for the socket's path
	require.NoError(t, err)
	defer os.RemoveAll(short)
	open(t, uri("object=remote;type=private"), true)
	s := &server{socket: filepath.Join(short, "s")}
	t.Setenv("P11_KIT_SERVER_ADDRESS", "unix:path="+s.socket)
	s.start(t)
	p := open(t, "pkcs11:token=kek;object=remote;type=private"+query(found[0], "pin"), false)
	blob, err := p.Wrap(t.Context(), key())
	require.NoError(t, err)
	for range 2 {
		s.stop(t)
		if _, err := p.Unwrap(t.Context(), blob); !errors.Is(err, kek.ErrUnavailable) {
			t.Errorf("without the HSM: %v", err)
		}
		if _, err := p.Status(t.Context()); !errors.Is(err, kek.ErrUnavailable) {
			t.Errorf("status without the HSM: %v", err)
		}
		s.start(t)
		if got, err := p.Unwrap(t.Context(), blob); err != nil || !got.Equal(key()) {
			t.Errorf("the HSM is back: %v", err)
		}
	}
	s.stop(t)
}
