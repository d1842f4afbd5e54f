package e2e

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// TestSocketActivation has systemd's own tool make the sockets and start the daemon when
// somebody connects, and plays the service manager that is told of its states.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	dir, err := harness.TempDir()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	d := harness.NewDaemon(build(t), dir)
	p11, admin := filepath.Join(dir, "p11"), filepath.Join(dir, "admin")
	notify, file := filepath.Join(dir, "notify"), filepath.Join(dir, "c.yaml")
	d.AdminSocket = admin
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	require.NoError(t, err)
	defer manager.Close()
	require.NoError(t, manager.SetReadDeadline(time.Now().Add(2*time.Minute)))
	told := func() string {
		t.Helper()
		for {
			text := make([]byte, 4096)
			n, err := manager.Read(text)
			require.NoError(t, err)
			// What the daemon stores for its successor, TestRestartByManager looks at.
			if state := string(text[:n]); !strings.HasPrefix(state, "FDSTORE") && state != "BARRIER=1" {
				return state
			}
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	api := free.Addr().String()
	require.NoError(t, free.Close())

	c := exec.Command("systemd-socket-activate", "-l", p11, "-l", admin, "-l", api, "--fdname=p11:admin:api",
		"-E", "NOTIFY_SOCKET="+notify, d.Bin("vtokend"), "--config", file, "--data-dir", filepath.Join(dir, "data"),
		"--p11-socket", p11, "--admin-socket", admin, "--admin-group", "daemon")
	stderr, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	defer stderr.Close()
	c.Stderr = stderr
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() }) // it has ended already where all went well
	var first net.Conn
	require.Eventually(t, func() bool { first, err = net.Dial("unix", p11); return err == nil }, time.Minute, 10*time.Millisecond)
	defer first.Close()
	before, err := os.Stat(admin)
	require.NoError(t, err)

	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "vtokend ready: p11="+p11+" admin="+admin+" api=https://"+api+"\n", line)
	require.Equal(t, "READY=1", told())
	status := vtoken(t, d, "status")
	require.Contains(t, status, p11)
	require.Contains(t, status, "https://"+api)
	after, err := os.Stat(admin)
	require.NoError(t, err)
	require.Equal(t, before.Mode(), after.Mode(), "the mode is the service manager's")
	require.Equal(t, before.Sys().(*syscall.Stat_t).Gid, after.Sys().(*syscall.Stat_t).Gid, "the group is the service manager's")
	log, err := os.ReadFile(stderr.Name())
	require.NoError(t, err)
	require.Contains(t, string(log), "SocketGroup=", "nobody is told that the group cannot open the socket")

	require.NoError(t, c.Process.Signal(syscall.SIGHUP))
	require.Regexp(t, `^RELOADING=1\nMONOTONIC_USEC=\d+$`, told())
	require.Equal(t, "READY=1\nSTATUS=configuration read again", told())
	require.NoError(t, os.WriteFile(file, []byte("log-level: loud\n"), 0o600))
	require.NoError(t, c.Process.Signal(syscall.SIGHUP))
	require.Contains(t, told(), "RELOADING=1")
	require.Contains(t, told(), "READY=1\nSTATUS=configuration not read again: --log-level")

	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	require.NoError(t, c.Wait())
	require.Equal(t, "STOPPING=1", told())
	for _, path := range []string{p11, admin} {
		info, err := os.Lstat(path)
		require.NoError(t, err, "the daemon removed a socket that is not its own")
		require.Equal(t, os.ModeSocket, info.Mode().Type())
	}
}

// TestUnitsNameTheSockets holds the units against the names that the daemon knows, and against
// the modes that the daemon gives its own sockets.
func TestUnitsNameTheSockets(t *testing.T) {
	t.Parallel()
	for unit, lines := range map[string][]string{
		"vtokend.socket":       {"FileDescriptorName=p11", "SocketMode=0666", "ListenStream=/run/vtoken/p11.sock"},
		"vtokend-admin.socket": {"FileDescriptorName=admin", "SocketMode=0660", "SocketGroup=vtoken-admin", "ListenStream=/run/vtoken/admin.sock"},
		"vtokend-api.socket":   {"FileDescriptorName=api"},
	} {
		text := harness.Packaged(t, unit)
		for _, line := range append(lines, "Service=vtokend.service", "WantedBy=sockets.target") {
			require.True(t, strings.Contains("\n"+text, "\n"+line+"\n"), "%s has no line %s", unit, line)
		}
	}
	service := harness.Packaged(t, "vtokend.service")
	for _, line := range []string{"Type=notify", "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'", "RuntimeDirectoryPreserve=yes"} {
		require.Contains(t, service, "\n"+line+"\n")
	}
}
