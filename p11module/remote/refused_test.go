package remote

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// errByDaemon is a code that the client itself never returns.
const errByDaemon = ck.CKR_NEW_PIN_MODE

// argumentsOf are arguments for a method of the client: a session for a handle, a mechanism where
// one belongs, no memory for outputs, and else zeros.
func argumentsOf(method reflect.Value, h ck.SessionHandle) (in []reflect.Value) {
	for i := range method.Type().NumIn() {
		t := method.Type().In(i)
		switch t {
		case reflect.TypeFor[ck.SessionHandle]():
			in = append(in, reflect.ValueOf(h))
		case reflect.TypeFor[*ck.Mechanism]():
			in = append(in, reflect.ValueOf(&ck.Mechanism{Type: ck.CKM_ECDSA}))
		case reflect.TypeFor[*ck.MessageParams]():
			in = append(in, reflect.ValueOf(&ck.MessageParams{Mechanism: ck.CKM_AES_GCM}))
		case reflect.TypeFor[*ck.WrapParams]():
			in = append(in, reflect.ValueOf(wrapParams()))
		case reflect.TypeFor[[]byte]():
			in = append(in, reflect.ValueOf([]byte{1}))
		case reflect.TypeFor[Out]():
			in = append(in, reflect.ValueOf(Out{Null: true}))
		default:
			in = append(in, reflect.Zero(t))
		}
	}
	return in
}

// byItself are the methods that answer without the daemon here, with what they return.
var byItself = map[string]error{
	"GetInfo":               nil,
	"FindObjects":           ck.CKR_OPERATION_NOT_INITIALIZED,
	"FindObjectsFinal":      ck.CKR_OPERATION_NOT_INITIALIZED,
	"VerifySignature":       ck.CKR_OPERATION_NOT_INITIALIZED,
	"VerifySignatureFinal":  ck.CKR_OPERATION_NOT_INITIALIZED,
	"VerifySignatureUpdate": ck.CKR_OPERATION_NOT_INITIALIZED,
}

// callEach calls every method that returns an error, each on a session of a new client whose
// daemon answers with answer, and leaves out one.
func callEach(t *testing.T, without string, answer func(f *fakeConn, code uint32), check func(name string, err error)) {
	t.Helper()
	client := reflect.TypeFor[*Client]()
	called := 0
	for i := range client.NumMethod() {
		m := client.Method(i)
		if n := m.Type.NumOut(); n == 0 || m.Type.Out(n-1) != reflect.TypeFor[error]() || m.Name == without {
			continue
		}
		d := startFake(t)
		d.mu.Lock()
		d.newest = p11rpc.Extended
		d.mu.Unlock()
		c := d.client(patience)
		h := openSession(t, c)
		d.handle(func(f *fakeConn, code uint32, _ p11rpc.CallID, _ *p11rpc.Decoder) bool {
			answer(f, code)
			return true
		})
		method := reflect.ValueOf(c).Method(i)
		out := method.Call(argumentsOf(method, h))
		err, _ := out[len(out)-1].Interface().(error)
		check(m.Name, err)
		called++
	}
	require.Greater(t, called, 80)
}

// A call that the daemon refuses returns the daemon's code.
func TestRefusedCalls(t *testing.T) {
	refuse := func(f *fakeConn, code uint32) { f.refuse(code, errByDaemon) }
	callEach(t, "", refuse, func(name string, err error) {
		if want, is := byItself[name]; is {
			require.Equal(t, want, err, name)
			return
		}
		require.ErrorIs(t, err, errByDaemon, name)
	})
}

// An answer with a byte after its last value is not the protocol: it is no code of the daemon's.
// C_WaitForSlotEvent goes on to wait for a daemon that speaks it.
func TestAnswersWithTrailingByte(t *testing.T) {
	answer := func(f *fakeConn, code uint32) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.enc.Error(code, errByDaemon)
		wire := append(bytes.Clone(f.enc.Bytes()), 0)
		wire[11]++ // the length of the body, whose last byte is far from full
		_, _ = f.Write(wire)
		f.enc.Reset()
	}
	callEach(t, "WaitForSlotEvent", answer, func(name string, err error) {
		if _, is := byItself[name]; !is {
			require.Equal(t, ck.CKR_DEVICE_ERROR, ck.CodeOf(err), "%s: %v", name, err)
		}
	})
}

// A handle is given once.
func TestHandlesOfSessions(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	first, second := openSession(t, c), openSession(t, c)
	require.Greater(t, second, first)
	require.NoError(t, c.CloseSession(second))
	require.Greater(t, openSession(t, c), second)
}

// A template that no frame holds starts no search.
func TestSearchForTooMuch(t *testing.T) {
	d := startFake(t)
	serveSearch(d, 3)
	c := d.client(patience)
	h := openSession(t, c)
	large := ck.Template{ck.Bytes(ck.CKA_LABEL, make([]byte, p11rpc.MaxBody+1))}
	require.Equal(t, ck.CKR_DATA_LEN_RANGE, ck.CodeOf(c.FindObjectsInit(h, large)))
	_, err := c.FindObjects(h, 1)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	require.NotContains(t, d.seen(), p11rpc.CallFindObjectsInit)
}
