package p11server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/record"
)

// echoing signs by answering with what it was given.
func echoing(f *fakeClient) {
	f.sign = func(_ ck.SessionHandle, data []byte, _ ck.Buffer) (ck.Output, error) {
		return ck.Output{Data: append([]byte("signed "), data...), Len: uint64(len(data) + 7)}, nil
	}
}

func writeSign(h ck.SessionHandle, data []byte) func(e *p11rpc.Encoder) {
	return func(e *p11rpc.Encoder) {
		e.Ulong(uint64(h))
		e.Data(data)
		e.Buffer(ck.Buffer{Len: 1 << 20})
	}
}

func readWhole(into *[]byte) func(d *p11rpc.Decoder) {
	return func(d *p11rpc.Decoder) {
		out, _ := d.Output(ck.Buffer{Len: 1 << 20})
		*into = append([]byte(nil), out.Data...)
	}
}

// sign signs one text and checks the answer.
func (c *caller) sign(h ck.SessionHandle, data []byte) error {
	var got []byte
	if err := c.call(p11rpc.CallSign, writeSign(h, data), readWhole(&got)); err != nil {
		return err
	}
	if string(got) != "signed "+string(data) {
		return fmt.Errorf("%q for %q", got, data)
	}
	return nil
}

// generations are servers of which each hands over to the next.
type generations struct {
	t    *testing.T
	l    net.Listener
	now  *Server
	path string
}

func newGenerations(t *testing.T) *generations {
	g := &generations{t: t, path: filepath.Join(t.TempDir(), "p11.sock")}
	l, err := net.Listen("unix", g.path)
	require.NoError(t, err)
	g.l = l
	g.next(Frozen{})
	t.Cleanup(func() { require.NoError(t, g.now.Shutdown(context.Background())) })
	return g
}

func (g *generations) next(f Frozen) {
	g.now = New(func(p record.Peer) Client {
		client := &fakeClient{peer: p, closed: make(chan struct{}), canceled: make(chan struct{})}
		echoing(client)
		return client
	}, Options{Logger: slog.New(slog.NewTextHandler(g.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))})
	g.now.Adopt(f)
	if d, ok := g.l.(*net.UnixListener); ok {
		require.NoError(g.t, d.SetDeadline(time.Time{}))
	}
	s := g.now
	go func() { _ = s.Serve(keptOpen{g.l}) }()
}

// keptOpen is a listener that a server before may not close.
type keptOpen struct{ net.Listener }

func (k keptOpen) Close() error { return nil }
func (k keptOpen) SetDeadline(t time.Time) error {
	return k.Listener.(*net.UnixListener).SetDeadline(t)
}

func (g *generations) handOver() Frozen {
	f, err := g.now.Freeze(context.Background())
	require.NoError(g.t, err)
	g.next(f)
	return f
}

func (g *generations) dial(version byte) *caller {
	return (&served{path: g.path}).dialVersion(g.t, version)
}

// No client notices that the server is frozen, goes on, or is followed by another one.
func TestHandOverUnderTraffic(t *testing.T) {
	g := newGenerations(t)
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for i := range 16 {
		c := g.dial(byte(p11rpc.Versions()[i%3]))
		require.NoError(t, c.initialize(p11rpc.Magic))
		clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				size := n % 50
				if n%200 == 0 {
					size = 300 << 10 // arrives in several pieces
				}
				if err := c.sign(ck.SessionHandle(i%3+1), make([]byte, size)); err != nil {
					t.Errorf("client %d, call %d: %v", i, n, err)
					return
				}
			}
		})
	}
	for i := range 60 {
		if i%3 == 0 {
			_, err := g.now.Freeze(context.Background())
			require.NoError(t, err)
			g.now.Thaw()
		} else {
			f := g.handOver()
			require.Len(t, f.Connections, 16)
			require.Len(t, f.Applications, 16)
		}
		c := g.dial(p11rpc.MaxVersion)
		require.NoError(t, c.initialize(p11rpc.Magic))
		require.NoError(t, c.sign(1, []byte("new")))
		c.sock.Close()
		s := g.now
		require.Eventually(t, func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.conns) == 16
		}, 10*time.Second, time.Millisecond)
	}
	close(stop)
	clients.Wait()
}

// A connection goes on wherever it was: before its handshake, in the middle of a request, with
// requests that wait, and with a call that waits for an event.
func TestHandOverOfEachState(t *testing.T) {
	g := newGenerations(t)
	silent, err := net.Dial("unix", g.path)
	require.NoError(t, err)
	defer silent.Close()

	halves := g.dial(p11rpc.MaxVersion)
	require.NoError(t, halves.initialize(p11rpc.Magic))
	code := halves.add(p11rpc.CallSign, writeSign(1, make([]byte, 100)))
	frame := append([]byte(nil), halves.enc.Bytes()...)
	halves.enc.Reset()

	waits := g.dial(p11rpc.MaxVersion)
	require.NoError(t, waits.initialize(p11rpc.Magic))
	waiting := waits.add(p11rpc.CallWaitForSlotEvent, func(e *p11rpc.Encoder) { e.Ulong(0) })
	waits.send()

	s := g.now
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.conns) == 3
	}, 10*time.Second, time.Millisecond)
	for part := 0; len(frame) > 0; part++ {
		n := min(20+part*7, len(frame))
		_, err := halves.sock.Write(frame[:n])
		require.NoError(t, err)
		frame = frame[n:]
		require.Len(t, g.handOver().Connections, 3)
	}
	var got []byte
	answered, err := halves.answer(p11rpc.CallSign, readWhole(&got))
	require.NoError(t, err)
	require.Equal(t, code, answered)
	require.Len(t, got, 107)

	// The call still waits, and requests on its connection are answered.
	require.NoError(t, noop(waits))
	finalize := waits.add(p11rpc.CallFinalize, nil)
	waits.send()
	answers := map[uint32]error{}
	for range 2 {
		f, err := waits.in.Next()
		require.NoError(t, err)
		answers[f.Code] = waits.dec.Response(f.Body, p11rpc.CallFinalize)
	}
	require.Equal(t, map[uint32]error{waiting: ck.CKR_CRYPTOKI_NOT_INITIALIZED, finalize: nil}, answers)

	v, err := p11rpc.Offer(silent, p11rpc.MaxVersion)
	require.NoError(t, err)
	require.EqualValues(t, p11rpc.MaxVersion, v)
}

// An application that joined goes over with its name, also when it has no connection.
func TestHandOverOfJoined(t *testing.T) {
	g := newGenerations(t)
	s := &served{path: g.path}
	n, away := newNamed(1), newNamed(2)
	first := s.mustJoin(t, n, p11rpc.JoinedNew)
	second := s.mustJoin(t, n, p11rpc.JoinedLive)
	s.mustJoin(t, away, p11rpc.JoinedNew).sock.Close()
	for range 5 {
		require.Eventually(t, func() bool { return (&served{Server: g.now}).isParked(away) }, 10*time.Second, time.Millisecond)
		f := g.handOver()
		require.Len(t, f.Applications, 2)
		require.Len(t, f.Connections, 2)
		require.NoError(t, noop(first))
		require.NoError(t, second.sign(1, []byte("text")))
	}
	s.mustJoin(t, n, p11rpc.JoinedLive)
	s.mustJoin(t, away, p11rpc.JoinedLive)
	_, _, err := s.join(t, named{n.id, away.ticket})
	require.Equal(t, ck.CKR_ACTION_PROHIBITED, err)
}

// A call that does not end keeps the server from being frozen, and nobody notices the try.
func TestFreezeGivesUp(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	s := serve(t, Options{}, func(f *fakeClient) {
		echoing(f)
		f.genPair = func(ck.SessionHandle) error {
			close(begun)
			<-finish
			return nil
		}
	})
	c, _ := s.initialized(t)
	code := c.add(p11rpc.CallGenerateKeyPair, func(e *p11rpc.Encoder) {
		e.Ulong(1)
		e.Mechanism(&ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN})
		e.Template(nil)
		e.Template(nil)
	})
	c.send()
	<-begun
	other, _ := s.initialized(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := s.Freeze(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, other.sign(2, []byte("text")))
	close(finish)
	answered, err := c.answer(p11rpc.CallGenerateKeyPair, func(d *p11rpc.Decoder) { d.Ulong(); d.Ulong() })
	require.NoError(t, err)
	require.Equal(t, code, answered)
	require.NoError(t, c.sign(1, []byte("text")))
}
