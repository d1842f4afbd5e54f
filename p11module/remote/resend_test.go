package remote

import (
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// Each call has a row, with a reason.
func TestResendIsWhole(t *testing.T) {
	for _, call := range p11rpc.Calls(p11rpc.Joined) {
		require.NotEmpty(t, resend[call].because, "%v", call)
	}
}

// callOf finds the call that a method makes: the last before its answer.
func callOf(t *testing.T, method int) (call p11rpc.CallID, ok bool) {
	var last atomic.Uint32
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	d.handle(func(f *fakeConn, code uint32, got p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if got == p11rpc.CallFinalize {
			return false
		}
		last.Store(uint32(got))
		f.refuse(code, errByDaemon)
		return true
	})
	m := reflect.ValueOf(c).Method(method)
	m.Call(argumentsOf(m, h))
	call = p11rpc.CallID(last.Load())
	return call, call != p11rpc.CallError
}

// How a daemon goes, in the middle of a call.
var losses = []struct {
	name     string
	unread   bool
	restarts bool
	says     bool // that it ends, and has not begun the call
}{
	{name: "it says so", says: true},
	{name: "unread", unread: true, restarts: true},
	{name: "read", restarts: true},
	{name: "read, it lives"},
}

// TestResend calls each method of the client and loses the connection under it. The second
// daemon's answer comes through where the table says that the call is sent again, or where the
// first had not read it; and the other calls say that they may have been done.
func TestResend(t *testing.T) {
	client := reflect.TypeFor[*Client]()
	rows := 0
	for i := range client.NumMethod() {
		m := client.Method(i)
		if n := m.Type.NumOut(); n == 0 || m.Type.Out(n-1) != reflect.TypeFor[error]() {
			continue
		}
		call, ok := callOf(t, i)
		if _, local := byItself[m.Name]; !ok || local || call == p11rpc.CallFindObjects || call == p11rpc.CallWaitForSlotEvent {
			continue // these have tests of their own
		}
		rows++
		for _, loss := range losses {
			t.Run(m.Name+"/"+loss.name, func(t *testing.T) {
				d := startJoined(t)
				c := d.client(patience)
				h := openSession(t, c)
				var seen atomic.Int64
				d.handle(func(f *fakeConn, code uint32, got p11rpc.CallID, _ *p11rpc.Decoder) bool {
					if got != call {
						return false
					}
					switch {
					case seen.Add(1) > 1 || loss.unread:
						f.refuse(code, errByDaemon)
					case loss.says:
						d.ends(f, code)
					case loss.restarts:
						d.restart()
					default:
						d.hangUp()
					}
					return true
				})
				d.unread.Store(loss.unread)
				method := reflect.ValueOf(c).Method(i)
				out := method.Call(argumentsOf(method, h))
				err, _ := out[len(out)-1].Interface().(error)
				rule := resend[call].again
				if loss.unread || loss.says || rule == always || rule == restarted && loss.restarts {
					require.ErrorIs(t, err, errByDaemon)
					return
				}
				require.ErrorIs(t, err, ck.CKR_DEVICE_REMOVED)
				require.ErrorContains(t, err, "may have been done")
				require.EqualValues(t, 1, seen.Load())
				require.NoError(t, c.SeedRandom(h, []byte{1}), "the session is not good any more")
			})
		}
	}
	require.Greater(t, rows, 70)
}

// A logout that was done and is sent again finds nobody logged in, which is no failure.
func TestLogoutTwice(t *testing.T) {
	for _, lostOnce := range []bool{false, true} {
		d := startJoined(t)
		c := d.client(patience)
		h := openSession(t, c)
		lose := lostOnce
		d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
			switch {
			case call != p11rpc.CallLogout:
				return false
			case lose:
				lose = false
				d.restart()
			default:
				f.refuse(code, ck.CKR_USER_NOT_LOGGED_IN)
			}
			return true
		})
		err := c.Logout(h)
		if lostOnce {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, ck.CKR_USER_NOT_LOGGED_IN)
		}
	}
}

// A session that is closed while the daemon ends is closed, whether the next has it or not.
func TestCloseSessionThatIsGone(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	first := true
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		switch {
		case call == p11rpc.CallResume:
			f.refuse(code, ck.CKR_FUNCTION_NOT_SUPPORTED)
		case call == p11rpc.CallCloseSession && first:
			first = false
			d.restart()
		default:
			return false
		}
		return true
	})
	require.NoError(t, c.CloseSession(h))
	require.ErrorIs(t, c.CloseSession(h), ck.CKR_SESSION_HANDLE_INVALID)
}

// A call that ends each daemon that reads it does not do so for ever.
func TestCallThatEndsDaemons(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	var seen atomic.Int64
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call != p11rpc.CallSeedRandom {
			return false
		}
		seen.Add(1)
		d.restart()
		return true
	})
	require.ErrorIs(t, c.SeedRandom(h, nil), ck.CKR_DEVICE_REMOVED)
	require.EqualValues(t, mostLosses+1, seen.Load())
}

// A call that is lost with a daemon is sent to the next one, also where the client has another
// connection to the daemon that ended.
func TestLostCallWithAnotherConnection(t *testing.T) {
	for _, call := range []p11rpc.CallID{p11rpc.CallOpenSession, p11rpc.CallCloseSession} {
		d := startJoined(t)
		c := d.client(patience)
		h := openSession(t, c)
		n := c.grow(time.Now())
		require.NotNil(t, n)
		c.release(n, time.Now())
		var lost atomic.Bool
		d.handle(func(_ *fakeConn, _ uint32, got p11rpc.CallID, _ *p11rpc.Decoder) bool {
			if got != call || !lost.CompareAndSwap(false, true) {
				return false
			}
			d.restart()
			return true
		})
		if call == p11rpc.CallOpenSession {
			openSession(t, c)
		} else {
			require.NoError(t, c.CloseSession(h))
		}
		require.True(t, lost.Load())
	}
}

// Where the daemon lives and only lost a connection, nobody knows whether the call was done.
func TestLostCallAtALiveDaemon(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	n := c.grow(time.Now())
	require.NotNil(t, n)
	c.release(n, time.Now())
	d.handle(func(f *fakeConn, _ uint32, got p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if got != p11rpc.CallOpenSession {
			return false
		}
		f.Close()
		return true
	})
	_, err := c.OpenSession(7, ck.CKF_SERIAL_SESSION)
	require.ErrorIs(t, err, ck.CKR_DEVICE_REMOVED)
	require.NoError(t, sign(t, c, h, 3))
}
