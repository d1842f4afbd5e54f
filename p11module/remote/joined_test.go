package remote

import (
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// fakeApp is an application at a fake that knows them. It has the operations of its sessions,
// as the daemon does.
type fakeApp struct {
	mu       sync.Mutex
	sessions map[uint64]*fakeSession
	finals   int
}

type fakeSession struct {
	active [kinds]bool
	next   uint64 // of a search
}

// fakeObjects is how many objects a search finds.
const fakeObjects = 150

// unreadable reads for a fake, which may be told to close instead, with the request unread.
type unreadable struct {
	d *fakeDaemon
	c *net.UnixConn
}

func (u unreadable) Read(p []byte) (n int, err error) {
	raw, err := u.c.SyscallConn()
	if err != nil {
		return 0, err
	}
	closes := false
	waited := raw.Read(func(fd uintptr) bool {
		var b [1]byte
		if _, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT); err == syscall.EAGAIN {
			return false
		}
		closes = u.d.unread.Swap(false)
		return true
	})
	if waited != nil {
		return 0, waited
	}
	if closes {
		u.d.restart()
		return 0, net.ErrClosed
	}
	return u.c.Read(p)
}

// startJoined is a fake that knows applications.
func startJoined(t testing.TB) *fakeDaemon {
	d := startFake(t)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.newest, d.apps, d.known = p11rpc.Joined, map[string]*fakeApp{}, map[string]bool{}
	return d
}

// restart ends all connections, and what the daemon knows but for tickets.
func (d *fakeDaemon) restart() {
	d.mu.Lock()
	for id := range d.apps {
		d.known[id] = true
	}
	clear(d.apps)
	d.mu.Unlock()
	d.hangUp()
}

// ends answers a request as a daemon does that ends and does not begin it any more, and
// restarts.
func (d *fakeDaemon) ends(f *fakeConn, code uint32) {
	f.refuse(code, ck.CKR_FUNCTION_CANCELED)
	d.restart()
}

// down ends the daemon, and up starts another.
func (d *fakeDaemon) down() {
	d.listener.Close()
	d.restart()
}

func (d *fakeDaemon) up() {
	l, err := net.Listen("unix", d.path)
	require.NoError(d.t, err)
	d.listener = l
	go d.accept()
}

func (d *fakeDaemon) connections() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

// joinedAnswer answers what only such a fake does by itself.
func (d *fakeDaemon) joinedAnswer(f *fakeConn, code uint32, call p11rpc.CallID, body []byte, dec *p11rpc.Decoder) bool {
	if call == p11rpc.CallJoin {
		id := string(dec.Data()) + string(dec.Data())
		how := d.joins(f, id)
		f.reply(code, call, func(e *p11rpc.Encoder) { e.Ulong(uint64(how)) })
		return true
	}
	app := f.app
	app.mu.Lock()
	defer app.mu.Unlock()
	switch call {
	case p11rpc.CallFinalize:
		app.finals++
		return false
	case p11rpc.CallResume:
		for _, s := range dec.ResumedSessions() {
			app.sessions[s.Handle] = &fakeSession{}
		}
		f.reply(code, call, func(e *p11rpc.Encoder) { p11rpc.Ulongs[uint64](e, nil) })
		return true
	case p11rpc.CallOpenSession:
		h := d.newSession()
		app.sessions[h] = &fakeSession{}
		f.reply(code, call, func(e *p11rpc.Encoder) { e.Ulong(h) })
		return true
	}
	if !call.FirstIsSession() {
		return false
	}
	_, h := p11rpc.Peek(body)
	s := app.sessions[uint64(h)]
	if s == nil {
		f.refuse(code, ck.CKR_SESSION_HANDLE_INVALID)
		return true
	}
	if call == p11rpc.CallCloseSession {
		delete(app.sessions, uint64(h))
	}
	return s.operate(f, code, call, dec)
}

// joins makes the connection one of an application's.
func (d *fakeDaemon) joins(f *fakeConn, id string) p11rpc.Joining {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.app = d.apps[id]
	switch {
	case f.app != nil:
		return p11rpc.JoinedLive
	default:
		f.app = &fakeApp{sessions: map[uint64]*fakeSession{}}
		d.apps[id] = f.app
	}
	if d.known[id] {
		return p11rpc.JoinedResumed
	}
	return p11rpc.JoinedNew
}

// operate refuses what the operations of the session do not allow, and reports whether it did.
func (s *fakeSession) operate(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
	if call == p11rpc.CallSessionCancel {
		dec.Ulong()
		flags := ck.Flags(dec.Ulong())
		for k := range s.active {
			s.active[k] = s.active[k] && !flags.Has(cancelFlag[k])
		}
		return false
	}
	for _, k := range steps[call].kinds {
		if starts := steps[call].step == stepInit; starts == s.active[k] {
			f.refuse(code, map[bool]ck.Error{true: ck.CKR_OPERATION_ACTIVE, false: ck.CKR_OPERATION_NOT_INITIALIZED}[starts])
			return true
		}
	}
	for _, k := range steps[call].kinds {
		switch steps[call].step {
		case stepInit:
			s.active[k], s.next = true, 1
		case stepFinal:
			s.active[k] = false
		case stepWhole:
			s.active[k] = k == kindSearch
		}
	}
	if call != p11rpc.CallFindObjects {
		return false
	}
	dec.Ulong()
	var found []ck.ObjectHandle
	for n := dec.UlongBuffer(); n > 0 && s.next <= fakeObjects; n-- {
		found = append(found, ck.ObjectHandle(s.next))
		s.next++
	}
	f.reply(code, call, func(e *p11rpc.Encoder) { p11rpc.Ulongs(e, found) })
	return true
}

// loseAt restarts the fake when it has read that call for the first time.
func (d *fakeDaemon) loseAt(lost p11rpc.CallID, restart func()) {
	first := true
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call != lost || !first {
			return false
		}
		first = false
		restart()
		return true
	})
}

// A connection begins with the identity of the application, which is another for each client.
func TestJoins(t *testing.T) {
	d := startJoined(t)
	for range 2 {
		openSession(t, d.client(patience))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	require.Len(t, d.apps, 2)
	require.NotContains(t, d.calls, p11rpc.CallInitialize)
	for id := range d.apps {
		require.Len(t, id, p11rpc.ApplicationIDSize+p11rpc.TicketSize)
	}
}

// Sessions outlive the daemon, under the handles that the host has.
func TestSessionsOutliveTheDaemon(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h, other := openSession(t, c), openSession(t, c)
	for range 5 {
		d.restart()
		require.NoError(t, sign(t, c, h, 3))
		require.NoError(t, c.Logout(other))
	}
	require.NoError(t, c.CloseSession(h))
	d.restart()
	require.NoError(t, sign(t, c, other, 3))
	require.ErrorIs(t, c.Logout(h), ck.CKR_SESSION_HANDLE_INVALID)
}

// A session that cannot be had is invalid from then on, and the others go on.
func TestSessionThatIsNotResumed(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	gone, kept := openSession(t, c), openSession(t, c)
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
		if call != p11rpc.CallResume {
			return false
		}
		list := dec.ResumedSessions()
		f.app.mu.Lock()
		defer f.app.mu.Unlock()
		var lost []uint64
		for _, s := range list {
			if s.Handle == 1 { // the first that the fake gave
				lost = append(lost, s.Handle)
			} else {
				f.app.sessions[s.Handle] = &fakeSession{}
			}
		}
		f.reply(code, call, func(e *p11rpc.Encoder) { p11rpc.Ulongs(e, lost) })
		return true
	})
	d.restart()
	for range 2 {
		require.ErrorIs(t, sign(t, c, gone, 3), ck.CKR_SESSION_HANDLE_INVALID)
		require.NoError(t, sign(t, c, kept, 3))
	}
}

// A daemon that gives no sessions back is met with new ones.
func TestNoResumption(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call != p11rpc.CallResume {
			return false
		}
		f.refuse(code, ck.CKR_FUNCTION_NOT_SUPPORTED)
		return true
	})
	d.restart()
	require.ErrorIs(t, sign(t, c, h, 3), ck.CKR_SESSION_HANDLE_INVALID)
	require.NoError(t, sign(t, c, openSession(t, c), 3))
}

// An application that the daemon does not let in again gets another identity.
func TestIdentityThatIsRefused(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	openSession(t, c)
	first := true
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call != p11rpc.CallJoin || !first {
			return false
		}
		first = false
		f.refuse(code, ck.CKR_ACTION_PROHIBITED)
		return true
	})
	d.restart()
	slots, err := c.GetSlotList(true)
	require.NoError(t, err)
	require.Len(t, slots, 1)
	require.NoError(t, sign(t, c, openSession(t, c), 3))
}

// One-part operations survive a restart between the Init and the call, and one that is lost
// with the call: the daemon that died, another one, or none.
func TestOperationsOutliveTheDaemon(t *testing.T) {
	aes := &ck.Mechanism{Type: ck.CKM_AES_ECB}
	out := Out{To: make([]byte, 64)}
	operations := map[p11rpc.CallID]struct {
		start func(c *Client, h ck.SessionHandle) error
		do    func(c *Client, h ck.SessionHandle) error
	}{
		p11rpc.CallSign: {
			func(c *Client, h ck.SessionHandle) error { return c.SignInit(h, ecdsa, 3) },
			func(c *Client, h ck.SessionHandle) error { _, err := c.Sign(h, []byte("abc"), out); return err },
		},
		p11rpc.CallSignRecover: {
			func(c *Client, h ck.SessionHandle) error { return c.SignRecoverInit(h, aes, 3) },
			func(c *Client, h ck.SessionHandle) error { _, err := c.SignRecover(h, nil, out); return err },
		},
		p11rpc.CallVerify: {
			func(c *Client, h ck.SessionHandle) error { return c.VerifyInit(h, ecdsa, 3) },
			func(c *Client, h ck.SessionHandle) error { return c.Verify(h, []byte("abc"), []byte("cba")) },
		},
		p11rpc.CallVerifyRecover: {
			func(c *Client, h ck.SessionHandle) error { return c.VerifyRecoverInit(h, aes, 3) },
			func(c *Client, h ck.SessionHandle) error { _, err := c.VerifyRecover(h, nil, out); return err },
		},
		p11rpc.CallEncrypt: {
			func(c *Client, h ck.SessionHandle) error { return c.EncryptInit(h, aes, 3) },
			func(c *Client, h ck.SessionHandle) error { _, err := c.Encrypt(h, nil, out); return err },
		},
		p11rpc.CallDecrypt: {
			func(c *Client, h ck.SessionHandle) error { return c.DecryptInit(h, aes, 3) },
			func(c *Client, h ck.SessionHandle) error { _, err := c.Decrypt(h, nil, out); return err },
		},
		p11rpc.CallDigest: {
			func(c *Client, h ck.SessionHandle) error { return c.DigestInit(h, aes) },
			func(c *Client, h ck.SessionHandle) error { _, err := c.Digest(h, nil, out); return err },
		},
	}
	for call, op := range operations {
		for name, lose := range map[string]func(d *fakeDaemon){
			"between":           func(d *fakeDaemon) { d.restart() },
			"between, it lives": func(d *fakeDaemon) { d.hangUp() },
			"unread":            func(d *fakeDaemon) { d.unread.Store(true) },
			"read":              func(d *fakeDaemon) { d.loseAt(call, d.restart) },
			"read, it lives":    func(d *fakeDaemon) { d.loseAt(call, d.hangUp) },
		} {
			t.Run(call.String()+"/"+name, func(t *testing.T) {
				d := startJoined(t)
				c := d.client(patience)
				h := openSession(t, c)
				require.NoError(t, op.start(c, h))
				lose(d)
				require.NoError(t, op.do(c, h))
				require.NoError(t, op.start(c, h), "the operation had ended")
			})
		}
	}
}

// An operation that had a part of its data does not survive.
func TestOperationInPartsEnds(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	out := Out{To: make([]byte, 64)}
	require.NoError(t, c.SignInit(h, ecdsa, 3))
	require.NoError(t, c.SignUpdate(h, []byte("a")))
	d.restart()
	_, err := c.SignFinal(h, out)
	require.ErrorIs(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)
	require.NoError(t, sign(t, c, h, 3))
}

// A signature with a mechanism that counts is made once.
func TestSignatureThatCounts(t *testing.T) {
	for _, m := range []ck.MechanismType{
		ck.CKM_HSS, ck.CKM_XMSS, ck.CKM_XMSSMT, ck.CKM_HOTP, ck.CKM_ACTI,
	} {
		require.True(t, counts(m))
	}
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	for _, held := range []bool{false, true} {
		require.NoError(t, c.SignInit(h, &ck.Mechanism{Type: ck.CKM_HSS}, 3))
		if held {
			_, err := c.Sign(h, nil, Out{To: make([]byte, 8)})
			require.NoError(t, err)
			require.NoError(t, c.SignInit(h, &ck.Mechanism{Type: ck.CKM_HSS}, 3))
		}
		d.loseAt(p11rpc.CallSign, d.restart)
		_, err := c.Sign(h, nil, Out{To: make([]byte, 8)})
		require.ErrorIs(t, err, ck.CKR_DEVICE_REMOVED)
		require.ErrorContains(t, err, "may have been done")
		d.handle(nil)
	}
}

// A search goes on in another daemon, and finds each object once.
func TestSearchOutlivesTheDaemon(t *testing.T) {
	for name, lose := range map[string]func(d *fakeDaemon){
		"restart":        func(d *fakeDaemon) { d.restart() },
		"it lives":       func(d *fakeDaemon) { d.hangUp() },
		"read":           func(d *fakeDaemon) { d.loseAt(p11rpc.CallFindObjects, d.restart) },
		"read, it lives": func(d *fakeDaemon) { d.loseAt(p11rpc.CallFindObjects, d.hangUp) },
	} {
		t.Run(name, func(t *testing.T) {
			d := startJoined(t)
			c := d.client(patience)
			h := openSession(t, c)
			require.NoError(t, c.FindObjectsInit(h, nil))
			var all []ck.ObjectHandle
			for {
				found, err := c.FindObjects(h, 40)
				require.NoError(t, err)
				all = append(all, found...)
				if len(found) < 40 {
					break
				}
				lose(d)
			}
			require.Len(t, all, fakeObjects)
			for i, o := range all {
				require.EqualValues(t, i+1, o)
			}
			require.ErrorIs(t, c.FindObjectsInit(h, nil), ck.CKR_OPERATION_ACTIVE)
			lose(d)
			require.NoError(t, c.FindObjectsFinal(h))
			require.NoError(t, c.FindObjectsInit(h, nil))
		})
	}
}

// The end of a search is not waited for, and the session's next call does not overtake it.
func TestPostsKeepTheirPlace(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h, other := openSession(t, c), openSession(t, c)
	require.NoError(t, c.FindObjectsInit(h, nil))
	posted, goOn := make(chan bool), make(chan bool)
	d.handle(func(_ *fakeConn, _ uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		if call == p11rpc.CallFindObjectsFinal {
			posted <- true
			<-goOn
		}
		return false
	})
	require.NoError(t, c.FindObjectsFinal(h))
	<-posted
	done := make(chan error)
	go func() { _, err := c.GetObjectSize(other, 1); done <- err }() // waits behind it
	for c.first.Load().busy.Load() == 0 {
		runtime.Gosched()
	}
	started := make(chan error)
	go func() { started <- c.FindObjectsInit(h, nil) }()
	close(goOn)
	require.NoError(t, <-started)
	require.NoError(t, <-done)
}
