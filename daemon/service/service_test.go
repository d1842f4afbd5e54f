package service

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// message is what a manager received: the text, and the descriptors.
type message struct {
	text  string
	files []*os.File
}

// fake is a service manager: a socket that receives.
type fake struct {
	t    *testing.T
	conn *net.UnixConn
}

func newFake(t *testing.T) (fake, Manager) {
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute))) // so that a message that is missing ends the test
	m := NewManager(func(name string) string { return map[string]string{"NOTIFY_SOCKET": path}[name] })
	require.True(t, m.Present())
	return fake{t, c}, m
}

// next is the next message.
func (f fake) next() message {
	f.t.Helper()
	text, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*maxFiles))
	n, rights, flags, _, err := f.conn.ReadMsgUnix(text, oob)
	require.NoError(f.t, err)
	require.Zero(f.t, flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC))
	got := message{text: string(text[:n])}
	parts, err := unix.ParseSocketControlMessage(oob[:rights])
	require.NoError(f.t, err)
	for _, p := range parts {
		fds, err := unix.ParseUnixRights(&p)
		require.NoError(f.t, err)
		for _, fd := range fds {
			file := os.NewFile(uintptr(fd), "received")
			f.t.Cleanup(func() { file.Close() })
			got.files = append(got.files, file)
		}
	}
	return got
}

func TestStates(t *testing.T) {
	f, m := newFake(t)
	require.NoError(t, m.Ready(""))
	require.Equal(t, "READY=1", f.next().text)
	require.NoError(t, m.Ready("two\nlines  READY=0"))
	require.Equal(t, "READY=1\nSTATUS=two lines READY=0", f.next().text)
	require.NoError(t, m.Stopping())
	require.Equal(t, "STOPPING=1", f.next().text)

	var before, after unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &before))
	require.NoError(t, m.Reloading())
	require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &after))
	text, at, found := strings.Cut(f.next().text, "\nMONOTONIC_USEC=")
	require.True(t, found)
	require.Equal(t, "RELOADING=1", text)
	usec, err := strconv.ParseInt(at, 10, 64)
	require.NoError(t, err)
	require.GreaterOrEqual(t, usec, before.Nano()/1000)
	require.LessOrEqual(t, usec, after.Nano()/1000)
}

// Descriptors arrive with their name, and are those that were sent.
func TestStore(t *testing.T) {
	f, m := newFake(t)
	var files []*os.File
	for i := range 2 {
		file, err := os.Create(filepath.Join(t.TempDir(), fmt.Sprint(i)))
		require.NoError(t, err)
		defer file.Close()
		files = append(files, file)
	}
	require.NoError(t, m.Store("state", descriptors(files)...))
	got := f.next()
	require.Equal(t, "FDSTORE=1\nFDNAME=state", got.text)
	require.Len(t, got.files, 2)
	for i, file := range got.files {
		ours, err := files[i].Stat()
		require.NoError(t, err)
		theirs, err := file.Stat()
		require.NoError(t, err)
		require.True(t, os.SameFile(ours, theirs))
	}
	require.NoError(t, m.Remove("state"))
	require.Equal(t, message{text: "FDSTOREREMOVE=1\nFDNAME=state"}, f.next())
	for _, name := range []string{"", "a:b", "a b", "a\nREADY=1", "ü", strings.Repeat("x", maxName+1)} {
		require.Error(t, m.Store(name, descriptors(files)...), "%q", name)
		require.Error(t, m.Remove(name), "%q", name)
	}
}

// More descriptors than one message carries go in several.
func TestStoreMany(t *testing.T) {
	f, m := newFake(t)
	file, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer file.Close()
	many := make([]*os.File, maxFiles+3)
	for i := range many {
		many[i] = file
	}
	require.NoError(t, m.Store("conn", descriptors(many)...))
	require.Len(t, f.next().files, maxFiles)
	require.Len(t, f.next().files, 3)
}

// Wait ends when the manager closes what it was sent, and fails when it does not.
func TestWait(t *testing.T) {
	f, m := newFake(t)
	done := make(chan error, 1)
	go func() { done <- m.Wait(time.Minute) }()
	got := f.next()
	require.Equal(t, "BARRIER=1", got.text)
	require.Len(t, got.files, 1)
	require.Empty(t, done)
	require.NoError(t, got.files[0].Close())
	require.NoError(t, <-done)
	require.ErrorContains(t, m.Wait(time.Millisecond), "did not handle")
}

func TestNobodyToTell(t *testing.T) {
	var m Manager
	require.False(t, m.Present())
	require.NoError(t, m.Ready("x"))
	require.NoError(t, m.Store("x", os.Stdin))
	require.NoError(t, m.Wait(time.Hour))
	gone := Manager{filepath.Join(t.TempDir(), "none")}
	require.ErrorContains(t, gone.Ready(""), "telling the service manager")
	require.Error(t, gone.Wait(time.Hour))
}

// environment is one of a process, as [Environment].
func environment(vars map[string]string) Environment {
	return Environment{
		Get:   func(name string) string { return vars[name] },
		Unset: func(name string) error { delete(vars, name); return nil },
	}
}

// first is where the tests put descriptors: nobody else has numbers that high.
const first = 700

// passed duplicates the descriptors to numbers from first on, as the manager does with 3.
func passed(t *testing.T, files ...interface{ File() (*os.File, error) }) {
	for i, s := range files {
		f, err := s.File()
		require.NoError(t, err)
		require.NoError(t, unix.Dup2(int(f.Fd()), first+i))
		require.NoError(t, f.Close())
	}
}

func listenUnix(t *testing.T) *net.UnixListener {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

func TestReceive(t *testing.T) {
	p11, admin := listenUnix(t), listenUnix(t)
	api, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer api.Close()
	passed(t, p11, admin, api, p11)
	vars := map[string]string{"LISTEN_PID": "12", "LISTEN_FDS": "4", "LISTEN_FDNAMES": "p11:admin:api:more", "HOME": "/"}
	got, err := receive(environment(vars), 12, first)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"HOME": "/"}, maps.Clone(vars), "a child would take them for its own")
	require.Equal(t, []string{"admin", "api", "more", "p11"}, got.Names())
	for fd := first; fd < first+4; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		require.NoError(t, err)
		require.NotZero(t, flags&unix.FD_CLOEXEC, "a child would inherit %d", fd)
	}
	list, err := got.Listeners("p11", "unix")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, p11.Addr(), list[0].Addr())
	path := p11.Addr().String()
	go func() {
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
		}
	}()
	c, err := list[0].Accept()
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.NoError(t, list[0].Close())
	require.FileExists(t, path, "the file is the manager's")

	_, err = got.Listeners("api", "unix")
	require.ErrorContains(t, err, "not of the kind unix")
	list, err = got.Listeners("p11", "unix")
	require.NoError(t, err)
	require.Empty(t, list, "they were taken")
	require.Equal(t, []string{"admin", "more"}, got.Names())
	got.Close()
	require.Empty(t, got.Names())
	_, err = unix.FcntlInt(first+1, unix.F_GETFD, 0)
	require.ErrorIs(t, err, unix.EBADF)
}

// What is no listening socket is refused, and can be taken as a file.
func TestReceiveOthers(t *testing.T) {
	l := listenUnix(t)
	c, err := net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "state"))
	require.NoError(t, err)
	defer file.Close()
	passed(t, c.(*net.UnixConn))
	require.NoError(t, unix.Dup2(int(file.Fd()), first+1))
	vars := map[string]string{"LISTEN_PID": "12", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "p11:state"}
	got, err := receive(environment(vars), 12, first)
	require.NoError(t, err)
	_, err = got.Listeners("p11", "unix")
	require.ErrorContains(t, err, "p11 that is no listening socket")
	files := got.Take("state")
	require.Len(t, files, 1)
	_, err = files[0].WriteString("x")
	require.NoError(t, err)
	require.NoError(t, files[0].Close())
}

func TestReceiveNothing(t *testing.T) {
	for _, vars := range []map[string]string{
		{},
		{"LISTEN_PID": "13", "LISTEN_FDS": "2"}, // of another process
		{"LISTEN_FDS": "2"},
		{"LISTEN_PID": "12", "LISTEN_FDS": "0"},
	} {
		got, err := receive(environment(vars), 12, first)
		require.NoError(t, err)
		require.Empty(t, got.Names())
		require.Empty(t, vars)
	}
	for _, vars := range []map[string]string{
		{"LISTEN_PID": "12", "LISTEN_FDS": "two"},
		{"LISTEN_PID": "12", "LISTEN_FDS": "-1"},
		{"LISTEN_PID": "12", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "p11"},
		{"LISTEN_PID": "12", "LISTEN_FDS": "1"}, // there is no such descriptor
	} {
		_, err := receive(environment(vars), 12, first)
		require.ErrorContains(t, err, "of the service manager")
	}
	got, err := Receive(environment(map[string]string{"LISTEN_PID": "1"}))
	require.NoError(t, err)
	require.Empty(t, got.Names())
}
