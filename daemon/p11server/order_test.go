package p11server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

func signRequest(h ck.SessionHandle, data []byte) func(*p11rpc.Encoder) {
	return func(e *p11rpc.Encoder) {
		e.Ulong(uint64(h))
		e.Data(data)
		e.Buffer(ck.Buffer{Len: 512})
	}
}

func signInitRequest(h ck.SessionHandle) func(*p11rpc.Encoder) {
	return func(e *p11rpc.Encoder) {
		e.Ulong(uint64(h))
		e.Mechanism(&ck.Mechanism{Type: ck.CKM_ECDSA})
		e.Ulong(42)
	}
}

// echo is a token that signs by repeating the data.
func echo(f *fakeClient) {
	f.signInit = func(h ck.SessionHandle, _ ck.Mechanism, k ck.ObjectHandle) error {
		f.note(fmt.Sprintf("init %d %d", h, k))
		return nil
	}
	f.sign = func(h ck.SessionHandle, data []byte, _ ck.Buffer) (ck.Output, error) {
		f.note(fmt.Sprintf("sign %d %s", h, data))
		out := bytes.Clone(data)
		return ck.Output{Data: out, Len: uint64(len(out))}, nil
	}
}

func readOutput(into *[]byte) func(*p11rpc.Decoder) {
	return func(d *p11rpc.Decoder) {
		out, _ := d.Output(ck.Buffer{Len: 1 << 20})
		*into = bytes.Clone(out.Data)
	}
}

func TestPipelinedRequests(t *testing.T) {
	s := serve(t, Options{}, echo)
	c, app := s.initialized(t)
	a := c.add(p11rpc.CallSignInit, signInitRequest(5))
	b := c.add(p11rpc.CallSign, signRequest(5, []byte("data")))
	c.send()
	code, err := c.answer(p11rpc.CallSignInit, nil)
	if err != nil || code != a {
		t.Fatalf("first answer: code %d, %v", code, err)
	}
	// Both answers came in one write.
	require.True(t, c.in.Ready(), "the second answer did not come with the first")
	var out []byte
	code, err = c.answer(p11rpc.CallSign, readOutput(&out))
	if err != nil || code != b || string(out) != "data" {
		t.Fatalf("second answer: code %d, %q, %v", code, out, err)
	}
	if got := app.seen(); !slices.Equal(got, []string{"init 5 42", "sign 5 data"}) {
		t.Errorf("the engine saw %q", got)
	}
}

// A request of a session waits for the one before it, also where that one is
// slow and done by another goroutine; other sessions do not wait.
func TestOrderWithinASession(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	s := serve(t, Options{}, func(f *fakeClient) {
		echo(f)
		f.login = func(h ck.SessionHandle, _ []byte) error {
			close(started)
			<-release
			f.note("login")
			return nil
		}
	})
	c, app := s.initialized(t)
	slow := c.add(p11rpc.CallLogin, func(e *p11rpc.Encoder) { e.Ulong(1); e.Ulong(1); e.Data([]byte("1234")) })
	after := c.add(p11rpc.CallSign, signRequest(1, []byte("after")))
	c.send()
	<-started
	other := c.add(p11rpc.CallSign, signRequest(2, []byte("other")))
	c.send()
	if code, err := c.answer(p11rpc.CallSign, readOutput(new([]byte))); err != nil || code != other {
		t.Fatalf("first answer is to %d (%v), want %d of the other session", code, err, other)
	}
	close(release)
	if code, err := c.answer(p11rpc.CallLogin, nil); err != nil || code != slow {
		t.Fatalf("second answer is to %d (%v)", code, err)
	}
	if code, err := c.answer(p11rpc.CallSign, readOutput(new([]byte))); err != nil || code != after {
		t.Fatalf("third answer is to %d (%v)", code, err)
	}
	if got := app.seen(); !slices.Equal(got, []string{"sign 2 other", "login", "sign 1 after"}) {
		t.Errorf("the engine saw %q", got)
	}
}

// A signature with a key that takes long is no other session's matter, and what
// was answered before it is not kept back.
func TestHeavyKeysHoldUpNobody(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	s := serve(t, Options{}, func(f *fakeClient) {
		echo(f)
		var told func(ck.SessionHandle, bool)
		f.onSlow = func(fn func(ck.SessionHandle, bool)) { told = fn }
		signInit, sign := f.signInit, f.sign
		f.signInit = func(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
			told(h, h == 1)
			return signInit(h, m, key)
		}
		f.sign = func(h ck.SessionHandle, data []byte, buf ck.Buffer) (ck.Output, error) {
			if h == 1 {
				close(started)
				<-release
			}
			return sign(h, data, buf)
		}
	})
	c, _ := s.initialized(t)
	begun := c.add(p11rpc.CallSignInit, signInitRequest(1))
	slow := c.add(p11rpc.CallSign, signRequest(1, []byte("slow")))
	c.send()
	if code, err := c.answer(p11rpc.CallSignInit, nil); err != nil || code != begun {
		t.Fatalf("first answer is to %d (%v)", code, err)
	}
	<-started
	for range 20 {
		var out []byte
		if err := c.call(p11rpc.CallSign, signRequest(2, []byte("other")), readOutput(&out)); err != nil || string(out) != "other" {
			t.Fatalf("another session: %q, %v", out, err)
		}
	}
	close(release)
	if code, err := c.answer(p11rpc.CallSign, readOutput(new([]byte))); err != nil || code != slow {
		t.Fatalf("last answer is to %d (%v)", code, err)
	}
}

// A random walk over sessions and calls, fast and slow: each session sees its
// requests in the order in which they were sent, and each answer is right.
func TestRandomOrder(t *testing.T) {
	const sessions, requests = 5, 3000
	var mu sync.Mutex
	last := make(map[ck.SessionHandle]int)
	step := func(h ck.SessionHandle, n int) {
		mu.Lock()
		defer mu.Unlock()
		require.Greater(t, n, last[h], "session %d saw request %d after %d", h, n, last[h])
		last[h] = n
	}
	number := func(data []byte) (n int) {
		fmt.Sscan(string(data), &n)
		return n
	}
	s := serve(t, Options{}, func(f *fakeClient) {
		f.login = func(h ck.SessionHandle, pin []byte) error { step(h, number(pin)); return nil }
		f.sign = func(h ck.SessionHandle, data []byte, _ ck.Buffer) (ck.Output, error) {
			step(h, number(data))
			return ck.Output{Data: bytes.Clone(data), Len: uint64(len(data))}, nil
		}
	})
	c, _ := s.initialized(t)
	rng := rand.New(rand.NewPCG(1, 2))
	type sent struct {
		call p11rpc.CallID
		data string
	}
	var wait sync.Mutex
	under := make(map[uint32]sent)
	go func() {
		for n := 1; n <= requests; n++ {
			h, data := ck.SessionHandle(1+rng.IntN(sessions)), fmt.Sprint(n)
			wait.Lock()
			if rng.IntN(4) == 0 {
				code := c.add(p11rpc.CallLogin, func(e *p11rpc.Encoder) { e.Ulong(uint64(h)); e.Ulong(1); e.Data([]byte(data)) })
				under[code] = sent{p11rpc.CallLogin, data}
			} else {
				under[c.add(p11rpc.CallSign, signRequest(h, []byte(data)))] = sent{p11rpc.CallSign, data}
			}
			wait.Unlock()
			if rng.IntN(3) > 0 || n == requests {
				c.send()
			}
		}
	}()
	for range requests {
		f, err := c.in.Next()
		require.NoError(t, err)
		wait.Lock()
		was, ok := under[f.Code]
		delete(under, f.Code)
		wait.Unlock()
		require.True(t, ok, "answer to request %d, which was not under way", f.Code)
		require.NoError(t, c.dec.Response(f.Body, was.call))
		if was.call == p11rpc.CallSign {
			if out, err := c.dec.Output(ck.Buffer{Len: 100}); err != nil || string(out.Data) != was.data {
				t.Fatalf("request %d: %q, %v, want %q", f.Code, out.Data, err, was.data)
			}
		}
	}
}

// Many threads share one connection, and many connections the server.
func TestManyConnections(t *testing.T) {
	s := serve(t, Options{}, echo)
	var wg sync.WaitGroup
	for i := range 16 {
		c, _ := s.initialized(t)
		wg.Go(func() {
			for n := range 200 {
				want := fmt.Appendf(nil, "%d-%d", i, n)
				var out []byte
				if err := c.call(p11rpc.CallSign, signRequest(ck.SessionHandle(i+1), want), readOutput(&out)); err != nil || !bytes.Equal(out, want) {
					t.Errorf("got %q, %v, want %q", out, err, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestWaiting(t *testing.T) {
	s := serve(t, Options{}, nil)
	c, app := s.initialized(t)
	wait := func(flags ck.Flags) func(*p11rpc.Encoder) {
		return func(e *p11rpc.Encoder) { e.Ulong(uint64(flags)) }
	}
	if err := c.call(p11rpc.CallWaitForSlotEvent, wait(ck.CKF_DONT_BLOCK), nil); err != ck.CKR_NO_EVENT {
		t.Fatalf("not blocking: %v", err)
	}
	for range maxWaits {
		c.add(p11rpc.CallWaitForSlotEvent, wait(0))
	}
	c.send()
	for len(app.seen()) < maxWaits { // until all wait
		if err := c.call(p11rpc.CallGetInfo, nil, func(d *p11rpc.Decoder) { d.Info() }); err != nil {
			t.Fatalf("a call while others wait: %v", err)
		}
	}
	if err := c.call(p11rpc.CallWaitForSlotEvent, wait(0), nil); err != ck.CKR_FUNCTION_FAILED {
		t.Errorf("one more than may wait: %v", err)
	}
	c.sock.Close()
	<-app.closed
	n := 0
	for _, what := range app.seen() {
		if what == "waited" {
			n++
		}
	}
	require.Equal(t, maxWaits, n, "%d calls ended with the connection, want %d", n, maxWaits)
}

// PINs do not stay in the memory that they were read into.
func TestRequestsAreWiped(t *testing.T) {
	var kept [][]byte
	s := serve(t, Options{}, func(f *fakeClient) {
		f.login = func(_ ck.SessionHandle, pin []byte) error { kept = append(kept, pin); return nil }
		f.sign = func(_ ck.SessionHandle, data []byte, _ ck.Buffer) (ck.Output, error) {
			kept = append(kept, data)
			return ck.Output{Data: []byte{1}, Len: 1}, nil
		}
	})
	c, _ := s.initialized(t)
	require.NoError(t, c.call(p11rpc.CallLogin, func(e *p11rpc.Encoder) { e.Ulong(1); e.Ulong(1); e.Data([]byte("123456")) }, nil))
	require.NoError(t, c.call(p11rpc.CallSign, signRequest(1, []byte("data")), readOutput(new([]byte))))
	c.sock.Close()
	s.forgetAll()
	for _, b := range kept {
		require.Equal(t, make([]byte, len(b)), b, "%q is still in memory", b)
	}
}

func TestAttributes(t *testing.T) {
	template := ck.EncodeTemplate(ck.Template{ck.Bool(ck.CKA_TOKEN, true), ck.String(ck.CKA_LABEL, "inner")})
	s := serve(t, Options{}, func(f *fakeClient) {
		f.attrs = func(q []ck.AttributeQuery) (r []ck.AttributeResult, err error) {
			for _, q := range q {
				switch {
				case q.Type == ck.CKA_VALUE:
					r = append(r, ck.AttributeResult{Type: q.Type, Len: ck.UnavailableInformation})
					err = ck.CKR_ATTRIBUTE_SENSITIVE
				case q.Type == ck.CKA_WRAP_TEMPLATE:
					if q.Null || q.Len < uint64(len(template)) {
						t.Errorf("query of a template with room for %v", q.Buffer)
					}
					r = append(r, ck.AttributeResult{Type: q.Type, Value: template, Len: uint64(len(template))})
				case q.Null:
					r = append(r, ck.AttributeResult{Type: q.Type, Len: 5})
				default:
					r = append(r, ck.AttributeResult{Type: q.Type, Value: []byte("label"), Len: 5})
				}
			}
			return r, err
		}
	})
	c, _ := s.initialized(t)
	queries := []ck.AttributeQuery{
		{Type: ck.CKA_LABEL, Buffer: ck.Buffer{Len: 10}},
		{Type: ck.CKA_VALUE, Buffer: ck.Buffer{Len: 10}},
		{Type: ck.CKA_LABEL, Buffer: ck.Buffer{Null: true}},
		{Type: ck.CKA_WRAP_TEMPLATE, Nested: []ck.AttributeQuery{{Buffer: ck.Buffer{Len: 1}}, {Buffer: ck.Buffer{Null: true}}}},
	}
	var got []ck.AttributeResult
	var rv error
	err := c.call(p11rpc.CallGetAttributeValue, func(e *p11rpc.Encoder) {
		e.Ulong(1)
		e.Ulong(2)
		e.AttributeQueries(queries)
	}, func(d *p11rpc.Decoder) { got, rv = d.AttributeResults(queries) })
	if err != nil || rv != ck.CKR_ATTRIBUTE_SENSITIVE {
		t.Fatalf("%v, code %v", err, rv)
	}
	if string(got[0].Value) != "label" || got[1].Len != ck.UnavailableInformation || got[2].Value != nil || got[2].Len != 5 {
		t.Errorf("got %+v", got)
	}
	inner := got[3].Nested
	if len(inner) != 2 || !bytes.Equal(inner[0].Value, []byte{1}) || inner[1].Value != nil || inner[1].Len != 5 || got[3].Len != 48 {
		t.Errorf("template arrived as %+v", got[3])
	}
}
