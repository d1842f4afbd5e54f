package p11rpc

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// The tests move bodies through the codec by their signatures: values are read
// into a list, and a list is written.

// shape is how the tests read and write one value of a signature.
type shape struct {
	letters string
	read    func(d *Decoder, b *body) any
	write   func(e *Encoder, v any)
}

// body is what the values of one body share.
type body struct {
	call     CallID
	response bool
	queries  []ck.AttributeQuery
	mech     ck.MechanismType
}

type count uint64  // a list of which only the number travels
type text struct { // a blank-padded text and the length of its field
	s string
	n int
}

var shapes = []shape{
	{"aAu", func(d *Decoder, b *body) any {
		r, err := d.AttributeResults(b.queries)
		return result{b.queries, r, ck.CodeOf(err)}
	}, func(e *Encoder, v any) { r := v.(result); e.AttributeResults(r.queries, r.results, r.rv) }},
	{"ay", func(d *Decoder, b *body) any {
		if b.response {
			out, _ := d.Output(ck.Buffer{Len: MaxBody})
			return out
		}
		return d.Data()
	}, func(e *Encoder, v any) {
		if out, ok := v.(ck.Output); ok {
			e.Output(out)
			return
		}
		e.Data(v.([]byte))
	}},
	{"au", func(d *Decoder, _ *body) any {
		list, n := UlongList[uint64](d)
		if list == nil {
			return count(n)
		}
		return list
	}, func(e *Encoder, v any) {
		if n, ok := v.(count); ok {
			e.UlongCount(uint64(n))
			return
		}
		Ulongs(e, v.([]uint64))
	}},
	{"aA", func(d *Decoder, _ *body) any { return d.Template() }, func(e *Encoder, v any) { e.Template(v.(ck.Template)) }},
	{"fA", func(d *Decoder, _ *body) any { return d.AttributeQueries() },
		func(e *Encoder, v any) { e.AttributeQueries(v.([]ck.AttributeQuery)) }},
	{"fy", func(d *Decoder, _ *body) any { return d.Buffer() }, func(e *Encoder, v any) { e.Buffer(v.(ck.Buffer)) }},
	{"fu", func(d *Decoder, _ *body) any { return count(d.UlongBuffer()) }, func(e *Encoder, v any) { e.UlongBuffer(uint64(v.(count))) }},
	{"u", func(d *Decoder, _ *body) any { return d.Ulong() }, func(e *Encoder, v any) { e.Ulong(v.(uint64)) }},
	{"y", func(d *Decoder, _ *body) any { return d.Byte() }, func(e *Encoder, v any) { e.Byte(v.(byte)) }},
	{"v", func(d *Decoder, _ *body) any { return d.version() }, func(e *Encoder, v any) { e.version(v.(ck.Version)) }},
	{"M", func(d *Decoder, b *body) any {
		m := d.Mechanism()
		if m != nil {
			b.mech = m.Type
		}
		return m
	}, func(e *Encoder, v any) { e.Mechanism(v.(*ck.Mechanism)) }},
	{"P", func(d *Decoder, b *body) any { d.ParameterUpdate(b.mech); return b.mech },
		func(e *Encoder, v any) { e.NoParameterUpdate(v.(ck.MechanismType)) }},
	{"s", func(d *Decoder, b *body) any {
		n := fieldLen(b.call, d.sig)
		return text{d.SpaceString(n), n}
	}, func(e *Encoder, v any) { t := v.(text); e.SpaceString(t.s, t.n) }},
	{"z", func(d *Decoder, _ *body) any { return d.ZeroString() }, func(e *Encoder, v any) { e.ZeroString(v.(string)) }},
}

type result struct {
	queries []ck.AttributeQuery
	results []ck.AttributeResult
	rv      ck.Error
}

// fieldLen is the length of the text that stands first in what is left of sig.
func fieldLen(call CallID, sig string) int {
	switch {
	case call == CallGetSlotInfo && len(sig) == len("ssuvv"):
		return 64
	case call == CallGetTokenInfo && len(sig) <= len("ssuuuuuuuuuuuvvs"):
		return 16
	}
	return 32
}

func shapeOf(sig string) shape {
	for _, s := range shapes {
		if strings.HasPrefix(sig, s.letters) {
			return s
		}
	}
	panic("no shape for " + sig)
}

// readAll reads every value of a body whose signature was read.
func readAll(d *Decoder, b *body) (values []any, err error) {
	b.call = d.call
	for d.err == nil && d.sig != "" {
		values = append(values, shapeOf(d.sig).read(d, b))
	}
	if d.err != nil {
		return nil, d.err
	}
	return values, d.Done()
}

// writeAll writes the values behind a Begin and ends the frame.
func writeAll(e *Encoder, values []any) error {
	for _, v := range values {
		if e.err == nil {
			shapeOf(e.sig).write(e, v)
		}
	}
	return e.End()
}

// frameOf is the frame in a buffer with one.
func frameOf(t testing.TB, wire []byte) Frame {
	t.Helper()
	f, err := NewReader(bytes.NewReader(bytes.Clone(wire))).Next()
	require.NoError(t, err)
	return f
}

// sample makes values for a signature, in variant n.
func sample(call CallID, sig string, response bool, n int) (values []any) {
	template := ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Bool(ck.CKA_TOKEN, true), ck.String(ck.CKA_LABEL, "häuschen"),
		ck.Bytes(ck.CKA_ID, nil), ck.Mechanisms(ck.CKA_ALLOWED_MECHANISMS, ck.CKM_RSA_PKCS, ck.CKM_ECDSA),
		ck.Bytes(ck.CKA_WRAP_TEMPLATE, ck.EncodeTemplate(ck.Template{ck.Bool(ck.CKA_SENSITIVE, true), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES)})),
		ck.Ulong(ck.CKA_OTP_LENGTH, uint64(6)), ck.Bool(ck.CKA_DESTROYABLE, true), ck.String(ck.CKA_START_DATE, "20261122"),
		ck.Bytes(ck.CKA_END_DATE, nil), ck.Bytes(ck.CKA_MODULUS_BITS, nil), ck.Bytes(ck.CKA_ENCRYPT, nil),
		ck.Mechanisms(ck.CKA_ALLOWED_MECHANISMS),
	}
	mechanisms := []*ck.Mechanism{
		{Type: ck.CKM_RSA_PKCS},
		{Type: ck.CKM_RSA_PKCS_PSS, Parameter: ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: 2, SLen: 32}},
		{Type: ck.CKM_RSA_PKCS_OAEP, Parameter: ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA_1, MGF: 1, Source: 1, SourceData: []byte("l")}},
		{Type: ck.CKM_AES_CBC_PAD, Parameter: ck.RawParameter("0123456789abcdef")},
		{Type: ck.CKM_AES_CTR, Parameter: ck.AESCtrParams{CounterBits: 32, CB: [16]byte{1, 2}}},
		{Type: ck.CKM_SHA256_HMAC_GENERAL, Parameter: ck.MACGeneralParams(12)},
		{Type: ck.CKM_SHA3_256_RSA_PKCS_PSS, Parameter: ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA3_256, MGF: 7, SLen: 32}},
		{Type: ck.CKM_EDDSA},
	}
	for sig != "" {
		s := shapeOf(sig)
		var v any
		switch s.letters {
		case "aAu":
			q := []ck.AttributeQuery{
				{Type: ck.CKA_LABEL, Buffer: ck.Buffer{Len: 20}}, {Type: ck.CKA_VALUE, Buffer: ck.Buffer{Len: 4}},
				{Type: ck.CKA_CLASS, Buffer: ck.Buffer{Len: 8}}, {Type: ck.CKA_ALLOWED_MECHANISMS, Buffer: ck.Buffer{Null: true}},
			}
			v = result{q, []ck.AttributeResult{
				{Type: ck.CKA_LABEL, Value: []byte("label"), Len: 5}, {Type: ck.CKA_VALUE, Len: ck.UnavailableInformation},
				{Type: ck.CKA_CLASS, Value: []byte{0, 0, 0, 0, 0, 0, 0, 3}, Len: 8}, {Type: ck.CKA_ALLOWED_MECHANISMS, Len: 16},
			}, ck.CKR_ATTRIBUTE_SENSITIVE}
		case "ay":
			data := [][]byte{[]byte("some bytes"), nil, {}}[n%3]
			v = data
			if response {
				if data == nil {
					data = []byte{}
				}
				v = ck.Output{Data: data, Len: uint64(len(data))}
			}
		case "au":
			v = []any{[]uint64{1, 2, 1 << 40}, count(3), []uint64{}}[n%3]
		case "aA":
			v = template[:n%(len(template)+1)]
		case "fA":
			v = []ck.AttributeQuery{{Type: ck.CKA_LABEL, Buffer: ck.Buffer{Len: 20}}, {Type: ck.CKA_ID, Buffer: ck.Buffer{Null: true}}}
		case "fy":
			v = []ck.Buffer{{Len: 100}, {Null: true}}[n%2]
		case "fu":
			v = count(n)
		case "u":
			v = uint64(n) << 33
		case "y":
			v = byte(n)
		case "v":
			v = ck.Version{Major: 3, Minor: byte(n)}
		case "M":
			v = mechanisms[n%len(mechanisms)]
		case "P":
			v = ck.CKM_ECDH1_DERIVE
		case "s":
			v = text{"some text", fieldLen(call, sig)}
		case "z":
			v = "label"
		}
		values = append(values, v)
		sig = sig[len(s.letters):]
	}
	return values
}

// normal makes nil and empty the same where the wire has no difference.
func normal(v any) string {
	return strings.NewReplacer("<nil>", "[]").Replace(fmt.Sprintf("%#v", deref(v)))
}

func deref(v any) any {
	if m, ok := v.(*ck.Mechanism); ok && m != nil {
		return *m
	}
	if t, ok := v.(ck.Template); ok {
		var out []string
		for _, a := range t {
			out = append(out, fmt.Sprintf("%v=%x", a.Type, a.Value))
		}
		return out
	}
	if b, ok := v.([]byte); ok {
		return fmt.Sprintf("%x", b)
	}
	return v
}

// Every call of the table goes through the codec in both directions and in
// every version, and arrives as it was.
func TestRoundTrip(t *testing.T) {
	for _, version := range Versions() {
		for _, id := range append([]CallID{CallError}, Calls(version)...) {
			for n := range 16 {
				if id != CallError {
					roundTrip(t, version, id, false, n)
				}
				roundTrip(t, version, id, true, n)
			}
		}
	}
}

func roundTrip(t *testing.T, version byte, id CallID, response bool, n int) {
	t.Helper()
	sig := calls[id].Request
	if response {
		sig = calls[id].Response
	}
	want := sample(id, sig, response, n)
	e, d := Encoder{Version: version}, Decoder{Version: version}
	e.begin(77, id, sig)
	require.NoError(t, writeAll(&e, want), "%v, %v", version, id)
	f := frameOf(t, e.Bytes())
	d.start(f.Body, !response)
	b := body{response: response}
	for _, v := range want {
		switch v := v.(type) {
		case result:
			b.queries = v.queries
		case ck.MechanismType:
			b.mech = v
		}
	}
	got, err := readAll(&d, &b)
	require.NoError(t, err, "%v, %v", version, id)
	require.EqualValues(t, 77, f.Code, "%v, %v", version, id)
	require.Len(t, got, len(want), "%v, %v", version, id)
	for i := range want {
		if g, w := normal(got[i]), normal(want[i]); g != w {
			t.Errorf("version %d, %v, value %d:\ngot  %s\nwant %s", version, id, i, g, w)
		}
	}
}

func TestNoMechanism(t *testing.T) {
	for _, version := range Versions()[1:] {
		e, d := Encoder{Version: version}, Decoder{Version: version}
		e.BeginRequest(1, CallSignInit)
		e.Ulong(5)
		e.Mechanism(nil)
		e.Ulong(0)
		require.NoError(t, e.End())
		_, err := d.Request(frameOf(t, e.Bytes()).Body)
		require.NoError(t, err)
		h, m, key := d.Session(), d.Mechanism(), d.Object()
		require.NoError(t, d.Done(), "%v", version)
		require.EqualValues(t, 5, h, "%v", version)
		require.Nil(t, m, "%v", version)
		require.EqualValues(t, 0, key, "%v", version)
	}
	e := Encoder{}
	e.BeginRequest(1, CallSignInit)
	e.Ulong(5)
	e.Mechanism(nil)
	e.Ulong(0)
	require.Equal(t, ck.CKR_FUNCTION_NOT_SUPPORTED, ck.CodeOf(e.End()))
}

// Pointers cannot travel as bytes of memory, so what the peer's version does
// not take apart is refused before it is sent.
func TestMechanismsThatCannotTravel(t *testing.T) {
	for _, tc := range []struct {
		version byte
		m       ck.Mechanism
		want    ck.Error
	}{
		{0, ck.Mechanism{Type: ck.CKM_AES_GCM, Parameter: ck.GCMParams{}}, ck.CKR_MECHANISM_INVALID},
		{0, ck.Mechanism{Type: ck.CKM_ECDH1_DERIVE, Parameter: ck.ECDH1DeriveParams{}}, ck.CKR_MECHANISM_INVALID},
		{2, ck.Mechanism{Type: ck.CKM_VENDOR_DEFINED + 0x10024}, ck.CKR_MECHANISM_INVALID},
		{2, ck.Mechanism{Type: 1 << 40}, ck.CKR_MECHANISM_INVALID},
		{2, ck.Mechanism{Type: ck.CKM_RSA_PKCS_PSS, Parameter: ck.RawParameter("x")}, ck.CKR_MECHANISM_PARAM_INVALID},
		{2, ck.Mechanism{Type: ck.CKM_XEDDSA, Parameter: ck.GCMParams{}}, ck.CKR_MECHANISM_INVALID},
		{Extended, ck.Mechanism{Type: ck.CKM_XEDDSA, Parameter: ck.RawParameter("x")}, ck.CKR_MECHANISM_INVALID},
		{Extended, ck.Mechanism{Type: ck.CKM_SHA3_256, Parameter: ck.RawParameter("x")}, ck.CKR_MECHANISM_PARAM_INVALID},
		{Extended, ck.Mechanism{Type: ck.CKM_SHA3_256, Parameter: ck.RawParameter{}}, ck.CKR_OK},
		{Extended, ck.Mechanism{Type: ck.CKM_AES_CBC, Parameter: ck.MACGeneralParams(1)}, ck.CKR_MECHANISM_PARAM_INVALID},
		{Extended, ck.Mechanism{Type: ck.CKM_AES_CBC, Parameter: ck.GCMParams{}}, ck.CKR_MECHANISM_PARAM_INVALID},
		{Extended, ck.Mechanism{Type: ck.CKM_AES_CBC, Parameter: ck.RawParameter(make([]byte, 17))}, ck.CKR_MECHANISM_PARAM_INVALID},
		{Extended, ck.Mechanism{Type: ck.CKM_SHA3_256_HMAC_GENERAL, Parameter: ck.RawParameter("x")}, ck.CKR_MECHANISM_PARAM_INVALID},
		{2, ck.Mechanism{Type: ck.CKM_EDDSA, Parameter: ck.EdDSAParams{}}, ck.CKR_MECHANISM_INVALID},
		{2, ck.Mechanism{Type: ck.CKM_EDDSA}, ck.CKR_OK},
		{Extended, ck.Mechanism{Type: ck.CKM_EDDSA}, ck.CKR_OK},
		{Extended, ck.Mechanism{Type: ck.CKM_EDDSA, Parameter: ck.CCMParams{}}, ck.CKR_MECHANISM_PARAM_INVALID},
		{Extended, ck.Mechanism{Type: ck.CKM_SP800_108_COUNTER_KDF, Parameter: ck.SP800108Params{Data: make([]ck.PRFData, 65)}}, ck.CKR_MECHANISM_PARAM_INVALID},
		{1, ck.Mechanism{Type: ck.CKM_RSA_PKCS_PSS}, ck.CKR_MECHANISM_PARAM_INVALID},
		{0, ck.Mechanism{Type: ck.CKM_AES_CTR, Parameter: ck.AESCtrParams{}}, ck.CKR_OK},
		{2, ck.Mechanism{Type: ck.CKM_AES_GCM, Parameter: ck.GCMParams{}}, ck.CKR_OK},
		{2, ck.Mechanism{Type: ck.CKM_AES_GCM}, ck.CKR_OK},
	} {
		e := Encoder{Version: tc.version}
		e.BeginRequest(1, CallEncryptInit)
		e.Ulong(5)
		e.Mechanism(&tc.m)
		e.Ulong(0)
		require.Equal(t, tc.want, ck.CodeOf(e.End()), "%v, %v", tc.version, tc.m)
		require.False(t, tc.want != ck.CKR_OK && len(e.Bytes()) != 0, "version %d, %v: %d bytes of a frame that failed", tc.version, tc.m, len(e.Bytes()))
	}
}

func TestOutputs(t *testing.T) {
	for _, tc := range []struct {
		sent ck.Output
		buf  ck.Buffer
		want ck.Output
		rv   ck.Error
	}{
		{ck.Output{Data: []byte("sig"), Len: 3}, ck.Buffer{Len: 3}, ck.Output{Data: []byte("sig"), Len: 3}, ck.CKR_OK},
		{ck.Output{Data: []byte("sig"), Len: 3}, ck.Buffer{Len: 2}, ck.Output{Len: 3}, ck.CKR_BUFFER_TOO_SMALL},
		{ck.Output{Len: 3}, ck.Buffer{Null: true}, ck.Output{Len: 3}, ck.CKR_OK},
		{ck.Output{Len: 3}, ck.Buffer{Len: 2}, ck.Output{Len: 3}, ck.CKR_BUFFER_TOO_SMALL},
		{ck.Output{Data: []byte{}}, ck.Buffer{}, ck.Output{Data: []byte{}}, ck.CKR_OK},
		{ck.Output{}, ck.Buffer{Len: 9}, ck.Output{Data: []byte{}}, ck.CKR_OK},
		{ck.Output{}, ck.Buffer{Null: true}, ck.Output{}, ck.CKR_OK},
	} {
		var e Encoder
		var d Decoder
		e.BeginResponse(1, CallSign)
		e.Output(tc.sent)
		require.NoError(t, e.End())
		require.NoError(t, d.Response(frameOf(t, e.Bytes()).Body, CallSign))
		got, err := d.Output(tc.buf)
		require.Equal(t, tc.rv, ck.CodeOf(err), "%v, %v", tc.sent, tc.buf)
		require.Equal(t, tc.want, got, "%v, %v", tc.sent, tc.buf)
		require.NoError(t, d.Done(), "%v, %v", tc.sent, tc.buf)
	}
}
