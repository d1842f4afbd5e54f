package remote

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

var ecdsa = &ck.Mechanism{Type: ck.CKM_ECDSA}

func sign(t testing.TB, c *Client, h ck.SessionHandle, key ck.ObjectHandle) error {
	t.Helper()
	if err := c.SignInit(h, ecdsa, key); err != nil {
		return err
	}
	var out [8]byte
	n, err := c.Sign(h, []byte("abc"), Out{To: out[:]})
	if err == nil && string(out[:n]) != "cba" {
		err = fmt.Errorf("the signature is %q", out[:n]) // not of require: goroutines call this
	}
	return err
}

// TestSignInOneRoundTrip: after the first, SignInit is there together with Sign.
func TestSignInOneRoundTrip(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	h := openSession(t, c)
	for range 5 {
		require.NoError(t, sign(t, c, h, 3))
	}
	require.EqualValues(t, 4, d.pairs(p11rpc.CallSignInit))
	require.Equal(t, 1+2*5, len(d.seen()))
}

// TestSignWithOtherKey: what was accepted is the key, the mechanism and the
// session.
func TestSignWithOtherKey(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	h, other := openSession(t, c), openSession(t, c)
	for _, s := range []struct {
		session ck.SessionHandle
		key     ck.ObjectHandle
	}{{h, 3}, {h, 4}, {other, 4}, {h, 3}} {
		require.NoError(t, sign(t, c, s.session, s.key))
	}
	require.EqualValues(t, 0, d.pairs(p11rpc.CallSignInit))
}

// TestSignAfterLogin: a login may change what is accepted.
func TestSignAfterLogin(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	h := openSession(t, c)
	for range 3 {
		require.NoError(t, sign(t, c, h, 3))
		require.NoError(t, c.Logout(h))
	}
	require.EqualValues(t, 0, d.pairs(p11rpc.CallSignInit))
}

// refuseAfter lets that many SignInit pass.
func refuseAfter(d *fakeDaemon, n int) {
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call != p11rpc.CallSignInit {
			return false
		}
		if n--; n < 0 {
			f.refuse(code, ck.CKR_KEY_HANDLE_INVALID)
			return true
		}
		return false
	})
}

// TestRefusedAfterAll: Sign answers with the code of the SignInit it carries, and
// the next SignInit is asked again.
func TestRefusedAfterAll(t *testing.T) {
	d := startFake(t)
	refuseAfter(d, 1)
	c := d.client(patience)
	h := openSession(t, c)
	require.NoError(t, sign(t, c, h, 3))
	require.NoError(t, c.SignInit(h, ecdsa, 3))
	_, err := c.Sign(h, []byte("abc"), Out{To: make([]byte, 8)})
	require.ErrorIs(t, err, ck.CKR_KEY_HANDLE_INVALID)
	require.ErrorIs(t, c.SignInit(h, ecdsa, 3), ck.CKR_KEY_HANDLE_INVALID)
}

// TestOtherCallSendsFirst: any other call in the session finds the operation
// started, and what was refused then is what Sign answers.
func TestOtherCallSendsFirst(t *testing.T) {
	for name, call := range map[string]func(c *Client, h ck.SessionHandle) error{
		"other":  func(c *Client, h ck.SessionHandle) error { _, err := c.GetObjectSize(h, 1); return err },
		"second": func(c *Client, h ck.SessionHandle) error { return c.SignInit(h, ecdsa, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			d := startFake(t)
			c := d.client(patience)
			h := openSession(t, c)
			require.NoError(t, sign(t, c, h, 3))
			require.NoError(t, c.SignInit(h, ecdsa, 3))
			before := len(d.seen())
			require.NoError(t, call(c, h))
			if got := d.seen()[before:]; len(got) != 2 || got[0] != p11rpc.CallSignInit {
				t.Errorf("got calls %v, want SignInit first", got)
			}
		})
	}
}

func TestRefusedWhenSentFirst(t *testing.T) {
	for name, next := range map[string]func(c *Client, h ck.SessionHandle) error{
		"Sign":       func(c *Client, h ck.SessionHandle) error { _, err := c.Sign(h, nil, Out{Null: true}); return err },
		"SignUpdate": func(c *Client, h ck.SessionHandle) error { return c.SignUpdate(h, []byte("a")) },
		"SignFinal":  func(c *Client, h ck.SessionHandle) error { _, err := c.SignFinal(h, Out{Null: true}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			d := startFake(t)
			refuseAfter(d, 1)
			c := d.client(patience)
			h := openSession(t, c)
			require.NoError(t, sign(t, c, h, 3))
			require.NoError(t, c.SignInit(h, ecdsa, 3))
			_, err := c.GetObjectSize(h, 1)
			require.NoError(t, err)
			require.ErrorIs(t, next(c, h), ck.CKR_KEY_HANDLE_INVALID)
		})
	}
}

// TestOperationUnderWay: a SignInit while the daemon is signing is not held back,
// for the daemon refuses it.
func TestOperationUnderWay(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	h := openSession(t, c)
	require.NoError(t, sign(t, c, h, 3))
	require.NoError(t, c.SignInit(h, ecdsa, 3))
	require.NoError(t, c.SignUpdate(h, []byte("a")))
	before := len(d.seen())
	require.NoError(t, c.SignInit(h, ecdsa, 3))
	require.Equal(t, []p11rpc.CallID{p11rpc.CallSignInit}, d.seen()[before:])
}

// TestCloseForgets: a session that is closed takes what it held back with it.
func TestCloseForgets(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	h := openSession(t, c)
	require.NoError(t, sign(t, c, h, 3))
	require.NoError(t, c.SignInit(h, ecdsa, 3))
	before := len(d.seen())
	require.NoError(t, c.CloseSession(h))
	require.Equal(t, []p11rpc.CallID{p11rpc.CallCloseSession}, d.seen()[before:])
	require.ErrorIs(t, c.SignInit(h, ecdsa, 3), ck.CKR_SESSION_HANDLE_INVALID)
}

// BenchmarkSign is the module's share of a signature and the socket; the other
// end does nothing.
func BenchmarkSign(b *testing.B) {
	d := startFake(b)
	c := d.client(patience)
	h := openSession(b, c)
	var out [64]byte
	data := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.SignInit(h, ecdsa, 3); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Sign(h, data, Out{To: out[:]}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSignInThreads: pairs of requests from many threads on one connection. None
// may be forgotten while the lead of reading goes from one to another.
func TestSignInThreads(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			h := openSession(t, c)
			for range 500 {
				if err := sign(t, c, h, 3); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestLeadPassesByOneThatWrites: a thread whose request the daemon does not take yet
// cannot read for the others, and the daemon may not take it before they have read.
func TestLeadPassesByOneThatWrites(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	leader, other, writer := openSession(t, c), openSession(t, c), openSession(t, c)
	type request struct {
		f    *fakeConn
		code uint32
	}
	asked, goOn := make(chan request), make(chan bool)
	count := 0
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		switch call {
		case p11rpc.CallGetObjectSize:
			asked <- request{f, code}
			if count++; count%2 == 0 {
				<-goOn // reads nothing until then
			}
		case p11rpc.CallDigestUpdate:
			f.reply(code, call, func(*p11rpc.Encoder) {})
		default:
			return false
		}
		return true
	})
	conn := c.first.Load()
	await := func(what func() bool) {
		for !what() {
			runtime.Gosched()
		}
	}
	size := func(r request) {
		r.f.reply(r.code, p11rpc.CallGetObjectSize, func(e *p11rpc.Encoder) { e.Ulong(1) })
	}
	large := make([]byte, 512<<10)
	for range 20 { // the map of those who wait has no order
		first, second, third := make(chan error), make(chan error), make(chan error)
		go func() { _, err := c.GetObjectSize(leader, 1); first <- err }()
		a := <-asked
		await(func() bool { conn.mu.Lock(); defer conn.mu.Unlock(); return conn.leading })
		go func() { _, err := c.GetObjectSize(other, 1); second <- err }()
		b := <-asked
		go func() { third <- c.DigestUpdate(writer, large) }()
		await(func() bool { // it holds the lock of those who send, and cannot go on
			conn.mu.Lock()
			defer conn.mu.Unlock()
			free := conn.sending.TryLock()
			if free {
				conn.sending.Unlock()
			}
			return !free && len(conn.pending) == 3
		})
		size(a)
		require.NoError(t, <-first)
		size(b)
		require.NoError(t, <-second)
		goOn <- true
		require.NoError(t, <-third)
	}
}

// TestLeadGoesToOneThatWaits: a thread that sent two requests waits at the second.
// When the thread that reads for all has its answer, the lead must reach it there.
func TestLeadGoesToOneThatWaits(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	leader, pair := openSession(t, c), openSession(t, c)
	require.NoError(t, sign(t, c, pair, 3))
	type request struct {
		f    *fakeConn
		code uint32
	}
	reading, inits, signs := make(chan request), make(chan request, 1), make(chan request)
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		switch call {
		case p11rpc.CallGetObjectSize:
			reading <- request{f, code}
		case p11rpc.CallSignInit:
			inits <- request{f, code}
		case p11rpc.CallSign:
			signs <- request{f, code}
		default:
			return false
		}
		return true
	})
	for range 200 {
		first, second := make(chan error), make(chan error)
		go func() { _, err := c.GetObjectSize(leader, 1); first <- err }()
		a := <-reading
		go func() { second <- sign(t, c, pair, 3) }()
		b := <-signs
		for range 100 {
			runtime.Gosched() // until the second has gone to sleep, most of the times
		}
		a.f.reply(a.code, p11rpc.CallGetObjectSize, func(e *p11rpc.Encoder) { e.Ulong(1) })
		require.NoError(t, <-first)
		init := <-inits
		init.f.reply(init.code, p11rpc.CallSignInit, func(*p11rpc.Encoder) {})
		b.f.reply(b.code, p11rpc.CallSign, func(e *p11rpc.Encoder) { e.Output(ck.Output{Data: []byte("cba"), Len: 3}) })
		require.NoError(t, <-second)
	}
}
