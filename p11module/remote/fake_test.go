package remote

import (
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// fakeDaemon is the other end: it answers a few calls and notes what came.
type fakeDaemon struct {
	t        testing.TB
	listener net.Listener
	path     string

	mu    sync.Mutex
	conns []net.Conn
	calls []p11rpc.CallID
	// paired counts requests after which the next was there already.
	paired  map[p11rpc.CallID]int
	session uint64

	// oldest refuses handshakes above this version, as old servers do.
	newest byte
	apps   map[string]*fakeApp // that have joined, by id and ticket
	known  map[string]bool     // that had joined before a restart
	// unread makes connections close instead of reading what has come.
	unread atomic.Bool
	// onCall may answer a call itself; it returns false to leave that to the fake.
	onCall func(f *fakeConn, code uint32, call p11rpc.CallID, d *p11rpc.Decoder) bool
}

// fakeConn is one connection of it.
type fakeConn struct {
	net.Conn
	mu  sync.Mutex
	enc p11rpc.Encoder
	app *fakeApp
}

func startFake(t testing.TB) *fakeDaemon {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p11.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	d := &fakeDaemon{t: t, listener: l, path: path, newest: p11rpc.MaxVersion, paired: map[p11rpc.CallID]int{}}
	go d.accept()
	t.Cleanup(d.stop)
	return d
}

// handle sets what answers calls before the fake does.
func (d *fakeDaemon) handle(own func(f *fakeConn, code uint32, call p11rpc.CallID, d *p11rpc.Decoder) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onCall = own
}

func (d *fakeDaemon) limit() byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.newest
}

func (d *fakeDaemon) newSession() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session++
	return d.session
}

func (d *fakeDaemon) pairs(call p11rpc.CallID) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.paired[call]
}

func (d *fakeDaemon) accept() {
	for {
		c, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		d.conns = append(d.conns, c)
		d.mu.Unlock()
		go d.serve(&fakeConn{Conn: c})
	}
}

func (d *fakeDaemon) stop() {
	d.listener.Close()
	d.hangUp()
}

// hangUp ends all connections.
func (d *fakeDaemon) hangUp() {
	d.mu.Lock()
	conns := d.conns
	d.conns = nil
	d.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

func (d *fakeDaemon) serve(f *fakeConn) {
	defer f.Close()
	var offered [1]byte
	if _, err := io.ReadFull(f, offered[:]); err != nil {
		return
	}
	if newest := d.limit(); offered[0] > newest {
		if newest < p11rpc.Extended {
			return
		}
		offered[0] = newest
	}
	if _, err := f.Write(offered[:]); err != nil {
		return
	}
	f.enc.Version = offered[0]
	r := p11rpc.NewReader(unreadable{d, f.Conn.(*net.UnixConn)})
	for {
		frame, err := r.Next()
		if err != nil {
			return
		}
		dec := p11rpc.Decoder{Version: offered[0]}
		call, err := dec.Request(frame.Body)
		if err != nil {
			d.t.Errorf("request that cannot be read: %v", err)
			return
		}
		d.mu.Lock()
		d.calls = append(d.calls, call)
		if r.Ready() {
			d.paired[call]++
		}
		own := d.onCall
		d.mu.Unlock()
		if own == nil || !own(f, frame.Code, call, &dec) {
			if offered[0] == p11rpc.Joined && d.joinedAnswer(f, frame.Code, call, frame.Body, &dec) {
				continue
			}
			d.answer(f, frame.Code, call, &dec)
		}
	}
}

// answer is what the fake says by itself.
func (d *fakeDaemon) answer(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) {
	f.reply(code, call, func(e *p11rpc.Encoder) {
		switch call {
		case p11rpc.CallGetSlotList:
			p11rpc.Ulongs(e, []ck.SlotID{7})
		case p11rpc.CallOpenSession:
			e.Ulong(d.newSession())
		case p11rpc.CallSign:
			dec.Ulong()
			data := slices.Clone(dec.Data())
			slices.Reverse(data)
			e.Output(ck.Output{Data: data, Len: uint64(len(data))})
		case p11rpc.CallGenerateRandom:
			dec.Ulong()
			n := dec.Buffer().Len
			e.Output(ck.Output{Data: make([]byte, n), Len: n})
		case p11rpc.CallGetObjectSize:
			dec.Ulong()
			e.Ulong(dec.Ulong())
		case p11rpc.CallGetSessionInfo:
			e.SessionInfo(ck.SessionInfo{})
		default:
			if call.Describe().Response == "ay" {
				e.Output(ck.Output{Data: []byte{}})
			}
		}
	})
}

func (f *fakeConn) reply(code uint32, call p11rpc.CallID, values func(*p11rpc.Encoder)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.enc.BeginResponse(code, call)
	values(&f.enc)
	_ = f.enc.End()
	_, _ = f.Write(f.enc.Bytes())
	f.enc.Reset()
}

func (f *fakeConn) refuse(code uint32, rv ck.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.enc.Error(code, rv)
	_, _ = f.Write(f.enc.Bytes())
	f.enc.Reset()
}

// seen is the calls so far, without the introduction.
func (d *fakeDaemon) seen() []p11rpc.CallID {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(d.calls), func(c p11rpc.CallID) bool {
		return c == p11rpc.CallInitialize || c == p11rpc.CallJoin || c == p11rpc.CallFinalize
	})
}

func (d *fakeDaemon) client(timeout time.Duration) *Client {
	c := New(Options{Socket: func() string { return d.path }, Timeout: timeout})
	d.t.Cleanup(c.Close)
	return c
}

const patience = 20 * time.Second

func openSession(t testing.TB, c *Client) ck.SessionHandle {
	t.Helper()
	h, err := c.OpenSession(7, ck.CKF_SERIAL_SESSION)
	require.NoError(t, err)
	return h
}
