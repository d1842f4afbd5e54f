package p11server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/peer"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/record"
)

// A request with a byte after its last value breaks the protocol, whatever the call. Without it, it
// is answered.
func TestTrailingByte(t *testing.T) {
	quiet := slog.New(slog.NewTextHandler(new(logBuffer), nil))
	s := New(func(record.Peer) Client { return agreeable{} }, Options{Logger: quiet})
	for _, version := range p11rpc.Versions() {
		for _, id := range p11rpc.Calls(version) {
			if routes[id].run == nil || version == 0 && strings.Contains(id.Describe().Request, "M") {
				continue
			}
			e := p11rpc.Encoder{Version: version}
			e.BeginRequest(1, id)
			writeZeros(&e, id.Describe().Request)
			require.NoError(t, e.End())
			body := e.Bytes()[12:]
			require.NotErrorIs(t, answerTo(s, version, bytes.Clone(body)), p11rpc.ErrMalformed, "%v", id)
			require.ErrorIs(t, answerTo(s, version, append(bytes.Clone(body), 0)), p11rpc.ErrMalformed, "%v", id)
		}
	}
}

// answerTo has a new connection answer a request, and returns the error that ends the connection.
func answerTo(s *Server, version byte, body []byte) error {
	c := newConn(s, nil, peer.Process{})
	defer c.cancel()
	c.version = version
	c.app.Load().client.Store(new(Client(agreeable{})))
	task := s.newTask(version)
	defer s.freeTask(task)
	task.load(p11rpc.Frame{Code: 7, Body: body})
	return c.answer(task)
}
