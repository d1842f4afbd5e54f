package remote

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// short is a limit that is missed on purpose.
const short = 100 * time.Millisecond

// until waits for a condition.
func until(what func() bool) {
	for !what() {
		runtime.Gosched()
	}
}

// Many threads go on over restarts: each call ends, with the right answer, and no session is
// lost.
func TestThreadsOverRestarts(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	const threads, calls, restarts = 16, 60, 30
	var count atomic.Int64
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call == p11rpc.CallJoin || call == p11rpc.CallResume || count.Add(1)%(threads*calls*2/restarts) != 0 {
			return false
		}
		if count.Load()%2 == 0 {
			d.restart()
		} else {
			d.hangUp()
		}
		return true
	})
	var wg sync.WaitGroup
	for i := range threads {
		wg.Go(func() {
			h, err := c.OpenSession(7, ck.CKF_SERIAL_SESSION)
			if err != nil {
				t.Error(err)
				return
			}
			for j := range calls {
				if err := sign(t, c, h, 3); err != nil {
					t.Error(err)
				}
				want := uint64(i*1000 + j)
				if got, err := c.GetObjectSize(h, ck.ObjectHandle(want)); err != nil || got != want {
					t.Errorf("got %d, %v; want %d", got, err, want)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, len(c.conns()), maxConns)
}

// A thread whose connection is busy takes another one.
func TestBusyConnection(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h, other := openSession(t, c), openSession(t, c)
	reading, goOn := make(chan bool), make(chan bool)
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call == p11rpc.CallLogout {
			reading <- true
			<-goOn // the connection answers nothing until then
		}
		return false
	})
	done := make(chan error)
	go func() { done <- c.Logout(h) }()
	<-reading
	for range 10 {
		require.NoError(t, sign(t, c, other, 3))
	}
	close(goOn)
	require.NoError(t, <-done)
	require.Equal(t, 2, d.connections())
}

// A daemon that has no room for another connection is not asked again for a while, and the
// one is shared.
func TestNoMoreConnections(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h, other := openSession(t, c), openSession(t, c)
	var asked atomic.Int64
	reading := make(chan bool)
	type request struct {
		f    *fakeConn
		code uint32
	}
	var held request
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		switch call {
		case p11rpc.CallJoin:
			asked.Add(1)
			f.refuse(code, ck.CKR_DEVICE_MEMORY)
		case p11rpc.CallLogout:
			held = request{f, code}
			close(reading)
		default:
			return false
		}
		return true
	})
	done := make(chan error)
	go func() { done <- c.Logout(h) }()
	<-reading
	for range 10 {
		require.NoError(t, sign(t, c, other, 3))
	}
	held.f.reply(held.code, p11rpc.CallLogout, func(*p11rpc.Encoder) {})
	require.NoError(t, <-done)
	require.EqualValues(t, 1, asked.Load())
}

// Connections beyond the first are closed when nobody used them for long.
func TestIdleConnections(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	for range 3 {
		c.release(c.grow(time.Now()), time.Now())
	}
	require.Len(t, c.conns(), 4)
	long := time.Now().Add(-idleTime - time.Second)
	for _, n := range c.conns() {
		n.used.Store(long.UnixNano())
	}
	c.swept.Store(time.Now().UnixNano())
	require.NoError(t, c.Logout(h))
	require.Len(t, c.conns(), 4, "they are looked for too often")
	c.swept.Store(0)
	require.NoError(t, c.Logout(h))
	require.Len(t, c.conns(), 1)
	require.NoError(t, sign(t, c, h, 3))
}

// A call waits for a daemon that was there, and goes on with it.
func TestWaitsForTheDaemon(t *testing.T) {
	d := startJoined(t)
	var looks atomic.Int64
	c := New(Options{Timeout: patience, Socket: func() string { looks.Add(1); return d.path }})
	defer c.Close()
	h := openSession(t, c)
	d.down()
	before := looks.Load()
	done := make(chan error)
	for range 3 {
		go func() { done <- c.Logout(h) }()
	}
	until(func() bool { return looks.Load() > before+2 })
	d.up()
	for range 3 {
		require.NoError(t, <-done)
	}
}

// The wait has a limit, after which the session is still good.
func TestWaitHasALimit(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	c.options.Timeout = short
	d.down()
	for range 2 {
		require.ErrorIs(t, c.Logout(h), ck.CKR_DEVICE_REMOVED)
	}
	_, err := c.WaitForSlotEvent(ck.CKF_DONT_BLOCK)
	require.ErrorIs(t, err, ck.CKR_NO_EVENT)
	c.options.Timeout = patience
	d.up()
	require.NoError(t, c.Logout(h))
}

// C_Finalize ends the wait.
func TestCloseWakesThoseThatWait(t *testing.T) {
	d := startJoined(t)
	var looks atomic.Int64
	c := New(Options{Timeout: time.Hour, Socket: func() string { looks.Add(1); return d.path }})
	h := openSession(t, c)
	d.down()
	before := looks.Load()
	done := make(chan error)
	for range 3 {
		go func() { done <- c.Logout(h) }()
	}
	until(func() bool { return looks.Load() > before })
	c.Close()
	for range 3 {
		require.ErrorIs(t, <-done, ck.CKR_CRYPTOKI_NOT_INITIALIZED)
	}
}

// A client that never met a daemon waits for none.
func TestFirstCallDoesNotWait(t *testing.T) {
	c := New(Options{Timeout: time.Hour, Socket: func() string { return filepath.Join(t.TempDir(), "none") }})
	defer c.Close()
	slots, err := c.GetSlotList(true)
	require.NoError(t, err)
	require.Empty(t, slots)
	_, err = c.OpenSession(7, ck.CKF_SERIAL_SESSION)
	require.ErrorIs(t, err, ck.CKR_DEVICE_REMOVED)
}

// A daemon that does not answer costs the call that ran into the limit. The connection stays,
// its late answer is dropped, and the session's operations are ended before its next call.
func TestFrozenDaemon(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	goOn := make(chan bool)
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call == p11rpc.CallEncryptInit {
			<-goOn
		}
		return false
	})
	c.options.Timeout = short
	err := c.EncryptInit(h, ecdsa, 3)
	require.ErrorIs(t, err, ck.CKR_DEVICE_REMOVED)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.ErrorContains(t, err, "may still do it")
	c.options.Timeout = patience
	close(goOn)
	for range 2 {
		require.NoError(t, c.EncryptInit(h, ecdsa, 3))
		_, err = c.Encrypt(h, nil, Out{To: make([]byte, 1)})
		require.NoError(t, err)
	}
	require.Equal(t, 1, d.connections())
	require.Contains(t, d.seen(), p11rpc.CallSessionCancel)
}

// A search that a late call may have moved is over, and so is a verification.
func TestFrozenDaemonEndsOperations(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	require.NoError(t, c.FindObjectsInit(h, nil))
	require.NoError(t, c.VerifySignatureInit(h, ecdsa, 3, []byte{1}))
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		return call == p11rpc.CallLogout
	})
	c.options.Timeout = 50 * time.Millisecond
	require.ErrorIs(t, c.Logout(h), ck.CKR_DEVICE_REMOVED)
	c.options.Timeout = patience
	d.handle(nil)
	_, err := c.FindObjects(h, 1)
	require.ErrorIs(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)
	require.ErrorIs(t, c.VerifySignature(h, nil), ck.CKR_OPERATION_NOT_INITIALIZED)
	require.NoError(t, c.FindObjectsInit(h, nil))
	require.NoError(t, c.VerifyInit(h, ecdsa, 3))
}

// A request that is cut in the middle by the limit takes its connection with it, and not the
// session.
func TestFrozenDaemonCutsARequest(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	goOn := make(chan bool)
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call == p11rpc.CallLogout {
			<-goOn // reads nothing until then
		}
		return false
	})
	c.options.Timeout = short
	require.ErrorIs(t, c.Logout(h), ck.CKR_DEVICE_REMOVED)
	first := c.first.Load()
	require.ErrorIs(t, c.SeedRandom(h, make([]byte, 8<<20)), ck.CKR_DEVICE_REMOVED)
	require.True(t, first.lost())
	c.options.Timeout = patience
	close(goOn)
	require.NoError(t, c.SeedRandom(h, make([]byte, 8<<20)))
}

// descriptorsOf are the sockets of the client.
func descriptorsOf(c *Client) (list []int) {
	for _, n := range c.conns() {
		list = append(list, n.sock.fd)
	}
	return list
}

// A host that closes descriptors which it does not know, and one that uses their numbers for
// its own files: the client goes on with another connection, and touches nothing of the host's.
func TestHostClosesDescriptors(t *testing.T) {
	for _, reuse := range []bool{false, true} {
		d := startJoined(t)
		c := d.client(patience)
		h := openSession(t, c)
		fd := descriptorsOf(c)[0]
		var own [2]int
		if reuse {
			var err error
			own, err = syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			require.NoError(t, err)
			require.NoError(t, syscall.Dup3(own[0], fd, syscall.O_CLOEXEC))
		} else {
			require.NoError(t, syscall.Close(fd))
		}
		require.NoError(t, sign(t, c, h, 3))
		require.NoError(t, sign(t, c, h, 3))
		if !reuse {
			continue
		}
		_, err := syscall.Write(fd, []byte("the host's"))
		require.NoError(t, err)
		got := make([]byte, 100)
		n, err := syscall.Read(own[1], got)
		require.NoError(t, err)
		require.Equal(t, "the host's", string(got[:n]))
		c.Close()
		_, err = syscall.Write(fd, []byte("open"))
		require.NoError(t, err)
		for _, fd := range []int{fd, own[0], own[1]} {
			require.NoError(t, syscall.Close(fd))
		}
	}
}

// C_Finalize waits until the daemon has let go, also where other threads are on all
// connections.
func TestCloseTellsTheDaemon(t *testing.T) {
	for _, busy := range []bool{false, true} {
		d := startJoined(t)
		c := d.client(patience)
		h := openSession(t, c)
		waiting := make(chan bool)
		d.handle(func(f *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
			if call == p11rpc.CallLogout {
				close(waiting)
			}
			return call == p11rpc.CallLogout
		})
		done := make(chan error, 1)
		if busy {
			go func() { done <- c.Logout(h) }()
			<-waiting
		}
		c.Close()
		if busy {
			require.ErrorIs(t, <-done, ck.CKR_CRYPTOKI_NOT_INITIALIZED)
		}
		d.mu.Lock()
		require.Len(t, d.apps, 1)
		for _, app := range d.apps {
			app.mu.Lock()
			require.Equal(t, 1, app.finals)
			app.mu.Unlock()
		}
		d.mu.Unlock()
	}
}

// A thread that waits for events has a connection of its own, and goes on after a restart.
func TestWaitForEventsOverARestart(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	waiting := make(chan bool)
	answer := make(chan bool, 1)
	var says atomic.Bool
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		switch {
		case call != p11rpc.CallWaitForSlotEvent:
			return false
		case says.CompareAndSwap(true, false):
			f.refuse(code, ck.CKR_FUNCTION_CANCELED)
		default:
			waiting <- true
		}
		return true
	})
	go func() {
		slot, err := c.WaitForSlotEvent(0)
		answer <- err == nil && slot == 7
	}()
	<-waiting
	require.NoError(t, c.Logout(h))
	require.Equal(t, 2, d.connections())
	d.hangUp() // it lives: nothing was missed, and the wait goes on
	<-waiting
	says.Store(true)
	d.hangUp()
	<-waiting // and so does one that a daemon ended which says so
	select {
	case <-answer:
		t.Fatal("the wait ended without an event")
	default:
	}
	d.restart() // anything may have been missed
	require.True(t, <-answer)
}

// A process that was stopped until after the limit takes the answer that came meanwhile.
func TestAnswerThatCameInTime(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(pair[0])
	defer syscall.Close(pair[1])
	past := time.Now().Add(-time.Second)
	require.ErrorIs(t, wait(pair[0], pollIn, past), os.ErrDeadlineExceeded)
	_, err = syscall.Write(pair[1], []byte("answer"))
	require.NoError(t, err)
	require.NoError(t, wait(pair[0], pollIn, past))
}

// The introduction may have been answered by a daemon whose answer was lost. Then the
// sessions are asked for, and resumed where it has them not.
func TestIntroductionThatIsLost(t *testing.T) {
	for _, has := range []bool{false, true} {
		d := startJoined(t)
		c := d.client(patience)
		h := openSession(t, c)
		first := true
		var resumed atomic.Int64
		d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
			if call == p11rpc.CallResume {
				resumed.Add(1)
			}
			if call != p11rpc.CallJoin || !first {
				return false
			}
			first = false
			d.joins(f, string(dec.Data())+string(dec.Data()))
			d.hangUp()
			return true
		})
		if has {
			d.hangUp()
		} else {
			d.restart()
		}
		require.NoError(t, sign(t, c, h, 3))
		require.EqualValues(t, map[bool]int{false: 1, true: 0}[has], resumed.Load())
	}
}

// The ticket is the daemon's business alone.
func TestTicketIsNotTraced(t *testing.T) {
	d := startJoined(t)
	path := filepath.Join(t.TempDir(), "trace")
	c := New(Options{Socket: func() string { return d.path }, Timeout: patience, Trace: openTrace(path, true)})
	ticket := string(c.ticket)
	openSession(t, c)
	d.restart()
	openSession(t, c)
	d.down()
	_, _ = c.WaitForSlotEvent(ck.CKF_DONT_BLOCK)
	c.Close()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotEmpty(t, text)
	require.NotContains(t, string(text), ticket)
	require.NotContains(t, string(c.ticket), ticket, "it stays in memory")
}

// BenchmarkOurs is what it costs to look whether a descriptor is still the client's.
func BenchmarkOurs(b *testing.B) {
	d := startJoined(b)
	c := d.client(patience)
	openSession(b, c)
	for b.Loop() {
		if !c.first.Load().sock.ours() {
			b.Fatal("it is not")
		}
	}
}

// An introduction that was not answered in time, as while the daemon hands over to its
// successor, costs nothing: the daemon that later answers another is the same, as long as
// there is a connection to it, and calls under way there go on.
func TestIntroductionThatIsLate(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h, other := openSession(t, c), openSession(t, c)
	var late atomic.Bool
	late.Store(true)
	arrived, answer := make(chan struct{}), make(chan struct{})
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		switch {
		case call == p11rpc.CallJoin && late.Load():
			return true
		case call == p11rpc.CallDestroyObject:
			close(arrived)
			go func() {
				<-answer
				f.reply(code, call, func(*p11rpc.Encoder) {})
			}()
			return true
		}
		return false
	})
	destroyed := make(chan error)
	go func() { destroyed <- c.DestroyObject(h, 3) }()
	<-arrived
	require.Nil(t, c.grow(time.Now()), "the introduction is not answered")
	late.Store(false)
	n := c.grow(time.Now().Add(failedTime))
	require.NotNil(t, n)
	c.release(n, time.Now())
	require.NoError(t, sign(t, c, other, 3))
	close(answer)
	require.NoError(t, <-destroyed)
	require.NotContains(t, d.seen(), p11rpc.CallResume)
}

// A daemon that ends while an application comes back to it, or that cannot say what became of
// the sessions, takes none of them away: the next one gives them back.
func TestDaemonEndsWhileItResumes(t *testing.T) {
	for _, row := range []struct {
		call p11rpc.CallID
		code ck.Error
	}{
		{p11rpc.CallJoin, ck.CKR_FUNCTION_CANCELED},
		{p11rpc.CallJoin, ck.CKR_DEVICE_REMOVED},
		{p11rpc.CallResume, ck.CKR_FUNCTION_CANCELED},
		{p11rpc.CallResume, ck.CKR_CRYPTOKI_NOT_INITIALIZED},
		{p11rpc.CallResume, ck.CKR_DEVICE_ERROR},
		{p11rpc.CallRestoreObject, ck.CKR_FUNCTION_CANCELED},
	} {
		t.Run(row.call.String()+"/"+row.code.Error(), func(t *testing.T) {
			d := startJoined(t)
			c := d.client(patience)
			h := openSession(t, c)
			objects := &objectCalls{}
			d.handle(objects.answer)
			_, err := c.CreateObject(h, newObject(ck.CKO_PUBLIC_KEY, "comes back"))
			require.NoError(t, err)
			var times atomic.Int64
			d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
				if call != row.call || times.Add(1) > 2 {
					return objects.answer(f, code, call, dec)
				}
				f.refuse(code, row.code)
				d.restart()
				return true
			})
			d.restart()
			require.NoError(t, sign(t, c, h, 3))
			require.EqualValues(t, 3, times.Load())
			require.Len(t, objects.made(), 1)
		})
	}
}

// C_Finalize tells the daemon also where the connection was lost before, or is lost with that
// very request: the daemon keeps the sessions of a process that lives.
func TestCloseTellsTheDaemonAfterALoss(t *testing.T) {
	finals := func(d *fakeDaemon) (n int) {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, app := range d.apps {
			app.mu.Lock()
			n += app.finals
			app.mu.Unlock()
		}
		return n
	}
	for name, lose := range map[string]func(d *fakeDaemon, c *Client){
		"before": func(_ *fakeDaemon, c *Client) { c.first.Load().lose(errIdle) },
		"unseen": func(d *fakeDaemon, _ *Client) { d.hangUp() },
		"with it": func(d *fakeDaemon, _ *Client) {
			var once sync.Once
			d.handle(func(f *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) (lost bool) {
				if call == p11rpc.CallFinalize {
					once.Do(func() { f.Close(); lost = true })
				}
				return lost
			})
		},
		"no room at first": func(d *fakeDaemon, c *Client) {
			c.first.Load().lose(errIdle)
			refusals := 0
			d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
				if call != p11rpc.CallJoin || refusals == 3 {
					return false
				}
				refusals++
				f.refuse(code, ck.CKR_DEVICE_MEMORY)
				return true
			})
		},
		"handed over": func(d *fakeDaemon, _ *Client) {
			var once sync.Once
			d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, _ *p11rpc.Decoder) (ends bool) {
				if call == p11rpc.CallFinalize {
					once.Do(func() { f.refuse(code, ck.CKR_FUNCTION_CANCELED); ends = true })
				}
				return ends
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := startJoined(t)
			c := d.client(patience)
			openSession(t, c)
			lose(d, c)
			c.Close()
			require.Equal(t, 1, finals(d))
		})
	}
}

// A daemon that does not answer, and one that is not there, do not hold C_Finalize up.
func TestCloseIsBounded(t *testing.T) {
	for name, fail := range map[string]func(d *fakeDaemon){
		"frozen": func(d *fakeDaemon) {
			d.handle(func(*fakeConn, uint32, p11rpc.CallID, *p11rpc.Decoder) bool { return true })
		},
		"away": (*fakeDaemon).down,
	} {
		t.Run(name, func(t *testing.T) {
			d := startJoined(t)
			c := d.client(short)
			openSession(t, c)
			fail(d)
			c.Close() // returns
		})
	}
}
