package p11server

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/budget"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/p11rpc"
)

const mib = 1 << 20

// limited is a server whose users have so much memory, of twice that for all.
func limited(t *testing.T, each int, opts Options, setUp func(*fakeClient)) (*served, *budget.Ledger) {
	t.Helper()
	ledger := budget.New("bytes of memory", budget.Limits{Total: 2 * each, Each: each})
	opts.Account = func(owner string) meter.Account { return ledger.Account(owner) }
	return serve(t, opts, setUp), ledger
}

// allGone waits until the server has forgotten every connection, and asks that nothing is
// charged any more.
func (s *served) allGone(t *testing.T, ledger *budget.Ledger, callers ...*caller) {
	t.Helper()
	for _, c := range callers {
		c.sock.Close()
	}
	s.forgetAll()
	require.Zero(t, ledger.State().Used, "what is charged after all have gone")
}

// header is the beginning of a frame that is to have so large a body.
func header(code uint32, body int) []byte {
	h := binary.BigEndian.AppendUint32(nil, code)
	h = binary.BigEndian.AppendUint32(h, 0)
	return binary.BigEndian.AppendUint32(h, uint32(body))
}

// TestFramesAreCharged: the memory of frames that were begun is bounded; what is over
// gets CKR_DEVICE_MEMORY and the connection goes on.
func TestFramesAreCharged(t *testing.T) {
	s, ledger := limited(t, 24*mib, Options{}, nil)
	holder, _ := s.initialized(t)
	_, err := holder.sock.Write(append(header(1, 16*mib), make([]byte, 2*mib)...))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return ledger.State().Used > 16*mib }, time.Minute, time.Millisecond)
	require.Less(t, ledger.State().Used, 17*mib+3*wholeMargin)

	other, _ := s.initialized(t)
	sent := make(chan error, 1)
	go func() {
		_, err := other.sock.Write(append(header(77, 16*mib), make([]byte, 16*mib)...))
		sent <- err
	}()
	f, err := other.in.Next()
	require.NoError(t, err)
	require.Equal(t, uint32(77), f.Code)
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(other.dec.Response(f.Body, p11rpc.CallSign)))
	require.NoError(t, <-sent)
	require.NoError(t, other.call(p11rpc.CallGetInfo, nil, func(d *p11rpc.Decoder) { d.Info() }))
	s.allGone(t, ledger, holder, other)
}

const wholeMargin = 64 << 10

// TestOneLargeFrameWorks: a user alone may send the largest frame and get the largest
// answer.
func TestOneLargeFrameWorks(t *testing.T) {
	s, ledger := limited(t, 64*mib, Options{}, func(f *fakeClient) {
		f.signInit = func(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return nil }
		f.sign = func(_ ck.SessionHandle, data []byte, _ ck.Buffer) (ck.Output, error) {
			return ck.Output{Data: make([]byte, len(data)), Len: uint64(len(data))}, nil
		}
	})
	c, _ := s.initialized(t)
	data := make([]byte, p11rpc.MaxBody-1000)
	for range 3 {
		require.NoError(t, c.call(p11rpc.CallSign, func(e *p11rpc.Encoder) {
			e.Ulong(1)
			e.Data(data)
			e.Buffer(ck.Buffer{Len: p11rpc.MaxBody})
		}, func(d *p11rpc.Decoder) {
			out, err := d.Output(ck.Buffer{Len: p11rpc.MaxBody})
			require.NoError(t, err)
			require.Len(t, out.Data, len(data))
		}))
	}
	require.Eventually(t, func() bool { return ledger.State().Used < mib }, time.Minute, time.Millisecond, "large buffers linger")
	s.allGone(t, ledger, c)
}

// TestAnswersAreCharged: answers that are not read are bounded, and cut off after a while.
func TestAnswersAreCharged(t *testing.T) {
	s, ledger := limited(t, 24*mib, Options{AnswerTime: 200 * time.Millisecond}, func(f *fakeClient) {
		f.sign = func(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
			return ck.Output{Data: make([]byte, mib), Len: mib}, nil
		}
	})
	var all []*caller
	for range 4 {
		c, _ := s.initialized(t)
		for h := range 16 {
			c.add(p11rpc.CallSign, func(e *p11rpc.Encoder) {
				e.Ulong(uint64(h + 1))
				e.Data(nil)
				e.Buffer(ck.Buffer{Len: p11rpc.MaxBody})
			})
		}
		c.send()
		all = append(all, c)
	}
	require.Eventually(t, func() bool { return ledger.State().Owners == 0 && s.count() == 0 }, time.Minute, time.Millisecond,
		"clients that read nothing stay")
	require.Contains(t, s.log.String(), "does not read its answers")
	s.allGone(t, ledger, all...)
}

func (s *served) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// TestRestOfAFrameHasADeadline, and an idle connection has none.
func TestRestOfAFrameHasADeadline(t *testing.T) {
	s, ledger := limited(t, 24*mib, Options{FrameTime: 100 * time.Millisecond}, nil)
	idle, _ := s.initialized(t)
	for _, part := range [][]byte{{0}, header(1, 100), append(header(1, 100), 1, 2, 3)} {
		c, _ := s.initialized(t)
		_, err := c.sock.Write(part)
		require.NoError(t, err)
		_, err = c.in.Next()
		require.ErrorIs(t, err, io.EOF)
	}
	require.Contains(t, s.log.String(), "only a part of a request")
	// A request in two parts is whole in time, and the next one has its own time.
	for range 3 {
		idle.add(p11rpc.CallGetInfo, nil)
		b := idle.enc.Bytes()
		_, err := idle.sock.Write(b[:7])
		require.NoError(t, err)
		_, err = idle.sock.Write(b[7:])
		require.NoError(t, err)
		idle.enc.Reset()
		_, err = idle.answer(p11rpc.CallGetInfo, func(d *p11rpc.Decoder) { d.Info() })
		require.NoError(t, err)
	}
	s.allGone(t, ledger, idle)
}

// TestWhatIsAskedForIsCharged before it is made.
func TestWhatIsAskedForIsCharged(t *testing.T) {
	asked := 0
	s, ledger := limited(t, 8*mib, Options{}, func(f *fakeClient) {
		f.attrs = func(q []ck.AttributeQuery) ([]ck.AttributeResult, error) {
			asked++
			return make([]ck.AttributeResult, len(q)), nil
		}
	})
	c, _ := s.initialized(t)
	require.Equal(t, ck.CKR_DEVICE_MEMORY, c.call(p11rpc.CallGenerateRandom, func(e *p11rpc.Encoder) {
		e.Ulong(1)
		e.Buffer(ck.Buffer{Len: maxRandom})
	}, nil))
	require.Equal(t, ck.CKR_DEVICE_MEMORY, c.call(p11rpc.CallGetAttributeValue, func(e *p11rpc.Encoder) {
		e.Ulong(1)
		e.Ulong(1)
		q := make([]ck.AttributeQuery, 100)
		for i := range q {
			q[i] = ck.AttributeQuery{Type: ck.CKA_VALUE, Buffer: ck.Buffer{Len: mib}}
		}
		e.AttributeQueries(q)
	}, nil))
	require.Zero(t, asked)
	s.allGone(t, ledger, c)
}

// TestOneWithoutConnectionsGetsIn: where all places are taken, the user who has most
// gives one up, first one that is not initialized.
func TestOneWithoutConnectionsGetsIn(t *testing.T) {
	const total = 12
	places := budget.New("connections", budget.Limits{Total: total, Each: total})
	var next string
	var mu sync.Mutex
	as := func(owner string) {
		mu.Lock()
		defer mu.Unlock()
		next = owner
	}
	s := serve(t, Options{Places: places, Owner: func(uint32) string {
		mu.Lock()
		defer mu.Unlock()
		return next
	}}, nil)
	var greedy []*caller
	for i := range 20 { // the more come, the less is left; at last nothing
		as(fmt.Sprint("greedy", i))
		for range total {
			c := s.dial(t)
			if i > 0 || len(greedy)%2 == 0 {
				if c.initialize(p11rpc.Magic) != nil {
					break
				}
			} else if err := c.call(p11rpc.CallGetInfo, nil, nil); err != ck.CKR_CRYPTOKI_NOT_INITIALIZED {
				break
			}
			greedy = append(greedy, c)
		}
	}
	as("alice")
	c, _ := s.dial(t), 0
	require.NoError(t, c.initialize(p11rpc.Magic))
	require.Positive(t, places.Held("alice"))
	require.LessOrEqual(t, places.State().Used, total)
	require.Contains(t, s.log.String(), "to make room for another user")
	for _, c := range append(greedy, c) {
		c.sock.Close()
	}
	s.forgetAll()
	require.Zero(t, places.State().Used)
}

// TestRandomClientsLeaveNothing: whatever clients do and wherever they break off, every
// account is empty in the end.
func TestRandomClientsLeaveNothing(t *testing.T) {
	s, ledger := limited(t, 4*mib, Options{}, func(f *fakeClient) {
		f.sign = func(_ ck.SessionHandle, data []byte, _ ck.Buffer) (ck.Output, error) {
			return ck.Output{Data: make([]byte, len(data)), Len: uint64(len(data))}, nil
		}
		f.onSlow = func(told func(ck.SessionHandle, bool)) { told(2, true); told(4, true) }
	})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for range 12 {
				nc, err := net.Dial("unix", s.path)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := p11rpc.Offer(nc, p11rpc.MaxVersion); err != nil {
					t.Error(err)
				}
				go func() { _, _ = io.Copy(io.Discard, nc) }()
				e := p11rpc.Encoder{Version: p11rpc.MaxVersion}
				e.BeginRequest(1, p11rpc.CallInitialize)
				e.Data([]byte(p11rpc.Magic))
				e.Byte(0)
				e.Data([]byte{0})
				_ = e.End()
				for code := range uint32(rng.IntN(60)) {
					e.BeginRequest(code+2, p11rpc.CallSign)
					e.Ulong(uint64(rng.IntN(5)))
					e.Data(make([]byte, 1<<rng.IntN(21)))
					e.Buffer(ck.Buffer{Len: p11rpc.MaxBody})
					_ = e.End()
				}
				b := e.Bytes()
				_, _ = nc.Write(b[:len(b)-rng.IntN(min(len(b), 3000))])
				nc.Close()
			}
		})
	}
	all.Wait()
	s.allGone(t, ledger)
}
