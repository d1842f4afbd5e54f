package p11rpc

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// answerOf is a decoder at the first value of an answer.
func answerOf(t *testing.T, call CallID, write func(*Encoder)) *Decoder {
	t.Helper()
	var e Encoder
	e.BeginResponse(1, call)
	write(&e)
	require.NoError(t, e.End())
	d := new(Decoder)
	require.NoError(t, d.Response(bytes.Clone(frameOf(t, e.Bytes()).Body), call))
	return d
}

// A value that does not fit the memory of the caller comes as its length, with
// CKR_BUFFER_TOO_SMALL; the others come whole. A caller without memory asks for the length.
func TestAttributesThatDoNotFit(t *testing.T) {
	value := []byte("abcdef")
	results := []ck.AttributeResult{
		{Type: ck.CKA_LABEL, Len: 6, Value: value},
		{Type: ck.CKA_ID, Len: 6, Value: value},
	}
	enough := []ck.AttributeQuery{{Type: ck.CKA_LABEL, Buffer: ck.Buffer{Len: 6}}, {Type: ck.CKA_ID, Buffer: ck.Buffer{Len: 6}}}
	for _, c := range []struct {
		name string
		len  uint64
		null bool
		want []byte
		code ck.Error
	}{
		{"just enough", 6, false, value, ck.CKR_OK},
		{"a byte less", 5, false, nil, ck.CKR_BUFFER_TOO_SMALL},
		{"no memory", 0, true, nil, ck.CKR_OK},
	} {
		d := answerOf(t, CallGetAttributeValue, func(e *Encoder) { e.AttributeResults(enough, results, ck.CKR_OK) })
		got, err := d.AttributeResults([]ck.AttributeQuery{{Type: ck.CKA_LABEL, Buffer: ck.Buffer{Len: c.len, Null: c.null}}, enough[1]})
		require.Equal(t, c.code, ck.CodeOf(err), c.name)
		require.Len(t, got, 2)
		require.Equal(t, uint64(6), got[0].Len, c.name)
		require.Equal(t, c.want, got[0].Value, c.name)
		require.Equal(t, value, got[1].Value, c.name)
	}
}

// The code of the server is the one that the caller gets.
func TestCodeOfAttributes(t *testing.T) {
	query := []ck.AttributeQuery{{Type: ck.CKA_VALUE, Buffer: ck.Buffer{Len: 6}}}
	secret := []ck.AttributeResult{{Type: ck.CKA_VALUE, Len: ck.UnavailableInformation}}
	d := answerOf(t, CallGetAttributeValue, func(e *Encoder) {
		e.AttributeResults(query, secret, ck.CKR_ATTRIBUTE_SENSITIVE)
	})
	got, err := d.AttributeResults(query)
	require.Equal(t, ck.CKR_ATTRIBUTE_SENSITIVE, err)
	require.Equal(t, secret, got)

	d = answerOf(t, CallGetAttributeValue, func(e *Encoder) { e.AttributeResults(query, secret, ck.CKR_OK) })
	_, err = d.AttributeResults([]ck.AttributeQuery{{Type: ck.CKA_LABEL, Buffer: ck.Buffer{Len: 6}}})
	require.ErrorIs(t, err, ErrMalformed, "the result is for another attribute")
	d = answerOf(t, CallGetAttributeValue, func(e *Encoder) { e.AttributeResults(query, secret, ck.CKR_OK) })
	_, err = d.AttributeResults(nil)
	require.ErrorIs(t, err, ErrMalformed, "one result too many")
}

// The bytes of an answer fit the caller's memory, or their length comes alone.
func TestOutputThatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		name   string
		buffer ck.Buffer
		want   ck.Output
		code   ck.Error
	}{
		{"just enough", ck.Buffer{Len: 3}, ck.Output{Data: []byte("abc"), Len: 3}, ck.CKR_OK},
		{"a byte less", ck.Buffer{Len: 2}, ck.Output{Len: 3}, ck.CKR_BUFFER_TOO_SMALL},
		{"no memory", ck.Buffer{Null: true}, ck.Output{Len: 3}, ck.CKR_OK},
	} {
		d := answerOf(t, CallDigest, func(e *Encoder) { e.Output(ck.Output{Data: []byte("abc"), Len: 3}) })
		got, err := d.Output(c.buffer)
		require.Equal(t, c.code, ck.CodeOf(err), c.name)
		require.Equal(t, c.want, got, c.name)
	}
}

// No bytes are nil. A length without bytes is an error of the caller, not of the protocol.
func TestDataWithoutBytes(t *testing.T) {
	for n, code := range map[uint32]ck.Error{0: ck.CKR_OK, 1: ck.CKR_ARGUMENTS_BAD, 5: ck.CKR_ARGUMENTS_BAD} {
		var e Encoder
		e.BeginRequest(1, CallSeedRandom)
		e.Ulong(7)
		e.Data([]byte("x"))
		require.NoError(t, e.End())
		body := bytes.Clone(frameOf(t, e.Bytes()).Body)
		body = binary.BigEndian.AppendUint32(append(body[:len(body)-6], 0), n) // no bytes, and a length
		var d Decoder
		_, err := d.Request(body)
		require.NoError(t, err)
		require.Equal(t, uint64(7), d.Ulong())
		require.Nil(t, d.Data())
		require.Equal(t, code, ck.CodeOf(d.Done()), "%d bytes", n)
	}
}

// A number of a 32-bit host, whose CK_ULONG has 4 bytes, is one of 8 bytes here.
func TestNumberOfSmallHost(t *testing.T) {
	for length, code := range map[uint32]ck.Error{
		8: ck.CKR_OK, 4: ck.CKR_OK, 5: ck.CKR_ATTRIBUTE_VALUE_INVALID, 9: ck.CKR_ATTRIBUTE_VALUE_INVALID,
	} {
		var e Encoder
		e.BeginRequest(1, CallFindObjectsInit)
		e.Ulong(7)
		e.Template(ck.Template{ck.Ulong(ck.CKA_CLASS, uint64(3))})
		require.NoError(t, e.End())
		body := bytes.Clone(frameOf(t, e.Bytes()).Body)
		binary.BigEndian.PutUint32(body[len(body)-12:], length)
		var d Decoder
		_, err := d.Request(body)
		require.NoError(t, err)
		d.Ulong()
		got := d.Template()
		require.Equal(t, code, ck.CodeOf(d.Done()), "length %d", length)
		if code == ck.CKR_OK {
			require.Equal(t, ck.Template{ck.Ulong(ck.CKA_CLASS, uint64(3))}, got)
		}
	}
}

// In version 0, types that p11-kit learned later travel as bytes.
func TestKindsOfOldVersion(t *testing.T) {
	for _, c := range []struct {
		attribute ck.AttributeType
		old, now  ck.ValueKind
	}{
		{ibmRestrictable, ck.KindBytes, ck.KindBool},
		{ibmKeyType, ck.KindBytes, ck.KindUlong},
		{ck.CKA_DERIVE_TEMPLATE, ck.KindBytes, ck.KindTemplate},
		{ck.CKA_WRAP_TEMPLATE, ck.KindTemplate, ck.KindTemplate},
		{ck.CKA_TOKEN, ck.KindBool, ck.KindBool},
		{ck.CKA_CLASS, ck.KindUlong, ck.KindUlong},
	} {
		require.Equal(t, c.old, wireKind(c.attribute, 0), "%v", c.attribute)
		require.Equal(t, c.now, wireKind(c.attribute, 1), "%v", c.attribute)
	}
}

// The answer to another call is not the protocol.
func TestAnswerToAnotherCall(t *testing.T) {
	var e Encoder
	e.BeginResponse(1, CallCloseSession)
	require.NoError(t, e.End())
	body := bytes.Clone(frameOf(t, e.Bytes()).Body)
	var d Decoder
	require.NoError(t, d.Response(body, CallCloseSession))
	require.ErrorIs(t, d.Response(body, CallLogout), ErrMalformed)
}

// A list comes with all its entries, or as its length.
func TestLists(t *testing.T) {
	d := answerOf(t, CallGetSlotList, func(e *Encoder) { Ulongs(e, []ck.SlotID{3, 4}) })
	list, n := UlongList[ck.SlotID](d)
	require.NoError(t, d.Done())
	require.Equal(t, []ck.SlotID{3, 4}, list)
	require.Equal(t, uint64(2), n)

	d = answerOf(t, CallGetSlotList, func(e *Encoder) { e.UlongCount(7) })
	list, n = UlongList[ck.SlotID](d)
	require.NoError(t, d.Done())
	require.Nil(t, list)
	require.Equal(t, uint64(7), n)
}

// Values out of the order of the signature are a mistake of the program.
func TestOrderOfValues(t *testing.T) {
	require.Panics(t, func() {
		var e Encoder
		e.BeginRequest(1, CallCloseSession)
		e.Template(nil)
	})
	require.Panics(t, func() {
		var e Encoder
		e.BeginRequest(1, CallCloseSession)
		_ = e.End()
	})
	require.Panics(t, func() {
		d := answerOf(t, CallOpenSession, func(e *Encoder) { e.Ulong(1) })
		d.Template()
	})
	require.Panics(t, func() {
		d := answerOf(t, CallOpenSession, func(e *Encoder) { e.Ulong(1) })
		_ = d.Done()
	})
}
