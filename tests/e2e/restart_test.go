package e2e

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/secret"
)

// midway is an application in the middle of everything that an application can be in.
type midway struct {
	t       *testing.T
	c       *remote.Client
	slot    ck.SlotID
	session ck.SessionHandle
	key     ck.ObjectHandle // a session object
	parts   int             // of the digest
	event   chan ck.SlotID
}

func newMidway(t *testing.T, d *harness.Daemon) *midway {
	t.Helper()
	m := &midway{t: t, c: dialDaemon(d), event: make(chan ck.SlotID, 1)}
	t.Cleanup(m.c.Close)
	slots, err := m.c.GetSlotList(true)
	require.NoError(t, err)
	m.slot = slots[0]
	m.session, err = m.c.OpenSession(m.slot, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	require.NoError(t, err)
	require.NoError(t, m.c.Login(m.session, ck.CKU_USER, secret.Bytes(harness.PIN)))
	m.key, err = m.c.GenerateKey(m.session, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, ck.Template{
		ck.Ulong(ck.CKA_VALUE_LEN, uint64(32)), ck.Bool(ck.CKA_ENCRYPT, true), ck.Bool(ck.CKA_TOKEN, false),
	})
	require.NoError(t, err)
	require.NoError(t, m.c.DigestInit(m.session, &ck.Mechanism{Type: ck.CKM_SHA256}))
	go func() {
		if slot, err := m.c.WaitForSlotEvent(0); err == nil {
			m.event <- slot
		}
	}()
	return m
}

// goOn does a little more.
func (m *midway) goOn() {
	m.t.Helper()
	require.NoError(m.t, m.c.DigestUpdate(m.session, fmt.Appendf(nil, "part %d ", m.parts)))
	m.parts++
	info, err := m.c.GetSessionInfo(m.session)
	require.NoError(m.t, err)
	require.Equal(m.t, ck.State(ck.CKS_RW_USER_FUNCTIONS), info.State)
	require.NoError(m.t, m.c.EncryptInit(m.session, &ck.Mechanism{Type: ck.CKM_AES_ECB}, m.key))
	_, err = m.c.Encrypt(m.session, make([]byte, 16), remote.Out{To: make([]byte, 16)})
	require.NoError(m.t, err)
}

// end finishes what was begun.
func (m *midway) end() {
	m.t.Helper()
	want := sha256.New()
	for i := range m.parts {
		fmt.Fprintf(want, "part %d ", i)
	}
	got := make([]byte, 32)
	_, err := m.c.DigestFinal(m.session, remote.Out{To: got})
	require.NoError(m.t, err)
	require.Equal(m.t, want.Sum(nil), got)
}

// TestPlannedRestart: a restart takes nothing from an application, and the process of the
// daemon stays the same.
func TestPlannedRestart(t *testing.T) {
	t.Parallel()
	d := start(t)
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	m := newMidway(t, d)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		c := dialDaemon(d)
		t.Cleanup(c.Close)
		clients.Go(func() {
			s, err := c.OpenSession(m.slot, ck.CKF_SERIAL_SESSION)
			if err != nil {
				t.Error(err)
				return
			}
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := c.GenerateRandom(s, make([]byte, 100)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	pid := d.PID()
	files := openDescriptors(t, pid)
	for range 5 {
		m.goOn()
		require.Contains(t, vtoken(t, d, "restart"), "restarted, version")
		require.Equal(t, pid, d.PID())
	}
	m.goOn()
	m.end()
	close(stop)
	clients.Wait()
	require.NotContains(t, d.Log(), "did not survive")
	require.NotContains(t, d.Log(), "left out")
	require.InDelta(t, files, openDescriptors(t, pid), 20, "descriptors are left after restarts")
	select {
	case slot := <-m.event:
		t.Fatalf("an event of slot %d, and nothing happened", slot)
	default:
	}
	id := strings.Fields(strings.Split(strings.TrimSpace(vtoken(t, d, "token", "list")), "\n")[1])[0]
	vtoken(t, d, "token", "disable", id)
	require.Equal(t, m.slot, <-m.event)
}

func openDescriptors(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	require.NoError(t, err)
	return len(list)
}

// TestRestartRefused: if the program that is installed cannot take over, the daemon goes on
// and says why.
func TestRestartRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "vtokend.yaml")
	require.NoError(t, os.WriteFile(file, []byte("log-level: info\n"), 0o600))
	d := start(t, "--config", file)
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	m := newMidway(t, d)
	m.goOn()
	require.NoError(t, os.WriteFile(file, []byte("log-level: loud\n"), 0o600))
	_, err := d.Vtoken("restart")
	require.ErrorContains(t, err, "log-level")
	require.ErrorContains(t, err, "goes on")
	m.goOn()
	require.NoError(t, os.WriteFile(file, []byte("log-level: warn\n"), 0o600))
	vtoken(t, d, "restart")
	m.goOn()
	m.end()
}

// serviceManager plays systemd for one service: it keeps descriptors, and passes them to the
// next process.
type serviceManager struct {
	t    *testing.T
	sock *net.UnixConn
	path string

	mu   sync.Mutex
	kept map[string][]*os.File
}

func newServiceManager(t *testing.T, path string) *serviceManager {
	t.Helper()
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	m := &serviceManager{t: t, sock: sock, path: path, kept: map[string][]*os.File{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m.receive() {
		}
	}()
	t.Cleanup(func() {
		sock.Close()
		<-done
	})
	return m
}

// receive handles one message.
func (m *serviceManager) receive() bool {
	text, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*253))
	n, rn, _, _, err := m.sock.ReadMsgUnix(text, rights)
	if err != nil {
		return false
	}
	var files []*os.File
	messages, err := unix.ParseSocketControlMessage(rights[:rn])
	require.NoError(m.t, err)
	for _, c := range messages {
		list, err := unix.ParseUnixRights(&c)
		if err != nil {
			continue
		}
		for _, fd := range list {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "kept"))
		}
	}
	state := string(text[:n])
	_, name, _ := strings.Cut(state, "FDNAME=")
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case strings.Contains(state, "FDSTOREREMOVE=1"):
		for _, f := range m.kept[name] {
			f.Close()
		}
		delete(m.kept, name)
	case strings.Contains(state, "FDSTORE=1"):
		m.kept[name] = append(m.kept[name], files...)
	default:
		for _, f := range files { // of a barrier
			f.Close()
		}
	}
	return true
}

// start runs the daemon with what was kept.
func (m *serviceManager) start(d *harness.Daemon) *exec.Cmd {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	var files []*os.File
	for name, list := range m.kept {
		for _, f := range list {
			names, files = append(names, name), append(files, f)
		}
	}
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, d.Bin("vtokend"),
		"--data-dir", d.DataDir, "--p11-socket", d.P11Socket, "--admin-socket", d.AdminSocket)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.path,
		fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	cmd.ExtraFiles = files
	log, err := os.OpenFile(filepath.Join(d.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(m.t, err)
	defer log.Close()
	cmd.Stderr = log
	require.NoError(m.t, cmd.Start())
	m.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// TestRestartByManager: SIGTERM under a service manager and a start by it take nothing from an
// application.
func TestRestartByManager(t *testing.T) {
	t.Parallel()
	dir, err := harness.TempDir()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	d := harness.NewDaemon(build(t), dir)
	manager := newServiceManager(t, filepath.Join(dir, "notify"))
	cmd := manager.start(d)
	require.Eventually(t, func() bool { _, err := d.Vtoken("status"); return err == nil }, time.Minute, 20*time.Millisecond)
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	m := newMidway(t, d)
	for range 3 {
		m.goOn()
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait())
		require.FileExists(t, d.P11Socket)
		cmd = manager.start(d)
	}
	m.goOn()
	m.end()
	_, err = d.Vtoken("status")
	require.NoError(t, err)
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(log), "took the place of a daemon"), "%s", log)
	manager.mu.Lock()
	defer manager.mu.Unlock()
	require.Empty(t, manager.kept)
}
