package p11rpc

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// seeds are bodies of every call in every version, one direction of them.
func seeds(t testing.TB, response bool) (list [][]byte) {
	t.Helper()
	for _, x := range readRecorded(t) {
		body := x.request
		if response {
			body = x.response
		}
		list = append(list, append([]byte{0}, body...))
	}
	for _, version := range Versions() {
		for _, id := range Calls(version) {
			for n := range 13 {
				sig := calls[id].Request
				if response {
					sig = calls[id].Response
				}
				e := Encoder{Version: version}
				e.begin(1, id, sig)
				require.NoError(t, writeAll(&e, sample(id, sig, response, n)))
				list = append(list, append([]byte{byte(slices.Index(Versions(), version))}, frameOf(t, e.Bytes()).Body...))
			}
		}
	}
	require.GreaterOrEqual(t, len(list), 13*4*int(CallDeriveKey2))
	return list
}

// depth2 returns a template that nests without end. In p11-kit such a template ran the
// decoder out of stack (CVE-2026-13757).
func depth2() []byte {
	b := []byte{2, 0, 0, 0, byte(CallCreateObject), 0, 0, 0, 3, 'u', 'a', 'A', 0, 0, 0, 0, 0, 0, 0, 1}
	for range 100_000 {
		b = append(b, 0, 0, 0, 1, 0x40, 0, 2, 0x11, 1, 0, 0, 0, 24)
	}
	return b
}

func TestDeepTemplateIsRefused(t *testing.T) {
	b := depth2()
	d := Decoder{Version: b[0]}
	_, err := d.Request(b[1:])
	require.NoError(t, err)
	d.Session()
	if d.Template(); !errors.Is(d.Err(), ErrMalformed) {
		t.Errorf("%v", d.Err())
	}
}

// Whatever arrives, reading it ends with values or with an error, and values
// that are written and read again are the same.

func FuzzRequest(f *testing.F) {
	for _, s := range seeds(f, false) {
		f.Add(s)
	}
	f.Add(depth2()[:2000])
	for _, m := range ours() {
		f.Add(append([]byte{3}, mechanismBody(f, m)...))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 {
			return
		}
		version := Versions()[in[0]%4]
		d := Decoder{Version: version}
		call, err := d.Request(in[1:])
		if err != nil {
			return
		}
		Peek(in[1:])
		values, err := readAll(&d, &body{})
		if err == nil {
			again(t, version, call, calls[call].Request, values, body{})
		}
	})
}

func FuzzResponse(f *testing.F) {
	for _, s := range seeds(f, true) {
		f.Add(s)
	}
	queries := sample(CallGetAttributeValue, "aAu", true, 0)[0].(result).queries
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 5 {
			return
		}
		version := Versions()[in[0]%4]
		d := Decoder{Version: version}
		call := min(CallID(in[4]), NumCalls-1)
		if err := d.Response(in[1:], call); err != nil {
			return
		}
		b := body{response: true, queries: queries, mech: ck.CKM_ECDH1_DERIVE}
		values, err := readAll(&d, &b)
		if err == nil {
			again(t, version, call, calls[call].Response, values, b)
		}
	})
}

// again writes values and reads them.
func again(t *testing.T, version byte, call CallID, sig string, values []any, b body) {
	t.Helper()
	e := Encoder{Version: version}
	e.begin(1, call, sig)
	if err := writeAll(&e, values); err != nil {
		require.False(t, errors.Is(err, ErrMalformed), "%v: what was read cannot be written", call)
		return // read leniently, such as the mechanism that has no form here
	}
	d := Decoder{Version: version}
	d.start(frameOf(t, e.Bytes()).Body, !b.response)
	got, err := readAll(&d, &b)
	require.NoError(t, err, "%v, %v", call, values)
	require.Equal(t, normalAll(values), normalAll(got), "%v", call)
}

func normalAll(values []any) (list []string) {
	for _, v := range values {
		list = append(list, normal(v))
	}
	return list
}

func FuzzReader(f *testing.F) {
	f.Add(append(header(1, 2, 3), 1, 2, 3, 4, 5), 1)
	f.Add(append(header(1, 0, MaxBody), 1, 2, 3), 5)
	f.Add(append(append(header(9, 0, 1), 7), header(8, 0, 0)...), 100)
	f.Fuzz(func(t *testing.T, wire []byte, step int) {
		r := NewReader(&stepReader{wire, max(step&0x1fff, 1)})
		for {
			frame, err := r.Next()
			if err != nil {
				return
			}
			require.NotZero(t, frame.Code, "frame %d with a body that was not sent", frame.Code)
			require.True(t, bytes.Contains(wire, frame.Body), "frame %d with a body that was not sent", frame.Code)
		}
	})
}

// stepReader gives at most step bytes at a time.
type stepReader struct {
	rest []byte
	step int
}

func (s *stepReader) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), s.step)], s.rest)
	s.rest = s.rest[n:]
	if n == 0 {
		return 0, errors.New("end")
	}
	return n, nil
}
