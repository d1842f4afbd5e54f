package p11rpc

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// raw is the body of a call with values in the order of the wire: a byte, a uint32, a uint64,
// or bytes as they are.
func raw(call CallID, sig string, values ...any) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(call))
	b = binary.BigEndian.AppendUint32(b, uint32(len(sig)))
	b = append(b, sig...)
	for _, v := range values {
		switch v := v.(type) {
		case byte:
			b = append(b, v)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, v)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, v)
		case []byte:
			b = append(b, v...)
		default:
			panic("raw: a value of no kind")
		}
	}
	return b
}

// u32 is a count, a length or a type on the wire.
func u32[T ~int | ~uint32 | ~uint64](n T) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(n))
}

// join puts the parts of a value together.
func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

const absent = "\x00\x00\x01\x02\x00" // CKA_ID without a length

// Templates that a peer may send: the protocol decides about their form, and attributes that
// cannot be served have a code of their own.
func TestTemplatesFromWire(t *testing.T) {
	nested := func(n int) []byte {
		b := append(u32(1), u32(ck.CKA_WRAP_TEMPLATE)...)
		b = append(append(append(b, 1), u32(n*hostAttribute)...), u32(n)...)
		for range n {
			b = append(b, "\x00\x00\x01\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00"...)
		}
		return b
	}
	one := func(typ ck.AttributeType, rest ...[]byte) []byte {
		return append(append(u32(1), u32(typ)...), join(rest...)...)
	}
	there, number := []byte{1}, []byte{0, 0, 0, 0, 0, 0, 0, 3}
	for _, c := range []struct {
		name string
		wire []byte
		want any // the value of the only attribute, a code, or ErrMalformed
	}{
		{"as many as are allowed", append(u32(MaxAttributes), bytes.Repeat([]byte(absent), MaxAttributes)...),
			ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"one too many", append(u32(MaxAttributes+1), bytes.Repeat([]byte(absent), MaxAttributes+1)...), ErrMalformed},
		{"more than there are bytes for", append(u32(2), absent+"\x00\x00\x01\x02"...), ErrMalformed},
		{"no value", []byte("\x00\x00\x00\x01" + absent), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"a length and no bytes", one(ck.CKA_ID, there, u32(3), u32(none)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"no length and no bytes", one(ck.CKA_ID, there, u32(0), u32(none)), []byte(nil)},
		{"another length", one(ck.CKA_ID, there, u32(2), u32(3), []byte("abc")), ErrMalformed},
		{"bytes", one(ck.CKA_ID, there, u32(3), u32(3), []byte("abc")), []byte("abc")},
		{"a flag", one(ck.CKA_TOKEN, there, u32(1), []byte{1}), []byte{1}},
		{"a flag of two bytes", one(ck.CKA_TOKEN, there, u32(2), []byte{1}), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"an empty flag", one(ck.CKA_TOKEN, there, u32(0), []byte{1}), []byte{}},
		{"a flag that is cut off", one(ck.CKA_TOKEN, there, u32(1)), ErrMalformed},
		{"an empty flag that is cut off", one(ck.CKA_TOKEN, there, u32(0)), ErrMalformed},
		{"an empty number", one(ck.CKA_CLASS, there, u32(0), number), []byte{}},
		{"mechanisms", one(ck.CKA_ALLOWED_MECHANISMS, there, u32(8), u32(1), number), number},
		{"mechanisms of a 32-bit host", one(ck.CKA_ALLOWED_MECHANISMS, there, u32(4), u32(1), number), number},
		{"mechanisms and another length", one(ck.CKA_ALLOWED_MECHANISMS, there, u32(6), u32(1), number), ErrMalformed},
		{"no mechanisms", one(ck.CKA_ALLOWED_MECHANISMS, there, u32(0), u32(0)), []byte{}},
		{"a length of mechanisms alone", one(ck.CKA_ALLOWED_MECHANISMS, there, u32(1), u32(0)),
			ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"mechanisms that are cut off", one(ck.CKA_ALLOWED_MECHANISMS, there, u32(16), u32(2), number), ErrMalformed},
		{"no mechanisms, cut off", one(ck.CKA_ALLOWED_MECHANISMS, there, u32(0)), ErrMalformed},
		{"a template", nested(1), ck.EncodeTemplate(ck.Template{ck.Bytes(ck.CKA_ID, nil)})},
		{"an empty template", nested(0), []byte{}},
		{"as many inside as are allowed", nested(ck.MaxNested),
			bytes.Repeat(ck.EncodeTemplate(ck.Template{ck.Bytes(ck.CKA_ID, nil)}), ck.MaxNested)},
		{"one too many inside", nested(ck.MaxNested + 1), ErrMalformed},
		{"the length of a template alone", one(ck.CKA_WRAP_TEMPLATE, there, u32(hostAttribute), u32(0)),
			ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"an inner attribute without a value", one(ck.CKA_WRAP_TEMPLATE, there, u32(hostAttribute), u32(1), []byte(absent)),
			ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"a template in a template",
			one(ck.CKA_WRAP_TEMPLATE, there, u32(hostAttribute), u32(1), nested(1)[4:]), ErrMalformed},
	} {
		var d Decoder
		_, err := d.Request(raw(CallFindObjectsInit, "uaA", uint64(5), c.wire))
		require.NoError(t, err, c.name)
		require.EqualValues(t, 5, d.Session(), c.name)
		got := d.Template()
		err = d.Done()
		switch want := c.want.(type) {
		case ck.Error:
			require.NotErrorIs(t, err, ErrMalformed, c.name)
			require.Equal(t, want, ck.CodeOf(err), "%s: %v", c.name, err)
			require.Empty(t, got, c.name)
		case error:
			require.ErrorIs(t, err, want, c.name)
			require.Empty(t, got, c.name)
		case []byte:
			require.NoError(t, err, c.name)
			require.Len(t, got, 1, c.name)
			require.Equal(t, want, got[0].Value, c.name)
		}
	}
}

// Templates that cannot travel, and those at the edge that can.
func TestTemplatesThatCannotTravel(t *testing.T) {
	same := func(n int, a ck.Attribute) (list ck.Template) {
		for range n {
			list = append(list, a)
		}
		return list
	}
	id := ck.String(ck.CKA_ID, "x")
	for _, c := range []struct {
		name     string
		template ck.Template
		want     ck.Error
	}{
		{"as many as are allowed", same(MaxAttributes, id), ck.CKR_OK},
		{"one too many", same(MaxAttributes+1, id), ck.CKR_ARGUMENTS_BAD},
		{"the largest type", ck.Template{ck.String(1<<32-1, "x")}, ck.CKR_OK},
		{"a type that is too large", ck.Template{ck.String(1<<32, "x")}, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"a number of nine bytes", ck.Template{ck.Bytes(ck.CKA_CLASS, make([]byte, 9))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"a number of eight bytes", ck.Template{ck.Bytes(ck.CKA_CLASS, make([]byte, 8))}, ck.CKR_OK},
		{"no template inside", ck.Template{ck.String(ck.CKA_WRAP_TEMPLATE, "nonsense")}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"a template in a template", ck.Template{ck.Bytes(ck.CKA_WRAP_TEMPLATE,
			ck.EncodeTemplate(ck.Template{ck.Bytes(ck.CKA_UNWRAP_TEMPLATE, nil)}))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"a value that fits no frame", ck.Template{ck.Bytes(ck.CKA_ID, make([]byte, MaxBody+1))}, ck.CKR_DATA_LEN_RANGE},
		{"a value that fits no frame with the rest", ck.Template{ck.Bytes(ck.CKA_ID, make([]byte, MaxBody-1))},
			ck.CKR_DATA_LEN_RANGE},
	} {
		var e Encoder
		e.BeginRequest(1, CallFindObjectsInit)
		e.Ulong(5)
		e.Template(c.template)
		require.Equal(t, c.want, ck.CodeOf(e.End()), c.name)
		if c.want != ck.CKR_OK {
			require.Empty(t, e.Bytes(), c.name)
			continue
		}
		var d Decoder
		_, err := d.Request(frameOf(t, e.Bytes()).Body)
		require.NoError(t, err, c.name)
		d.Session()
		require.Equal(t, c.template, d.Template(), c.name)
		require.NoError(t, d.Done(), c.name)
	}
}

// A number that the caller gave fewer bytes comes as the number that they are.
func TestShortNumber(t *testing.T) {
	var e Encoder
	e.BeginRequest(1, CallFindObjectsInit)
	e.Ulong(5)
	e.Template(ck.Template{ck.Bytes(ck.CKA_CLASS, []byte{0, 0, 1, 3})})
	require.NoError(t, e.End())
	var d Decoder
	_, err := d.Request(frameOf(t, e.Bytes()).Body)
	require.NoError(t, err)
	d.Session()
	require.Equal(t, ck.Template{ck.Ulong(ck.CKA_CLASS, uint64(0x103))}, d.Template())
	require.NoError(t, d.Done())
}

// Bodies whose form breaks the protocol before the first value.
func TestBodiesOfNoCall(t *testing.T) {
	for name, body := range map[string][]byte{
		"nothing":               nil,
		"half a number":         {0, 0},
		"a call and no more":    u32(CallFinalize),
		"a number of no call":   raw(NumCalls, ""),
		"a number between ours": raw(CallDeriveKey2+1, ""),
		"another signature":     raw(CallLogout, "y", byte(1)),
		"no signature":          append(u32(CallFinalize), u32(none)...),
	} {
		var d Decoder
		_, err := d.Request(body)
		require.ErrorIs(t, err, ErrMalformed, name)
		require.ErrorIs(t, d.Err(), ErrMalformed, name)
		require.ErrorIs(t, d.Done(), ErrMalformed, name)
	}
	for name, body := range map[string][]byte{
		"nothing":             nil,
		"an error that is OK": raw(CallError, "u", uint64(ck.CKR_OK)),
		"half an error":       raw(CallError, "u", uint32(5)),
		"another call":        raw(CallLogout, ""),
		"another signature":   raw(CallFinalize, "u", uint64(0)),
	} {
		var d Decoder
		require.ErrorIs(t, d.Response(body, CallFinalize), ErrMalformed, name)
	}
}

// Parameters of mechanisms that a peer may send.
func TestMechanismsFromWire(t *testing.T) {
	const kyber = ck.CKM_VENDOR_DEFINED + 0x10024
	number, sixteen := []byte{0, 0, 0, 0, 0, 0, 0, 16}, []byte{16, 0, 0, 0, 0, 0, 0, 0} // on the wire, in memory
	block := []byte("0123456789abcdef")
	parts := func(n int) []byte {
		b := append(append(u32(ck.CKM_HOTP), 1), u32(n)...)
		for range n {
			b = append(append(b, number...), u32(0)...)
		}
		return b
	}
	for _, c := range []struct {
		name    string
		version byte
		wire    []byte
		want    any // a parameter, a code, or ErrMalformed
	}{
		{"counter", 1, join(u32(ck.CKM_AES_CTR), number, u32(16), block),
			ck.AESCtrParams{CounterBits: 16, CB: [16]byte(block)}},
		{"counter that is short", 1, join(u32(ck.CKM_AES_CTR), number, u32(15), block[:15]),
			ck.CKR_MECHANISM_PARAM_INVALID},
		{"counter in memory", 0, join(u32(ck.CKM_AES_CTR), u32(24), sixteen, block),
			ck.AESCtrParams{CounterBits: 16, CB: [16]byte(block)}},
		{"counter in short memory", 0, join(u32(ck.CKM_AES_CTR), u32(8), number), ck.RawParameter(number)},
		{"PSS in short memory", 0, join(u32(ck.CKM_SHA256_RSA_PKCS_PSS), u32(8), number), ck.RawParameter(number)},
		{"a length in memory", 0, join(u32(ck.CKM_SHA256_HMAC_GENERAL), u32(8), sixteen),
			ck.MACGeneralParams(16)},
		{"a length in short memory", 0, join(u32(ck.CKM_SHA256_HMAC_GENERAL), u32(4), []byte{16, 0, 0, 0}),
			ck.RawParameter([]byte{16, 0, 0, 0})},
		{"24 bytes of no structure", 0, join(u32(ck.CKM_AES_CBC), u32(24), make([]byte, 24)),
			ck.RawParameter(make([]byte, 24))},
		{"8 bytes of no structure", 0, join(u32(ck.CKM_DES3_CBC), u32(8), number), ck.RawParameter(number)},
		{"one of IBM's", 2, join(u32(kyber), []byte{1}, number), ck.CKR_MECHANISM_INVALID},
		{"as many parts as are allowed", Extended, parts(maxParts), nil},
		{"one too many", Extended, parts(maxParts + 1), ErrMalformed},
		{"parts that are not there", Extended, parts(3)[:20], ErrMalformed},
		{"no mechanism number", 2, []byte{0, 0}, ErrMalformed},
	} {
		d := Decoder{Version: c.version}
		_, err := d.Request(raw(CallDigestInit, "uM", uint64(5), c.wire))
		require.NoError(t, err, c.name)
		d.Session()
		m := d.Mechanism()
		err = d.Done()
		switch want := c.want.(type) {
		case ck.Error:
			require.NotErrorIs(t, err, ErrMalformed, c.name)
			require.Equal(t, want, ck.CodeOf(err), c.name)
			require.Nil(t, m, c.name)
		case error:
			require.ErrorIs(t, err, want, c.name)
			require.Nil(t, m, c.name)
		case nil:
			require.NoError(t, err, c.name)
			require.Len(t, m.Parameter, maxParts, c.name)
		default:
			require.NoError(t, err, c.name)
			require.Equal(t, want, m.Parameter, c.name)
		}
	}
}

// A parameter of as many parts as are allowed is written, and one of none.
func TestPartsOfParameters(t *testing.T) {
	for _, p := range []ck.Parameter{
		ck.OTPParams{}, make(ck.OTPParams, maxParts), ck.SP800108Params{},
		ck.SP800108Params{Data: make([]ck.PRFData, 1)}, ck.SP800108Params{Data: make([]ck.PRFData, maxParts)},
	} {
		m := ck.Mechanism{Type: ck.CKM_HOTP, Parameter: p}
		if _, ok := p.(ck.SP800108Params); ok {
			m.Type = ck.CKM_SP800_108_COUNTER_KDF
		}
		d := Decoder{Version: Extended}
		_, err := d.Request(mechanismBody(t, m))
		require.NoError(t, err)
		d.Session()
		require.Equal(t, &m, d.Mechanism())
		d.Object()
		require.NoError(t, d.Done())
	}
	e := Encoder{Version: Extended}
	e.BeginRequest(1, CallDigestInit)
	e.Ulong(1)
	e.Mechanism(&ck.Mechanism{Type: ck.CKM_HOTP, Parameter: make(ck.OTPParams, maxParts+1)})
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(e.End()))
}

// The memory that a caller offers travels with its size. Version 0 cannot tell memory of size 0
// from none, and an answer is never larger than a frame.
func TestBuffers(t *testing.T) {
	for _, c := range []struct {
		version    byte
		sent, want ck.Buffer
	}{
		{0, ck.Buffer{}, ck.Buffer{Null: true}},
		{1, ck.Buffer{}, ck.Buffer{}},
		{Extended, ck.Buffer{}, ck.Buffer{}},
		{1, ck.Buffer{Null: true, Len: 9}, ck.Buffer{Null: true}},
		{0, ck.Buffer{Len: 1}, ck.Buffer{Len: 1}},
		{0, ck.Buffer{Len: MaxBody}, ck.Buffer{Len: MaxBody}},
		{0, ck.Buffer{Len: MaxBody + 1}, ck.Buffer{Len: MaxBody}},
		{2, ck.Buffer{Len: 1 << 40}, ck.Buffer{Len: MaxBody}},
	} {
		e, d := Encoder{Version: c.version}, Decoder{Version: c.version}
		e.BeginRequest(1, CallGenerateRandom)
		e.Ulong(5)
		e.Buffer(c.sent)
		require.NoError(t, e.End())
		_, err := d.Request(frameOf(t, e.Bytes()).Body)
		require.NoError(t, err)
		d.Session()
		require.Equal(t, c.want, d.Buffer(), "version %d, %+v", c.version, c.sent)
		require.NoError(t, d.Done())
	}

	for n, want := range map[uint32]ck.Buffer{
		none: {Len: MaxBody}, MaxBody + 1: {Len: MaxBody}, 7: {Len: 7}, 0: {Null: true},
	} {
		var d Decoder
		_, err := d.Request(raw(CallGenerateRandom, "ufy", uint64(5), n))
		require.NoError(t, err)
		d.Session()
		require.Equal(t, want, d.Buffer(), "%d", n)
	}

	for sent, want := range map[uint64]uint64{
		0: 0, 3: 3, MaxBody / 8: MaxBody / 8, MaxBody/8 + 1: MaxBody / 8, 1 << 50: MaxBody / 8,
	} {
		var e Encoder
		var d Decoder
		e.BeginRequest(1, CallFindObjects)
		e.Ulong(5)
		e.UlongBuffer(sent)
		require.NoError(t, e.End())
		_, err := d.Request(frameOf(t, e.Bytes()).Body)
		require.NoError(t, err)
		d.Session()
		require.Equal(t, want, d.UlongBuffer(), "%d", sent)
	}
	var d Decoder
	_, err := d.Request(raw(CallFindObjects, "ufu", uint64(5), uint32(none)))
	require.NoError(t, err)
	d.Session()
	require.EqualValues(t, MaxBody/8, d.UlongBuffer())
}

// Lists and texts that are not as long as they say.
func TestListsFromWire(t *testing.T) {
	var d Decoder
	two := append(make([]byte, 15), 9)
	require.NoError(t, d.Response(raw(CallGetSlotList, "au", byte(1), uint32(2), two), CallGetSlotList))
	list, n := UlongList[ck.SlotID](&d)
	require.NoError(t, d.Done())
	require.Equal(t, []ck.SlotID{0, 9}, list)
	require.EqualValues(t, 2, n)

	require.NoError(t, d.Response(raw(CallGetSlotList, "au", byte(1), uint32(2), two[1:]), CallGetSlotList))
	list, n = UlongList[ck.SlotID](&d)
	require.ErrorIs(t, d.Done(), ErrMalformed)
	require.Nil(t, list)
	require.Zero(t, n)

	text := bytes.Repeat([]byte(" "), 32)
	for length, ok := range map[int]bool{31: false, 32: true} {
		version := []byte{3, 2}
		require.NoError(t, d.Response(raw(CallGetInfo, "vsusv", version, uint32(length), text[:length], uint64(1),
			uint32(32), text, version), CallGetInfo))
		info := d.Info()
		require.Equal(t, ok, d.Done() == nil, "%d", length)
		require.Equal(t, ok, info.Flags == 1, "%d", length)
	}

	// The answer to a size query may be that there is nothing.
	require.NoError(t, d.Response(raw(CallSign, "ay", byte(0), uint32(0)), CallSign))
	out, err := d.Output(ck.Buffer{Len: 9})
	require.NoError(t, err)
	require.Equal(t, ck.Output{Data: []byte{}}, out)
	require.NoError(t, d.Response(raw(CallSign, "ay", byte(1), uint32(none)), CallSign))
	out, err = d.Output(ck.Buffer{Len: 9})
	require.NoError(t, err)
	require.Equal(t, ck.Output{Data: []byte{}}, out)
	require.NoError(t, d.Response(raw(CallSign, "ay", byte(1), uint32(3), byte(1)), CallSign))
	_, err = d.Output(ck.Buffer{Len: 9})
	require.ErrorIs(t, err, ErrMalformed)
	_, err = d.Output(ck.Buffer{Len: 9})
	require.ErrorIs(t, err, ErrMalformed, "the first error stays")
}

// After an error, everything that is read is zero, and the error stays.
func TestDecoderAfterError(t *testing.T) {
	for name, read := range map[string]func(d *Decoder) any{
		"Byte":             func(d *Decoder) any { return d.Byte() },
		"Ulong":            func(d *Decoder) any { return d.Ulong() },
		"version":          func(d *Decoder) any { return d.version() },
		"SpaceString":      func(d *Decoder) any { return d.SpaceString(32) },
		"ZeroString":       func(d *Decoder) any { return d.ZeroString() },
		"Data":             func(d *Decoder) any { return d.Data() },
		"Buffer":           func(d *Decoder) any { return d.Buffer() },
		"UlongBuffer":      func(d *Decoder) any { return d.UlongBuffer() },
		"UlongList":        func(d *Decoder) any { list, n := UlongList[uint64](d); require.Zero(t, n); return list },
		"Template":         func(d *Decoder) any { return d.Template() },
		"AttributeQueries": func(d *Decoder) any { return d.AttributeQueries() },
		"AttributeResults": func(d *Decoder) any { r, err := d.AttributeResults(nil); require.Error(t, err); return r },
		"Mechanism":        func(d *Decoder) any { return d.Mechanism() },
		"ParameterUpdate":  func(d *Decoder) any { d.ParameterUpdate(ck.CKM_ECDH1_DERIVE); return nil },
		"TokenInfo":        func(d *Decoder) any { return d.TokenInfo() },
	} {
		var d Decoder
		_, err := d.Request(u32(CallLogout))
		require.ErrorIs(t, err, ErrMalformed)
		got := read(&d)
		if name == "Buffer" {
			require.Equal(t, ck.Buffer{Null: true}, got)
		} else if got != nil {
			require.Zero(t, got, name)
		}
		require.Equal(t, err, d.Err(), name)
	}
}

// After an error, nothing is written.
func TestEncoderAfterError(t *testing.T) {
	for name, write := range map[string]func(e *Encoder){
		"Byte":              func(e *Encoder) { e.Byte(1) },
		"Ulong":             func(e *Encoder) { e.Ulong(1) },
		"version":           func(e *Encoder) { e.version(ck.Version{}) },
		"SpaceString":       func(e *Encoder) { e.SpaceString("x", 32) },
		"ZeroString":        func(e *Encoder) { e.ZeroString("x") },
		"Data":              func(e *Encoder) { e.Data([]byte("x")) },
		"Output":            func(e *Encoder) { e.Output(ck.Output{Len: 3}) },
		"Buffer":            func(e *Encoder) { e.Buffer(ck.Buffer{}) },
		"UlongBuffer":       func(e *Encoder) { e.UlongBuffer(1) },
		"Ulongs":            func(e *Encoder) { Ulongs(e, []uint64{1}) },
		"UlongCount":        func(e *Encoder) { e.UlongCount(1) },
		"Template":          func(e *Encoder) { e.Template(ck.Template{}) },
		"AttributeQueries":  func(e *Encoder) { e.AttributeQueries([]ck.AttributeQuery{}) },
		"AttributeResults":  func(e *Encoder) { e.AttributeResults(nil, nil, ck.CKR_OK) },
		"Mechanism":         func(e *Encoder) { e.Mechanism(&ck.Mechanism{}) },
		"NoParameterUpdate": func(e *Encoder) { e.NoParameterUpdate(ck.CKM_ECDH1_DERIVE) },
	} {
		var e Encoder
		e.BeginRequest(1, CallFindObjectsInit)
		e.Ulong(1)
		e.Template(ck.Template{ck.String(1<<32, "x")})
		before := len(e.buf)
		write(&e)
		require.Len(t, e.buf, before, name)
		require.Equal(t, ck.CKR_ATTRIBUTE_TYPE_INVALID, ck.CodeOf(e.End()), name)
		require.Empty(t, e.Bytes(), name)
	}
}

// A frame is at most as large as its reader takes.
func TestLargestFrame(t *testing.T) {
	const besides = 8 + 3 + 8 + 1 + 4 // call, length and text of the signature, session, presence, length
	for over, want := range map[int]ck.Error{0: ck.CKR_OK, 1: ck.CKR_DATA_LEN_RANGE} {
		var e Encoder
		e.BeginRequest(1, CallDigestUpdate)
		e.Ulong(1)
		e.Data(make([]byte, MaxBody-besides+over))
		require.Equal(t, want, ck.CodeOf(e.End()))
		if want == ck.CKR_OK {
			require.Len(t, frameOf(t, e.Bytes()).Body, MaxBody)
		}
		require.Greater(t, e.Held(), MaxBody)
		e.Reset()
		require.Zero(t, e.Held(), "so large a buffer is not kept")
	}
	var e Encoder
	e.BeginRequest(1, CallDigestUpdate)
	e.Ulong(1)
	e.Data(make([]byte, keepBuffer/2))
	require.NoError(t, e.End())
	held := e.Held()
	require.NotZero(t, held)
	e.Reset()
	require.Equal(t, held, e.Held())
	require.LessOrEqual(t, held, keepBuffer)
}

// Lengths that the protocol cannot tell are an error, and those below it travel.
func TestLengthsThatCannotTravel(t *testing.T) {
	for n, want := range map[uint64]ck.Error{
		none - 1: ck.CKR_OK, none: ck.CKR_FUNCTION_FAILED, 1 << 40: ck.CKR_FUNCTION_FAILED,
	} {
		var e Encoder
		e.BeginResponse(1, CallSign)
		e.Output(ck.Output{Len: n})
		require.Equal(t, want, ck.CodeOf(e.End()), "%d", n)
		e.BeginResponse(1, CallFindObjects)
		e.UlongCount(n)
		require.Equal(t, want, ck.CodeOf(e.End()), "%d", n)
	}
}

// An answer with an error has a code that is one.
func TestErrorIsNeverOK(t *testing.T) {
	for sent, want := range map[ck.Error]ck.Error{
		ck.CKR_OK: ck.CKR_GENERAL_ERROR, ck.CKR_PIN_LOCKED: ck.CKR_PIN_LOCKED,
	} {
		var e Encoder
		var d Decoder
		e.Error(9, sent)
		require.Equal(t, want, d.Response(frameOf(t, e.Bytes()).Body, CallLogin))
	}
}

// The names of calls are those of the standard. What is no call has none.
func TestNamesOfCalls(t *testing.T) {
	require.Equal(t, "C_Sign", CallSign.String())
	require.Equal(t, Call{CallSign, "C_Sign", "uayfy", "ay"}, CallSign.Describe())
	for _, id := range []CallID{CallDeriveKey2 + 1, NumCalls, NumCalls + 1} {
		require.False(t, id.Valid())
		require.False(t, id.FirstIsSession())
		require.Equal(t, "unknown call", id.String())
	}
}
