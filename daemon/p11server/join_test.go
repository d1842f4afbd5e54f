package p11server

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/peer"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/record"
)

// named is the id and the ticket of an application.
type named struct{ id, ticket []byte }

func newNamed(b byte) named {
	n := named{make([]byte, p11rpc.ApplicationIDSize), make([]byte, p11rpc.TicketSize)}
	n.id[0], n.ticket[0] = b, b
	return n
}

// join dials a connection of the application.
func (s *served) join(t testing.TB, n named) (*caller, p11rpc.Joining, error) {
	t.Helper()
	c := s.dialVersion(t, p11rpc.Joined)
	var how uint64
	err := c.call(p11rpc.CallJoin, func(e *p11rpc.Encoder) {
		e.Data(n.id)
		e.Data(n.ticket)
	}, func(d *p11rpc.Decoder) { how = d.Ulong() })
	return c, p11rpc.Joining(how), err
}

func (s *served) mustJoin(t testing.TB, n named, want p11rpc.Joining) *caller {
	t.Helper()
	c, how, err := s.join(t, n)
	require.NoError(t, err)
	require.Equal(t, want, how)
	return c
}

func (s *served) isParked(n named) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.applications[[p11rpc.ApplicationIDSize]byte(n.id)]
	return a != nil && a.joined.unpark != nil
}

func noop(c *caller) error {
	return c.call(p11rpc.CallGetInfo, nil, func(d *p11rpc.Decoder) { d.Info() })
}

// All connections of an application have one client, and each may end without the others.
func TestConnectionsOfOneApplication(t *testing.T) {
	s := serve(t, Options{}, nil)
	n := newNamed(1)
	first := s.mustJoin(t, n, p11rpc.JoinedNew)
	second := s.mustJoin(t, n, p11rpc.JoinedLive)
	app := <-s.clients
	require.NoError(t, noop(first))
	require.NoError(t, noop(second))
	first.sock.Close()
	require.NoError(t, noop(second))
	third := s.mustJoin(t, n, p11rpc.JoinedLive)
	require.NoError(t, third.call(p11rpc.CallFinalize, nil, nil))
	<-app.closed
	require.Equal(t, ck.CKR_CRYPTOKI_NOT_INITIALIZED, noop(second))
	require.Equal(t, ck.CKR_CRYPTOKI_NOT_INITIALIZED, second.call(p11rpc.CallFinalize, nil, nil))
	s.mustJoin(t, n, p11rpc.JoinedNew)
	require.NotSame(t, app, <-s.clients)
	require.Equal(t, ck.CKR_CRYPTOKI_ALREADY_INITIALIZED, func() error {
		c := s.mustJoin(t, n, p11rpc.JoinedLive)
		return c.call(p11rpc.CallJoin, func(e *p11rpc.Encoder) {
			e.Data(n.id)
			e.Data(n.ticket)
		}, func(d *p11rpc.Decoder) { d.Ulong() })
	}())
}

// An application is its process's alone, and needs the ticket.
func TestImpostors(t *testing.T) {
	refused := 0
	s := serve(t, Options{Refused: func(p peer.Process, reason error) {
		require.Equal(t, int32(os.Getpid()), p.PID)
		require.Equal(t, ck.CKR_ACTION_PROHIBITED, ck.CodeOf(reason))
		refused++
	}}, nil)
	n := newNamed(1)
	s.mustJoin(t, n, p11rpc.JoinedNew)
	for what, other := range map[string]named{
		"another ticket": {n.id, newNamed(2).ticket},
		"no ticket":      {n.id, make([]byte, p11rpc.TicketSize)},
	} {
		_, _, err := s.join(t, other)
		require.Equal(t, ck.CKR_ACTION_PROHIBITED, err, what)
	}
	for what, other := range map[string]named{
		"a short ticket": {n.id, n.ticket[1:]},
		"a short id":     {n.id[1:], n.ticket},
		"a long ticket":  {n.id, append([]byte{0}, n.ticket...)},
	} {
		_, _, err := s.join(t, other)
		require.Equal(t, ck.CKR_ARGUMENTS_BAD, err, what)
	}
	a := s.applications[[p11rpc.ApplicationIDSize]byte(n.id)]
	mine := a.joined.process
	for what, other := range map[string]peer.Process{
		"another process":              {UID: mine.UID, GID: mine.GID, PID: mine.PID + 1, Started: mine.Started},
		"one that has the same id now": {UID: mine.UID, GID: mine.GID, PID: mine.PID, Started: mine.Started + 1},
		"one of another container":     {UID: mine.UID, GID: mine.GID},
	} {
		s.mu.Lock()
		a.joined.process = other
		s.mu.Unlock()
		_, _, err := s.join(t, n)
		require.Equal(t, ck.CKR_ACTION_PROHIBITED, err, what)
	}
	require.Equal(t, 5, refused, "somebody is told of each that wanted to be another one")
}

// Who keeps something for an application hears of its C_Finalize before the application does,
// and not of its other ends.
func TestFinalized(t *testing.T) {
	finalized := make(map[byte]int)
	var s *served
	s = serve(t, Options{Join: func(who Applicant) (Admission, error) {
		return Admission{Client: s.connect(record.Peer{}), Finalized: func() { finalized[who.ID[0]]++ }}, nil
	}, AwayTime: time.Millisecond}, nil)
	c := s.mustJoin(t, newNamed(1), p11rpc.JoinedNew)
	other := s.mustJoin(t, newNamed(1), p11rpc.JoinedLive)
	require.NoError(t, c.call(p11rpc.CallFinalize, nil, nil))
	require.Equal(t, map[byte]int{1: 1}, finalized)
	require.Equal(t, ck.CKR_CRYPTOKI_NOT_INITIALIZED, other.call(p11rpc.CallFinalize, nil, nil))
	<-(<-s.clients).closed
	s.mustJoin(t, newNamed(2), p11rpc.JoinedNew).sock.Close()
	<-(<-s.clients).closed
	require.NoError(t, s.Shutdown(context.Background()))
	require.Equal(t, map[byte]int{1: 1}, finalized)
}

// An application without a connection waits for one as long as its process runs, and for a
// limited time.
func TestParked(t *testing.T) {
	s := serve(t, Options{}, nil)
	n := newNamed(1)
	c := s.mustJoin(t, n, p11rpc.JoinedNew)
	app := <-s.clients
	for range 3 {
		c.sock.Close()
		require.Eventually(t, func() bool { return s.isParked(n) }, 10*time.Second, time.Millisecond)
		require.Contains(t, app.seen(), "cancel", "nobody waits for its calls")
		c = s.mustJoin(t, n, p11rpc.JoinedLive)
		require.NoError(t, noop(c))
		require.False(t, s.isParked(n))
	}
	require.Empty(t, s.parked)
	c.sock.Close()
	require.Eventually(t, func() bool { return s.isParked(n) }, 10*time.Second, time.Millisecond)
	require.NoError(t, s.Shutdown(context.Background()))
	<-app.closed
}

func TestParkedForALimitedTime(t *testing.T) {
	s := serve(t, Options{AwayTime: time.Millisecond}, nil)
	n := newNamed(1)
	s.mustJoin(t, n, p11rpc.JoinedNew).sock.Close()
	<-(<-s.clients).closed
	s.mustJoin(t, n, p11rpc.JoinedNew)
}

// Few applications of one owner are parked.
func TestParkedOfOneOwner(t *testing.T) {
	s := serve(t, Options{}, nil)
	for i := range maxParkedOne {
		n := newNamed(byte(i))
		s.mustJoin(t, n, p11rpc.JoinedNew).sock.Close()
		<-s.clients
		require.Eventually(t, func() bool { return s.isParked(n) }, 10*time.Second, time.Millisecond)
	}
	s.mustJoin(t, newNamed(maxParkedOne), p11rpc.JoinedNew).sock.Close()
	<-(<-s.clients).closed
}

// The end of a process ends its application, though the time is not over.
func TestProcessOfParkedEnds(t *testing.T) {
	child := exec.Command("cat")
	in, err := child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	s := serve(t, Options{}, nil)
	n := newNamed(1)
	c := s.mustJoin(t, n, p11rpc.JoinedNew)
	app := <-s.clients
	s.mu.Lock() // the application is the child's from now on
	a := s.applications[[p11rpc.ApplicationIDSize]byte(n.id)]
	a.joined.process = peer.Process{UID: uint32(os.Getuid()), PID: int32(child.Process.Pid)}.WithStart(c.sock)
	require.True(t, a.joined.process.Known())
	s.mu.Unlock()
	c.sock.Close()
	require.Eventually(t, func() bool { return s.isParked(n) }, 10*time.Second, time.Millisecond)
	select {
	case <-app.closed:
		t.Fatal("closed while the process runs")
	default:
	}
	in.Close()
	require.NoError(t, child.Wait())
	<-app.closed
}

// What an earlier daemon knew of an application is given back by CallResume.
func TestResume(t *testing.T) {
	var asked []p11rpc.ResumedSession
	var s *served
	s = serve(t, Options{Join: func(who Applicant) (Admission, error) {
		require.Equal(t, int32(os.Getpid()), who.Process.PID)
		require.True(t, who.Process.Known())
		switch who.ID[0] {
		case 1:
			return Admission{Client: s.connect(record.Peer{}), Resumed: true, Resume: func(list []p11rpc.ResumedSession) ([]ck.SessionHandle, error) {
				asked = append(asked, list...)
				if len(asked) > 2 {
					return nil, ck.CKR_DEVICE_ERROR
				}
				return []ck.SessionHandle{8}, nil
			}}, nil
		case 2:
			return Admission{}, ck.CKR_DEVICE_MEMORY
		}
		return Admission{Client: s.connect(record.Peer{})}, nil
	}}, nil)
	resume := func(c *caller) (lost []uint64, err error) {
		err = c.call(p11rpc.CallResume, func(e *p11rpc.Encoder) {
			e.ResumedSessions([]p11rpc.ResumedSession{{Handle: 7, Slot: 1, Flags: 4}, {Handle: 8, Slot: 2, Flags: 6}})
		}, func(d *p11rpc.Decoder) { lost, _ = p11rpc.UlongList[uint64](d) })
		return lost, err
	}
	first := s.mustJoin(t, newNamed(1), p11rpc.JoinedResumed)
	lost, err := resume(first)
	require.NoError(t, err)
	require.Equal(t, []uint64{8}, lost)
	require.Equal(t, []p11rpc.ResumedSession{{Handle: 7, Slot: 1, Flags: 4}, {Handle: 8, Slot: 2, Flags: 6}}, asked)
	_, err = resume(first)
	require.ErrorIs(t, err, ck.CKR_DEVICE_ERROR)

	for range 2 { // the refused one leaves nothing
		_, _, err = s.join(t, newNamed(2))
		require.Equal(t, ck.CKR_DEVICE_MEMORY, err)
		require.NotContains(t, s.applications, [p11rpc.ApplicationIDSize]byte(newNamed(2).id))
	}
	_, err = resume(s.mustJoin(t, newNamed(3), p11rpc.JoinedNew))
	require.Equal(t, ck.CKR_FUNCTION_NOT_SUPPORTED, err)
}
