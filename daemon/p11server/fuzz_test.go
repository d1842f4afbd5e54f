package p11server

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/peer"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/record"
)

var _ Client = agreeable{}

// Whatever a client sends, the answer is one frame with the code of the request
// that its own codec reads, or the end of the connection; nothing panics.
func FuzzHostileClient(f *testing.F) {
	for i, version := range p11rpc.Versions() {
		for _, id := range p11rpc.Calls(version) {
			if version == 0 && strings.Contains(id.Describe().Request, "M") {
				continue // no null mechanism
			}
			e := p11rpc.Encoder{Version: version}
			e.BeginRequest(1, id)
			writeZeros(&e, id.Describe().Request)
			require.NoError(f, e.End())
			f.Add(append([]byte{byte(i)}, e.Bytes()[12:]...))
		}
	}
	log := new(logBuffer)
	s := New(func(record.Peer) Client { return agreeable{} }, Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 {
			return
		}
		c := newConn(s, nil, peer.Process{})
		defer c.cancel()
		c.version = p11rpc.Versions()[int(in[0])%len(p11rpc.Versions())]
		c.app.Load().client.Store(new(Client(agreeable{})))
		task := s.newTask(c.version)
		defer s.freeTask(task)
		body := bytes.Clone(in[1:])
		task.load(p11rpc.Frame{Code: 7, Body: body})
		call := task.call
		err := c.answer(task)
		require.NotContains(t, log.String(), "panic", "%v", log.String())
		if errors.Is(err, p11rpc.ErrMalformed) {
			require.Empty(t, task.out.Bytes(), "an answer to a request that breaks the protocol")
			return
		}
		checkAnswer(t, c.version, call, task.out.Bytes())
		require.Equal(t, make([]byte, len(body)), body, "the request was not wiped")
	})
}

func checkAnswer(t *testing.T, version byte, call p11rpc.CallID, wire []byte) {
	t.Helper()
	in := p11rpc.NewReader(bytes.NewReader(wire))
	frame, err := in.Next()
	if err != nil || frame.Code != 7 {
		t.Fatalf("%v: answer with code %d, %v", call, frame.Code, err)
	}
	d := p11rpc.Decoder{Version: version}
	err = d.Response(frame.Body, call)
	if code := ck.Error(0); err != nil && !errors.As(err, &code) {
		t.Fatalf("%v: %v", call, err)
	}
	require.False(t, in.Ready(), "%v: more than one answer", call)
}
