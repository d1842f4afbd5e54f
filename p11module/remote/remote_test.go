package remote

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/secret"
)

func TestNoDaemon(t *testing.T) {
	c := New(Options{Socket: func() string { return filepath.Join(t.TempDir(), "none") }, Timeout: patience})
	defer c.Close()
	slots, err := c.GetSlotList(false)
	require.NoError(t, err)
	require.Len(t, slots, 0)
	_, err = c.OpenSession(1, 0)
	require.ErrorIs(t, err, ck.CKR_DEVICE_REMOVED)
	_, err = c.WaitForSlotEvent(ck.CKF_DONT_BLOCK)
	require.ErrorIs(t, err, ck.CKR_NO_EVENT)
	if info, err := c.GetInfo(); err != nil || info.CryptokiVersion.Major != 3 {
		t.Errorf("got %v, %v", info, err)
	}
}

// TestPermission checks the code that a user gets who may not open the socket.
// Root may, so the error of the system stands in for the socket.
func TestPermission(t *testing.T) {
	require.ErrorIs(t, connectError("/run/x", os.ErrPermission), ck.CKR_ACTION_PROHIBITED)
	require.ErrorIs(t, connectError("/run/x", os.ErrNotExist), ck.CKR_DEVICE_REMOVED)
}

// TestDaemonThatRefuses: a daemon that has no room for the connection is not taken for
// one that is not there, and the trace says what the matter is.
func TestDaemonThatRefuses(t *testing.T) {
	d := startFake(t)
	d.handle(func(f *fakeConn, code uint32, _ p11rpc.CallID, _ *p11rpc.Decoder) bool {
		f.refuse(code, ck.CKR_DEVICE_MEMORY)
		return true
	})
	trace := filepath.Join(t.TempDir(), "trace")
	c := New(Options{Socket: func() string { return d.path }, Timeout: patience, Trace: openTrace(trace, false)})
	defer c.Close()
	_, err := c.GetSlotList(true)
	require.ErrorIs(t, err, ck.CKR_DEVICE_MEMORY)
	_, err = c.OpenSession(1, ck.CKF_SERIAL_SESSION)
	require.ErrorIs(t, err, ck.CKR_DEVICE_MEMORY)
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	require.True(t, bytes.Contains(text, []byte("refuses the connection")), "the trace says %q", text)
}

// A daemon that was not there at first is found without a new client.
func TestDaemonThatComesLater(t *testing.T) {
	d := startFake(t)
	path := filepath.Join(t.TempDir(), "none")
	c := New(Options{Socket: func() string { return path }, Timeout: patience})
	defer c.Close()
	if slots, err := c.GetSlotList(true); err != nil || len(slots) != 0 {
		t.Fatalf("got %v, %v", slots, err)
	}
	path = d.path
	if slots, err := c.GetSlotList(true); err != nil || len(slots) != 1 {
		t.Fatalf("got %v, %v", slots, err)
	}
}

func TestOldServer(t *testing.T) {
	d := startFake(t)
	d.mu.Lock()
	d.newest = 0
	d.mu.Unlock()
	c := d.client(patience)
	h := openSession(t, c)
	require.ErrorIs(t, c.SessionCancel(h, ck.CKF_SIGN), ck.CKR_FUNCTION_NOT_SUPPORTED)
	require.ErrorIs(t, c.LoginUser(h, ck.CKU_USER, nil, nil), ck.CKR_FUNCTION_NOT_SUPPORTED)
	require.NoError(t, c.InitToken(7, secret.Bytes("1"), "label"))
}

func TestLostDaemon(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	old := openSession(t, c)
	held := make(chan struct{})
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call == p11rpc.CallLogout {
			close(held)
			return true // no answer
		}
		return false
	})
	done := make(chan error)
	go func() { done <- c.Logout(old) }()
	<-held
	d.hangUp()
	require.ErrorIs(t, <-done, ck.CKR_DEVICE_REMOVED)
	require.ErrorIs(t, c.Logout(old), ck.CKR_SESSION_HANDLE_INVALID)
	require.ErrorIs(t, c.CloseSession(old), ck.CKR_SESSION_HANDLE_INVALID)
	fresh := openSession(t, c)
	require.NotEqual(t, old, fresh, "the handle %d of a lost session is used again", old)
	require.ErrorIs(t, c.Logout(old), ck.CKR_SESSION_HANDLE_INVALID)
}

// TestDaemonThatWasRestarted: an idle connection that ended is noticed by the
// next call that needs no session, which then succeeds.
func TestDaemonThatWasRestarted(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	openSession(t, c)
	for range 20 {
		d.hangUp()
		if slots, err := c.GetSlotList(true); err != nil || len(slots) != 1 {
			t.Fatalf("got %v, %v", slots, err)
		}
		openSession(t, c)
	}
}

// A daemon that does not answer costs the limit, and the
// connection.
func TestDeadline(t *testing.T) {
	d := startFake(t)
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		return call == p11rpc.CallLogout
	})
	c := d.client(50 * time.Millisecond)
	h := openSession(t, c)
	err := c.Logout(h)
	require.ErrorIs(t, err, ck.CKR_DEVICE_REMOVED)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.ErrorIs(t, c.Logout(h), ck.CKR_SESSION_HANDLE_INVALID)
}

// TestDeadlineOfFollower: a thread that does not read itself has a deadline too,
// while the one that reads waits without one.
func TestDeadlineOfFollower(t *testing.T) {
	d := startFake(t)
	waiting := make(chan struct{})
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call == p11rpc.CallWaitForSlotEvent {
			close(waiting)
		}
		return call == p11rpc.CallWaitForSlotEvent || call == p11rpc.CallLogout
	})
	c := d.client(50 * time.Millisecond)
	h := openSession(t, c)
	n := c.first.Load()
	event := make(chan fate)
	go func() {
		x := c.request(nil, p11rpc.CallWaitForSlotEvent, n.version)
		defer x.free()
		x.enc.Ulong(0)
		_ = x.enc.End() // it fits
		n.roundTrip(time.Time{}, []*exchange{x})
		event <- x.fate
	}()
	<-waiting
	require.ErrorIs(t, c.Logout(h), ck.CKR_DEVICE_REMOVED)
	require.Equal(t, lost, <-event)
}

// Without a daemon a wait goes on, looks for one now and then, with a pause between, and
// hears of its return.
func TestWaitOutlivesTheDaemon(t *testing.T) {
	d := startFake(t)
	waiting := make(chan struct{})
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call == p11rpc.CallWaitForSlotEvent {
			close(waiting)
			return true // no answer
		}
		return false
	})
	var there atomic.Bool
	there.Store(true)
	looks := make(chan time.Time, 100)
	c := New(Options{Timeout: patience, Socket: func() string {
		if there.Load() {
			return d.path
		}
		looks <- time.Now()
		return filepath.Join(t.TempDir(), "none")
	}})
	defer c.Close()
	type answer struct {
		slot ck.SlotID
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		slot, err := c.WaitForSlotEvent(0)
		done <- answer{slot, err}
	}()
	<-waiting
	there.Store(false)
	d.hangUp()
	first, second := <-looks, <-looks
	require.GreaterOrEqual(t, second.Sub(first), lookAgain/2)
	select {
	case a := <-done:
		t.Fatalf("the wait ended with %v, %v, and there is no daemon", a.slot, a.err)
	default:
	}
	there.Store(true)
	if a := <-done; a.err != nil || a.slot != 7 {
		t.Errorf("after the daemon's return the wait answers %v, %v", a.slot, a.err)
	}
}

// C_Finalize ends every call under way.
func TestCloseWakes(t *testing.T) {
	d := startFake(t)
	waiting := make(chan struct{}, 2)
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call == p11rpc.CallWaitForSlotEvent || call == p11rpc.CallLogout {
			waiting <- struct{}{}
			return true
		}
		return false
	})
	c := d.client(patience)
	h := openSession(t, c)
	done := make(chan error)
	go func() { _, err := c.WaitForSlotEvent(0); done <- err }()
	go func() { done <- c.Logout(h) }()
	<-waiting
	<-waiting
	c.Close()
	require.ErrorIs(t, <-done, ck.CKR_CRYPTOKI_NOT_INITIALIZED)
	require.ErrorIs(t, <-done, ck.CKR_CRYPTOKI_NOT_INITIALIZED)
	require.ErrorIs(t, c.Logout(h), ck.CKR_CRYPTOKI_NOT_INITIALIZED)
	_, err := c.GetSlotList(true)
	require.ErrorIs(t, err, ck.CKR_CRYPTOKI_NOT_INITIALIZED)
}

// TestCloseWakesWithoutDaemon: the same while the wait is for a daemon.
func TestCloseWakesWithoutDaemon(t *testing.T) {
	asked := make(chan struct{})
	var once sync.Once
	c := New(Options{Timeout: patience, Socket: func() string {
		once.Do(func() { close(asked) })
		return filepath.Join(t.TempDir(), "none")
	}})
	done := make(chan error)
	go func() { _, err := c.WaitForSlotEvent(0); done <- err }()
	<-asked
	c.Close()
	require.ErrorIs(t, <-done, ck.CKR_CRYPTOKI_NOT_INITIALIZED)
}

// TestCloseWakesDialling: the same while a daemon is met that does not say a word.
func TestCloseWakesDialling(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p11.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	c := New(Options{Socket: func() string { return path }, Timeout: time.Hour})
	done := make(chan error)
	go func() { _, err := c.GetSlotList(true); done <- err }()
	mute, err := l.Accept()
	require.NoError(t, err)
	defer mute.Close()
	c.Close()
	require.ErrorIs(t, <-done, ck.CKR_CRYPTOKI_NOT_INITIALIZED)
}

// TestNoDescriptors: a host that has none left is told, not shown an empty list.
func TestNoDescriptors(t *testing.T) {
	c := New(Options{Socket: func() string { return "/none" }, Timeout: patience, Descriptors: noDescriptors{}})
	defer c.Close()
	_, err := c.GetSlotList(true)
	require.ErrorIs(t, err, ck.CKR_HOST_MEMORY)
}

type noDescriptors struct{}

func (noDescriptors) Open() (int, error) { return -1, syscall.EMFILE }
func (noDescriptors) Close(int)          {}
func (noDescriptors) Forget(int)         {}

// TestThreads: many threads, one connection, answers in any order, each to its
// owner.
func TestThreads(t *testing.T) {
	d := startFake(t)
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
		if call != p11rpc.CallGetObjectSize {
			return false
		}
		dec.Ulong()
		v := dec.Ulong()
		go f.reply(code, call, func(e *p11rpc.Encoder) { e.Ulong(v) })
		return true
	})
	c := d.client(patience)
	h := openSession(t, c)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 300 {
				want := uint64(i*1000 + j)
				if got, err := c.GetObjectSize(h, ck.ObjectHandle(want)); err != nil || got != want {
					t.Errorf("got %d, %v; want %d", got, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestThreadsAndLoss: the same while connections come and go. Every call ends.
func TestThreadsAndLoss(t *testing.T) {
	d := startFake(t)
	count := 0
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		d.mu.Lock()
		count++
		now := count%10 == 0
		d.mu.Unlock()
		if now {
			d.hangUp()
		}
		return now
	})
	c := d.client(patience)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				h, err := c.OpenSession(7, 0)
				if err == nil {
					_, err = c.GetObjectSize(h, 5)
				}
				if code := ck.CodeOf(err); code != ck.CKR_OK && code != ck.CKR_DEVICE_REMOVED && code != ck.CKR_SESSION_HANDLE_INVALID {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// A PIN does not stay in the module's memory.
func TestPINIsWiped(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	h := openSession(t, c)
	x, err := c.beginSession(h, p11rpc.CallLogin)
	require.NoError(t, err)
	x.enc.Ulong(uint64(ck.CKU_USER))
	x.enc.Data([]byte("my secret PIN"))
	require.NoError(t, x.plain())
	sent := x.enc.Bytes()
	require.True(t, bytes.Contains(sent, []byte("my secret PIN")), "the request holds no PIN: the test looks at the wrong memory")
	x.free()
	require.False(t, bytes.Contains(sent, []byte("secret")), "the PIN is still there after the call")
}

func TestGenerateRandomInParts(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	h := openSession(t, c)
	require.NoError(t, c.GenerateRandom(h, make([]byte, 3*randomPart/2)))
	require.NoError(t, c.GenerateRandom(h, nil))
	require.Len(t, d.seen(), 3)
}

func TestSocketPath(t *testing.T) {
	dir := t.TempDir()
	const user, root = 1000, 0
	require.Equal(t, "/given", socketPath("/given", dir, user))
	require.Equal(t, "/given", socketPath("/given", dir, root))
	require.Equal(t, SystemSocket, socketPath("", dir, user), "the user's daemon is not there yet")
	own := filepath.Join(dir, "vtoken", "p11.sock")
	require.NoError(t, os.MkdirAll(filepath.Dir(own), 0o700))
	require.NoError(t, os.WriteFile(own, nil, 0o600))
	require.Equal(t, own, socketPath("", dir, user))
	require.Equal(t, SystemSocket, socketPath("", dir, root), "root does not use the folder of a user")
}

// TestTrusts: tests/attack has the same with real users.
func TestTrusts(t *testing.T) {
	const alice, mallory, keeper = 1000, 1001, 990
	for _, c := range []struct {
		server, self, also uint32
		want               bool
	}{
		{0, alice, 0, true},
		{alice, alice, 0, true},
		{0, 0, 0, true},
		{mallory, alice, 0, false},
		{alice, 0, 0, false}, // root does not hand its PIN to a user
		{keeper, alice, keeper, true},
		{mallory, alice, keeper, false},
		{65534, alice, 0, false}, // a user whom this namespace does not know
	} {
		require.Equal(t, c.want, trusts(c.server, c.self, c.also), "%+v", c)
	}
}

func TestServerUserFromEnvironment(t *testing.T) {
	for value, want := range map[string]uint32{"": 0, "990": 990, "-1": 0, "4294967296": 0, "alice": 0} {
		o := FromEnvironment(func(name string) string {
			return map[string]string{"VTOKEN_P11_SERVER_UID": value}[name]
		})
		require.Equal(t, want, o.ServerUser, "%q", value)
	}
}

func TestFromEnvironment(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": DefaultTimeout, "500ms": 500 * time.Millisecond, "1ms": DefaultTimeout, "soon": DefaultTimeout, "2h": DefaultTimeout,
	} {
		o := FromEnvironment(func(name string) string {
			if name == "VTOKEN_P11_TIMEOUT" {
				return value
			}
			return ""
		})
		require.Equal(t, want, o.Timeout, "%v", value)
		require.Nil(t, o.Trace, "%v", value)
	}
}

// FuzzHostileDaemon answers a call with any bytes: the call ends with an
// error or with what the bytes say, in time and without a panic.
func FuzzHostileDaemon(f *testing.F) {
	add := func(frames ...[]byte) { f.Add(bytes.Join(frames, nil)) }
	add()
	add([]byte("HTTP/1.1 400 Bad Request\r\n"))
	add(binary.BigEndian.AppendUint32(nil, 0xffffffff))
	var e p11rpc.Encoder
	e.BeginResponse(2, p11rpc.CallGetSlotList)
	p11rpc.Ulongs(&e, []ck.SlotID{1, 2})
	_ = e.End()
	add(e.Bytes())
	e.Error(2, ck.CKR_HOST_MEMORY)
	add(e.Bytes())
	path := filepath.Join(f.TempDir(), "p11.sock")
	l, err := net.Listen("unix", path)
	require.NoError(f, err)
	f.Cleanup(func() { l.Close() })
	var stream atomic.Pointer[[]byte]
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go hostile(c, *stream.Load())
		}
	}()
	f.Fuzz(func(t *testing.T, bytes []byte) {
		stream.Store(&bytes)
		c := New(Options{Socket: func() string { return path }, Timeout: patience})
		defer c.Close()
		_, _ = c.GetSlotList(true)
	})
}

// hostile introduces itself properly and answers with stream.
func hostile(c net.Conn, stream []byte) {
	defer c.Close()
	var e p11rpc.Encoder
	e.Version = p11rpc.MaxVersion
	e.BeginResponse(1, p11rpc.CallInitialize)
	_ = e.End()
	_, _ = c.Write(append([]byte{p11rpc.MaxVersion}, e.Bytes()...))
	// The requests must have come before the answers are written.
	_, _ = io.ReadFull(c, make([]byte, 1))
	_, _ = c.Write(stream)
}
