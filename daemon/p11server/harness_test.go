package p11server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// fakeClient is an application of a token that tests put together. Calls that
// it has no function for panic, because the interface in it is nil.
type fakeClient struct {
	Client
	peer record.Peer

	mu     sync.Mutex
	trace  []string
	closed chan struct{}

	cancelOnce sync.Once
	canceled   chan struct{}

	login    func(ck.SessionHandle, []byte) error
	sign     func(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error)
	onSlow   func(told func(ck.SessionHandle, bool))
	signInit func(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error
	genPair  func(ck.SessionHandle) error
	attrs    func([]ck.AttributeQuery) ([]ck.AttributeResult, error)
}

func (f *fakeClient) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trace = append(f.trace, what)
}

func (f *fakeClient) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.trace...)
}

func (f *fakeClient) Close() { close(f.closed) }

func (f *fakeClient) Cancel() {
	f.note("cancel")
	f.cancelOnce.Do(func() { close(f.canceled) })
}

func (f *fakeClient) GetInfo() ck.Info {
	return ck.Info{CryptokiVersion: ck.Version{Major: 3, Minor: 0}, ManufacturerID: "fake"}
}

func (f *fakeClient) GetSlotList(bool) ([]ck.SlotID, error) { return []ck.SlotID{7, 9}, nil }

func (f *fakeClient) GetSlotInfo(s ck.SlotID) (ck.SlotInfo, error) {
	if s != 7 {
		return ck.SlotInfo{}, ck.CKR_SLOT_ID_INVALID
	}
	return ck.SlotInfo{SlotDescription: "fake slot", ManufacturerID: "fake", Flags: ck.CKF_TOKEN_PRESENT}, nil
}

func (f *fakeClient) GetTokenInfo(ck.SlotID) (ck.TokenInfo, error) {
	return ck.TokenInfo{
		Label: "fake token", ManufacturerID: "fake", Model: "m", SerialNumber: "0123456789ABCDEF",
		Flags: ck.CKF_TOKEN_INITIALIZED | ck.CKF_LOGIN_REQUIRED, MaxPinLen: 64, MinPinLen: 4,
	}, nil
}

func (f *fakeClient) GetMechanismList(ck.SlotID) ([]ck.MechanismType, error) {
	return []ck.MechanismType{ck.CKM_ECDSA, ck.CKM_RSA_PKCS_PSS}, nil
}

func (f *fakeClient) GetMechanismInfo(ck.SlotID, ck.MechanismType) (ck.MechanismInfo, error) {
	return ck.MechanismInfo{MinKeySize: 256, MaxKeySize: 521, Flags: ck.CKF_SIGN}, nil
}

func (f *fakeClient) OpenSession(s ck.SlotID, _ ck.Flags) (ck.SessionHandle, error) {
	return ck.SessionHandle(s) + 100, nil
}

func (f *fakeClient) CloseSession(ck.SessionHandle) error { return nil }

func (f *fakeClient) EndAfterError(h ck.SessionHandle, flags ck.Flags) error {
	f.note(fmt.Sprintf("end %d %#x", h, uint64(flags)))
	return nil
}
func (f *fakeClient) CloseAllSessions(ck.SlotID) error { return nil }
func (f *fakeClient) FindObjectsFinal(ck.SessionHandle) error {
	return ck.CKR_OPERATION_NOT_INITIALIZED
}

func (f *fakeClient) OnSlow(told func(ck.SessionHandle, bool)) {
	if f.onSlow != nil {
		f.onSlow(told)
	}
}

func (f *fakeClient) Login(h ck.SessionHandle, _ ck.UserType, pin secret.Bytes) error {
	return f.login(h, pin)
}

func (f *fakeClient) SignInit(h ck.SessionHandle, m ck.Mechanism, k ck.ObjectHandle) error {
	return f.signInit(h, m, k)
}

func (f *fakeClient) Sign(h ck.SessionHandle, data []byte, b ck.Buffer) (ck.Output, error) {
	return f.sign(h, data, b)
}

func (f *fakeClient) GenerateKeyPair(h ck.SessionHandle, _ ck.Mechanism, _, _ ck.Template) (ck.ObjectHandle, ck.ObjectHandle, error) {
	return 1, 2, f.genPair(h)
}

func (f *fakeClient) GetAttributeValue(_ ck.SessionHandle, _ ck.ObjectHandle, q []ck.AttributeQuery) ([]ck.AttributeResult, error) {
	return f.attrs(q)
}

func (f *fakeClient) WaitForSlotEvent(ctx context.Context, dontBlock bool) (ck.SlotID, error) {
	if dontBlock {
		return 0, ck.CKR_NO_EVENT
	}
	f.note("wait")
	select {
	case <-ctx.Done():
		f.note("waited")
		return 0, ck.CKR_FUNCTION_CANCELED
	case <-f.closed:
	}
	return 0, ck.CKR_CRYPTOKI_NOT_INITIALIZED
}

// logBuffer collects the log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// served is a running server with its log and the applications that began.
type served struct {
	*Server
	path    string
	log     *logBuffer
	clients chan *fakeClient
	setUp   func(*fakeClient)
}

func serve(t testing.TB, opts Options, setUp func(*fakeClient)) *served {
	t.Helper()
	s := &served{
		path: filepath.Join(t.TempDir(), "p11.sock"), log: new(logBuffer),
		clients: make(chan *fakeClient, 1024), setUp: setUp,
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s.Server = New(func(p record.Peer) Client {
		f := &fakeClient{peer: p, closed: make(chan struct{}), canceled: make(chan struct{})}
		if s.setUp != nil {
			s.setUp(f)
		}
		s.clients <- f
		return f
	}, opts)
	l, err := net.Listen("unix", s.path)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		s.running.Wait()
	})
	return s
}

// caller is a client of the protocol for tests.
type caller struct {
	t    testing.TB
	sock *net.UnixConn
	in   *p11rpc.Reader
	enc  p11rpc.Encoder
	dec  p11rpc.Decoder
	code uint32
}

func (s *served) dial(t testing.TB) *caller {
	t.Helper()
	return s.dialVersion(t, p11rpc.MaxVersion)
}

func (s *served) dialVersion(t testing.TB, version byte) *caller {
	t.Helper()
	nc, err := net.Dial("unix", s.path)
	require.NoError(t, err)
	t.Cleanup(func() { nc.Close() })
	v, err := p11rpc.Offer(nc, version)
	require.NoError(t, err)
	c := &caller{t: t, sock: nc.(*net.UnixConn), in: p11rpc.NewReader(nc), code: 0x10}
	c.enc.Version, c.dec.Version = v, v
	return c
}

// initialized is dial and C_Initialize.
func (s *served) initialized(t testing.TB) (*caller, *fakeClient) {
	t.Helper()
	c := s.dial(t)
	require.NoError(t, c.initialize(p11rpc.Magic))
	return c, <-s.clients
}

func (c *caller) initialize(magic string) error {
	return c.call(p11rpc.CallInitialize, func(e *p11rpc.Encoder) {
		e.Data([]byte(magic))
		e.Byte(0)
		e.Data([]byte{0})
	}, nil)
}

// add puts a request behind those that wait to be sent and returns its code.
func (c *caller) add(call p11rpc.CallID, write func(*p11rpc.Encoder)) uint32 {
	c.t.Helper()
	c.code++
	c.enc.BeginRequest(c.code, call)
	if write != nil {
		write(&c.enc)
	}
	require.NoError(c.t, c.enc.End())
	return c.code
}

func (c *caller) send() {
	c.t.Helper()
	_, err := c.sock.Write(c.enc.Bytes())
	require.NoError(c.t, err)
	c.enc.Reset()
}

// answer reads one answer; it must be to call.
func (c *caller) answer(call p11rpc.CallID, read func(*p11rpc.Decoder)) (uint32, error) {
	f, err := c.in.Next()
	if err != nil {
		return 0, err
	}
	if err := c.dec.Response(f.Body, call); err != nil {
		return f.Code, err
	}
	if read != nil {
		read(&c.dec)
	}
	return f.Code, c.dec.Done()
}

func (c *caller) call(call p11rpc.CallID, write func(*p11rpc.Encoder), read func(*p11rpc.Decoder)) error {
	code := c.add(call, write)
	c.send()
	got, err := c.answer(call, read)
	if err == nil && got != code {
		c.t.Fatalf("%v: answer to request %d, want %d", call, got, code)
	}
	return err
}

func sessionOf(h ck.SessionHandle) func(*p11rpc.Encoder) {
	return func(e *p11rpc.Encoder) { e.Ulong(uint64(h)) }
}

// closedByServer reports whether the server ended the connection.
func (c *caller) closedByServer() bool {
	_, err := c.in.Next()
	return err == io.EOF
}

// forgetAll waits until every connection has ended.
func (s *served) forgetAll() { s.running.Wait() }
