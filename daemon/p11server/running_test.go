package p11server

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/p11rpc"
)

// one is the only application of a server.
func (s *served) one(t *testing.T) Running {
	t.Helper()
	list := s.Applications()
	require.Len(t, list, 1)
	return list[0]
}

// An application is listed once, with the calls of all its connections, also of those that
// have ended.
func TestApplications(t *testing.T) {
	s := serve(t, Options{}, nil)
	require.Empty(t, s.Applications())
	s.dial(t)
	require.Empty(t, s.Applications(), "one that has not begun")

	n := newNamed(1)
	first := s.mustJoin(t, n, p11rpc.JoinedNew)
	second := s.mustJoin(t, n, p11rpc.JoinedLive)
	app := <-s.clients
	for range 3 {
		require.NoError(t, noop(second))
	}
	began := s.one(t)
	require.Same(t, app, began.Client)
	require.Equal(t, 2, began.Connections)
	require.Equal(t, uint64(5), began.Calls)
	require.Equal(t, int32(os.Getpid()), began.Process.PID)
	require.False(t, began.Used.Before(began.Begun))
	require.NotContains(t, FormatNumber(began.Number), string(n.id))

	second.sock.Close()
	require.Eventually(t, func() bool { return s.one(t).Connections == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, noop(first))
	require.Equal(t, uint64(6), s.one(t).Calls)
	first.sock.Close()
	require.Eventually(t, func() bool { return s.isParked(n) && s.one(t).Connections == 0 }, 10*time.Second, time.Millisecond)
	parked := s.one(t)
	require.Equal(t, uint64(6), parked.Calls)
	require.Equal(t, began.History.Number, parked.Number)

	stock, _ := s.initialized(t)
	list := s.Applications()
	require.Len(t, list, 2)
	require.Greater(t, list[1].Number, list[0].Number)
	require.Equal(t, uint64(1), list[1].Calls)
	require.NoError(t, noop(stock))
	require.NoError(t, stock.call(p11rpc.CallFinalize, nil, nil))
	require.Len(t, s.Applications(), 1)
	require.NoError(t, stock.initialize(p11rpc.Magic))
	again := s.Applications()[1]
	require.Greater(t, again.Number, list[1].Number, "it is another application")
	require.Equal(t, uint64(1), again.Calls)
}

// Applications keep their numbers and counts over a planned restart, and new ones get others.
func TestNumbersOverHandOver(t *testing.T) {
	s := serve(t, Options{}, nil)
	n := newNamed(1)
	c := s.mustJoin(t, n, p11rpc.JoinedNew)
	require.NoError(t, noop(c))
	before := s.one(t)
	frozen, err := s.Freeze(t.Context())
	require.NoError(t, err)
	next := New(nil, Options{})
	t.Cleanup(func() { require.NoError(t, next.Shutdown(context.Background())) })
	known, other := frozen.Applications[0], FrozenApplication{Name: &Name{ID: [16]byte{9}, Process: before.Process}}
	known.Client, other.Client = &fakeClient{closed: make(chan struct{})}, &fakeClient{closed: make(chan struct{})}
	next.Adopt(Frozen{Applications: []FrozenApplication{known, other}})
	list := next.Applications()
	require.Len(t, list, 2)
	require.Equal(t, before.History, list[0].History)
	require.Greater(t, list[1].Number, before.Number, "one that came without a number")
}

// The text of a number has one length, and orders as the numbers do.
func TestFormatNumber(t *testing.T) {
	now := firstNumber(time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC))
	later := firstNumber(time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC))
	list := []string{FormatNumber(1), FormatNumber(now), FormatNumber(now + 1), FormatNumber(later)}
	require.IsIncreasing(t, list)
	for _, text := range list {
		require.Len(t, text, 8)
	}
}
