package p11server

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/peer"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/record"
)

// ending is an application to which no call succeeds, and which notes what is ended.
type ending struct {
	refusing
	ended []ck.Flags
}

func (e *ending) EndAfterError(h ck.SessionHandle, flags ck.Flags) error {
	if h == 9 {
		e.ended = append(e.ended, flags)
	}
	return nil
}

// nullData is the body of a request of the session 9 whose data are null pointers with a length,
// which no request may have. ok is false for a call without data.
func nullData(id p11rpc.CallID) (body []byte, ok bool) {
	sig := id.Describe().Request
	body = binary.BigEndian.AppendUint32(nil, uint32(id))
	body = binary.BigEndian.AppendUint32(body, uint32(len(sig)))
	body = append(body, sig...)
	for rest := sig; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "ay"):
			body, rest, ok = append(body, 0, 0, 0, 0, 5), rest[2:], true
		case strings.HasPrefix(rest, "f"):
			body, rest = binary.BigEndian.AppendUint32(body, 16), rest[2:]
		case rest[0] == 'u':
			body, rest = binary.BigEndian.AppendUint64(body, 9), rest[1:]
		default:
			body, rest = append(body, 0), rest[1:]
		}
	}
	return body, ok
}

// A request that the server refuses, for what its frame holds, ends the operation that an error
// of its call ends; so does every error of the engine. Other calls end nothing.
func TestErrorsEndOperations(t *testing.T) {
	quiet := slog.New(slog.NewTextHandler(new(logBuffer), nil))
	s := New(func(record.Peer) Client { return refusing{} }, Options{Logger: quiet})
	null := 0
	for _, id := range p11rpc.Calls(p11rpc.Joined) {
		values := strings.ReplaceAll(id.Describe().Request, "ay", "")
		if routes[id].run == nil || !id.FirstIsSession() || id == p11rpc.CallSessionCancel || strings.ContainsAny(values, "MaAs") {
			continue
		}
		body, hasData := nullData(id)
		app := &ending{}
		c := newConn(s, nil, peer.Process{})
		c.version = p11rpc.Joined
		c.app.Load().client.Store(new(Client(app)))
		task := s.newTask(p11rpc.Joined)
		task.load(p11rpc.Frame{Code: 7, Body: bytes.Clone(body)})
		require.NoError(t, c.answer(task), "%v", id)
		var want []ck.Flags
		if id.Ends() != 0 {
			want = []ck.Flags{id.Ends()}
		}
		require.Equal(t, want, app.ended, "%v", id)
		if hasData && id.Ends() != 0 {
			null++
		}
		s.freeTask(task)
		c.cancel()
	}
	require.GreaterOrEqual(t, null, 25)
}

// A request that was refused for lack of memory ends the operation, too: one that was read
// whole, and one of which only the beginning was.
func TestNoMemoryEndsTheOperation(t *testing.T) {
	for name, body := range map[string]int{"whole": 3 * mib, "beginning": 12 * mib} {
		t.Run(name, func(t *testing.T) {
			s, ledger := limited(t, 8*mib, Options{}, nil)
			c, app := s.initialized(t)
			err := c.call(p11rpc.CallDigestUpdate, func(e *p11rpc.Encoder) {
				e.Ulong(9)
				e.Data(make([]byte, body))
			}, nil)
			if name == "beginning" {
				require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err))
			}
			require.Contains(t, app.seen(), "end 9 0x400")
			s.allGone(t, ledger, c)
		})
	}
}

// What is refused while requests of its session wait ends their operation after them.
func TestNoMemoryWaitsForTheSession(t *testing.T) {
	entered, goOn := make(chan bool), make(chan bool)
	s, ledger := limited(t, 8*mib, Options{}, func(f *fakeClient) {
		f.login = func(ck.SessionHandle, []byte) error {
			entered <- true
			<-goOn
			f.note("login")
			return nil
		}
	})
	c, app := s.initialized(t)
	c.add(p11rpc.CallLogin, func(e *p11rpc.Encoder) { e.Ulong(9); e.Ulong(1); e.Data([]byte("1234")) })
	c.add(p11rpc.CallDigestUpdate, func(e *p11rpc.Encoder) { e.Ulong(9); e.Data(make([]byte, 12*mib)) })
	last := c.add(p11rpc.CallGetInfo, nil)
	sent := make(chan bool)
	go func() { c.send(); close(sent) }()
	<-entered
	f, err := c.in.Next() // that of C_GetInfo, which is behind them
	before := app.seen()
	close(goOn)
	require.NoError(t, err)
	require.Equal(t, last, f.Code)
	require.Empty(t, before)
	for range 2 {
		_, err = c.in.Next()
		require.NoError(t, err)
	}
	require.Equal(t, []string{"login", "end 9 0x400"}, app.seen())
	<-sent
	s.allGone(t, ledger, c)
}

// The flags with which our client has messages ended do not end their operations, and those of
// an application that cancels everything do.
func TestCancelOfMessages(t *testing.T) {
	s := serve(t, Options{}, nil)
	c, app := s.initialized(t)
	require.NoError(t, c.call(p11rpc.CallSessionCancel, func(e *p11rpc.Encoder) {
		e.Ulong(9)
		e.Ulong(uint64(p11rpc.EndMessages(ck.CKF_MESSAGE_SIGN)))
	}, nil))
	require.Equal(t, []string{"end 9 0x9"}, app.seen())
	require.False(t, p11rpc.EndsMessages(^ck.Flags(0)))
	require.False(t, p11rpc.EndsMessages(ck.CKF_MESSAGE_SIGN))
}
