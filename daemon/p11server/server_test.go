package p11server

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/budget"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

func TestConversation(t *testing.T) {
	s := serve(t, Options{}, nil)
	c := s.dial(t)
	if err := c.call(p11rpc.CallGetInfo, nil, nil); err != ck.CKR_CRYPTOKI_NOT_INITIALIZED {
		t.Fatalf("C_GetInfo before C_Initialize: %v", err)
	}
	if err := c.initialize("something else"); err != ck.CKR_GENERAL_ERROR {
		t.Fatalf("C_Initialize with another text: %v", err)
	}
	require.NoError(t, c.initialize(p11rpc.Magic))
	app := <-s.clients
	if app.peer.UID != uint32(os.Getuid()) || app.peer.PID != int32(os.Getpid()) {
		t.Errorf("peer is %+v, want this process", app.peer)
	}
	if err := c.initialize(p11rpc.Magic); err != ck.CKR_CRYPTOKI_ALREADY_INITIALIZED {
		t.Fatalf("second C_Initialize: %v", err)
	}
	var info ck.Info
	require.NoError(t, c.call(p11rpc.CallGetInfo, nil, func(d *p11rpc.Decoder) { info = d.Info() }))
	if info != app.GetInfo() {
		t.Errorf("C_GetInfo: %+v", info)
	}
	if err := c.call(p11rpc.CallFindObjectsFinal, sessionOf(1), nil); err != ck.CKR_OPERATION_NOT_INITIALIZED {
		t.Errorf("an error of the engine arrives as %v", err)
	}
	require.NoError(t, c.call(p11rpc.CallFinalize, nil, nil))
	<-app.closed
	if err := c.call(p11rpc.CallGetInfo, nil, nil); err != ck.CKR_CRYPTOKI_NOT_INITIALIZED {
		t.Errorf("C_GetInfo after C_Finalize: %v", err)
	}
	if err := c.initialize(p11rpc.Magic); err != nil {
		t.Errorf("C_Initialize after C_Finalize: %v", err)
	}
}

func TestLists(t *testing.T) {
	s := serve(t, Options{}, nil)
	c, _ := s.initialized(t)
	for _, tc := range []struct {
		room  uint64
		slots int // in the answer
	}{{0, 0}, {1, 0}, {2, 2}, {1000, 2}} {
		var list []ck.SlotID
		var n uint64
		err := c.call(p11rpc.CallGetSlotList, func(e *p11rpc.Encoder) {
			e.Byte(1)
			e.UlongBuffer(tc.room)
		}, func(d *p11rpc.Decoder) { list, n = p11rpc.UlongList[ck.SlotID](d) })
		if err != nil || n != 2 || len(list) != tc.slots {
			t.Errorf("room for %d slots: got %v of %d (%v)", tc.room, list, n, err)
		}
	}
}

// Every call of the protocol is answered: none ends the connection, and what
// has no row in the table is CKR_FUNCTION_NOT_SUPPORTED.
func TestEveryCallIsAnswered(t *testing.T) {
	s := serve(t, Options{}, nil)
	c, _ := s.initialized(t)
	for _, id := range p11rpc.Calls(p11rpc.MaxVersion) {
		if id < p11rpc.CallGetInfo || id == p11rpc.CallWaitForSlotEvent {
			continue // waits; TestWaiting
		}
		err := c.call(id, func(e *p11rpc.Encoder) { writeZeros(e, id.Describe().Request) }, skipAll(id))
		if errors.Is(err, p11rpc.ErrMalformed) || errors.Is(err, io.EOF) {
			t.Fatalf("%v: %v", id, err)
		}
		if routes[id].run == nil && err != ck.CKR_FUNCTION_NOT_SUPPORTED {
			t.Errorf("%v is not in the table and answers %v", id, err)
		}
	}
}

func writeZeros(e *p11rpc.Encoder, sig string) {
	for sig != "" {
		switch {
		case strings.HasPrefix(sig, "ay"):
			e.Data(nil)
		case strings.HasPrefix(sig, "fy"):
			e.Buffer(ck.Buffer{Null: true})
		case strings.HasPrefix(sig, "fu"):
			e.UlongBuffer(0)
		case strings.HasPrefix(sig, "au"):
			p11rpc.Ulongs[uint64](e, nil)
		case strings.HasPrefix(sig, "aA"):
			e.Template(nil)
		case strings.HasPrefix(sig, "fA"):
			e.AttributeQueries(nil)
		case sig[0] == 'u':
			e.Ulong(0)
			sig = sig[1:]
			continue
		case sig[0] == 'y':
			e.Byte(0)
			sig = sig[1:]
			continue
		case sig[0] == 'M':
			e.Mechanism(nil)
			sig = sig[1:]
			continue
		case sig[0] == 's':
			e.SpaceString("", 32)
			sig = sig[1:]
			continue
		case sig[0] == 'z':
			e.ZeroString("")
			sig = sig[1:]
			continue
		}
		sig = sig[2:]
	}
}

// skipAll reads the values of a response.
func skipAll(id p11rpc.CallID) func(*p11rpc.Decoder) {
	return func(d *p11rpc.Decoder) {
		switch id.Describe().Response {
		case "":
		case "vsusv":
			d.Info()
		case "ssuvv":
			d.SlotInfo()
		case "ssssuuuuuuuuuuuvvs":
			d.TokenInfo()
		case "uuuu":
			d.SessionInfo()
		case "uuu":
			d.MechanismInfo()
		case "au":
			p11rpc.UlongList[ck.SlotID](d)
		case "ay":
			_, _ = d.Output(ck.Buffer{Null: true})
		case "aAu":
			_, _ = d.AttributeResults(nil)
		case "uu":
			d.Ulong()
			d.Ulong()
		case "u":
			d.Ulong()
		}
	}
}

func TestPanicEndsOneRequest(t *testing.T) {
	s := serve(t, Options{}, nil)
	c, _ := s.initialized(t)
	// The fake has no C_Logout.
	if err := c.call(p11rpc.CallLogout, sessionOf(1), nil); err != ck.CKR_GENERAL_ERROR {
		t.Fatalf("a call that panics: %v", err)
	}
	if err := c.call(p11rpc.CallGetInfo, nil, func(d *p11rpc.Decoder) { d.Info() }); err != nil {
		t.Fatalf("the call after it: %v", err)
	}
	if log := s.log.String(); !strings.Contains(log, "call=C_Logout") || !strings.Contains(log, "stack=") {
		t.Errorf("the log does not name call and stack:\n%s", log)
	}
}

func TestBadFrameEndsItsConnectionOnly(t *testing.T) {
	s := serve(t, Options{}, nil)
	good, _ := s.initialized(t)
	for name, frame := range map[string][]byte{
		"code 0":         {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"huge body":      {0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
		"huge options":   {0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
		"empty body":     {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0},
		"no such call":   {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 1, 0, 0, 0, 0, 0},
		"call error":     {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0},
		"bad signature":  {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 3, 0, 0, 0, 1, 'u'},
		"trailing bytes": {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 3, 0, 0, 0, 0, 1},
	} {
		c, app := s.initialized(t)
		_, err := c.sock.Write(frame)
		require.NoError(t, err)
		require.True(t, c.closedByServer(), "%s: the connection goes on", name)
		<-app.closed
	}
	if err := good.call(p11rpc.CallGetInfo, nil, func(d *p11rpc.Decoder) { d.Info() }); err != nil {
		t.Errorf("another connection: %v", err)
	}
	if n := strings.Count(s.log.String(), "violates the protocol"); n != 8 {
		t.Errorf("%d lines in the log about 8 connections:\n%s", n, s.log)
	}
}

func TestUnservableParameterKeepsTheConnection(t *testing.T) {
	s := serve(t, Options{}, func(f *fakeClient) {
		f.signInit = func(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return nil }
	})
	c, _ := s.initialized(t)
	// CKM_IBM_KYBER with a parameter, as the stock client would write it.
	frame := []byte{0, 0, 0, 0x99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(p11rpc.CallSignInit), 0, 0, 0, 3, 'u', 'M', 'u'}
	frame = append(frame, 0, 0, 0, 0, 0, 0, 0, 5, 0x80, 0x01, 0x00, 0x24, 1, 1, 2, 3, 4)
	frame[11] = byte(len(frame) - 12)
	_, err := c.sock.Write(frame)
	require.NoError(t, err)
	if _, err := c.answer(p11rpc.CallSignInit, nil); err != ck.CKR_MECHANISM_INVALID {
		t.Fatalf("got %v", err)
	}
	require.NoError(t, c.call(p11rpc.CallGetInfo, nil, func(d *p11rpc.Decoder) { d.Info() }))
}

func TestLimits(t *testing.T) {
	s := serve(t, Options{Places: budget.New("connections", budget.Limits{Total: 4, Each: 2})}, nil)
	a, _ := s.initialized(t)
	s.initialized(t)
	for range 3 {
		c := s.dial(t)
		// It says why, and to whatever is asked.
		if err := c.initialize(p11rpc.Magic); err != ck.CKR_DEVICE_MEMORY {
			t.Fatalf("a third connection answers %v", err)
		}
		if err := c.call(p11rpc.CallGetInfo, nil, nil); err != ck.CKR_DEVICE_MEMORY {
			t.Fatalf("and then %v", err)
		}
		c.sock.Close()
	}
	if n := strings.Count(s.log.String(), "refusing PKCS#11 connections"); n != 1 {
		t.Errorf("%d lines in the log about refusals, want 1", n)
	}
	a.sock.Close()
	// The server sees the end of a some time after; then there is room again.
	for {
		c := s.dial(t)
		if c.initialize(p11rpc.Magic) == nil {
			return
		}
		c.sock.Close()
	}
}

func TestShutdown(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	s := serve(t, Options{}, func(f *fakeClient) {
		f.genPair = func(ck.SessionHandle) error {
			close(started)
			<-release
			return nil
		}
	})
	idle, idleApp := s.initialized(t)
	busy, busyApp := s.initialized(t)
	busy.add(p11rpc.CallGenerateKeyPair, func(e *p11rpc.Encoder) {
		e.Ulong(1)
		e.Mechanism(&ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN})
		e.Template(nil)
		e.Template(nil)
	})
	busy.send()
	<-started
	down := make(chan error)
	go func() { down <- s.Shutdown(context.Background()) }()
	require.True(t, idle.closedByServer(), "the idle connection is open")
	<-idleApp.closed
	close(release)
	if _, err := busy.answer(p11rpc.CallGenerateKeyPair, func(d *p11rpc.Decoder) { d.Ulong(); d.Ulong() }); err != nil {
		t.Errorf("the call under way: %v", err)
	}
	require.NoError(t, <-down)
	<-busyApp.closed
}
