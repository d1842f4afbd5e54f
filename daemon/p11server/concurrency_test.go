package p11server

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// room is a gate for so many.
func room(n int) *gate { return &gate{limit: func(int64) int { return n }} }

func now() int64 { return time.Now().UnixNano() }

// Those who wait come in one after the other, in the order in which they came.
func TestGateOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := room(1)
		require.NoError(t, g.enter(t.Context(), now()))
		var all sync.WaitGroup
		var order []int
		for i := range 10 {
			all.Go(func() {
				require.NoError(t, g.enter(t.Context(), now()))
				order = append(order, i) // one at a time
				g.leave()
			})
			synctest.Wait()
		}
		require.Empty(t, order)
		g.leave()
		all.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, order)
		require.Zero(t, g.inside.Load())
	})
}

// Who has gone leaves the line, and takes no place.
func TestGateGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := room(1)
		require.NoError(t, g.enter(t.Context(), now()))
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { gone <- g.enter(ctx, now()) }()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-gone, context.Canceled)
		g.leave()
		require.Zero(t, g.inside.Load())
		require.NoError(t, g.enter(t.Context(), now()))
	})
}

// Where nobody leaves for long, those inside wait for something, and another comes in.
func TestGateStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := room(2)
		for range 2 {
			require.NoError(t, g.enter(t.Context(), now()))
		}
		begun := time.Now()
		for i := range 3 {
			require.NoError(t, g.enter(t.Context(), now()))
			require.Equal(t, time.Duration(i+1)*stuckAfter, time.Since(begun))
		}
		for range 5 {
			g.leave()
		}
		require.Zero(t, g.inside.Load())
	})
}

// No more are inside than may be, nobody is forgotten, and all places are free in the end.
func TestGateCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { crowdAt(t, 3) })
}

func crowdAt(t *testing.T, limit int) {
	g := room(limit)
	var inside, most atomic.Int32
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%5 == 0 {
				cancel() // it may come in, or not
			}
			for range 200 {
				if g.enter(ctx, now()) != nil {
					continue
				}
				if n := inside.Add(1); n > most.Load() {
					most.Store(n)
				}
				runtime.Gosched()
				inside.Add(-1)
				g.leave()
			}
		})
	}
	all.Wait()
	require.LessOrEqual(t, most.Load(), int32(limit))
	require.Zero(t, g.inside.Load())
	require.Zero(t, g.waiting.Load())
}

// An owner alone has many requests worked on, and few beside another one, for a while.
func TestRivalry(t *testing.T) {
	r := &contention{alone: 16, beside: 1}
	alice, mallory := newOwner(r.limit), newOwner(r.limit)
	r.note(mallory, 1)
	r.note(mallory, 2)
	require.Equal(t, 16, r.limit(2))
	r.note(alice, 3)
	require.Equal(t, 1, r.limit(3))
	r.note(mallory, 4)
	require.Equal(t, 1, r.limit(3+int64(rivalryLasts)))
	require.Equal(t, 16, r.limit(4+int64(rivalryLasts)))
}

// However many connections an owner has, few of its quick requests are worked on at the
// same time, and all are answered.
func TestFloodOfOneOwner(t *testing.T) {
	const connections, each = 100, 20
	var inside, most atomic.Int32
	s := serve(t, Options{}, func(f *fakeClient) {
		f.sign = func(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
			if n := inside.Add(1); n > most.Load() {
				most.Store(n)
			}
			for range 100 {
				runtime.Gosched() // others would come in
			}
			inside.Add(-1)
			return ck.Output{Data: make([]byte, 64), Len: 64}, nil
		}
	})
	s.contention.until.Store(time.Now().Add(time.Hour).UnixNano()) // somebody else is about
	var all sync.WaitGroup
	for range connections {
		c, _ := s.initialized(t)
		all.Go(func() {
			for range each {
				c.add(p11rpc.CallSign, signRequest(5, make([]byte, 32)))
			}
			c.send()
			for range each {
				_, err := c.answer(p11rpc.CallSign, func(d *p11rpc.Decoder) { _, _ = d.Output(ck.Buffer{Len: 64}) })
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	// One more comes in for every 20 ms in which the machine does nothing of ours.
	require.LessOrEqual(t, int(most.Load()), s.contention.beside+connections/10)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.owners {
		require.Zero(t, o.quick.inside.Load())
		require.Zero(t, o.quick.waiting.Load())
	}
}
