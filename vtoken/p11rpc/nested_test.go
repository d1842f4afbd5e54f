package p11rpc

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// memory is the query of a caller with n bytes of memory.
func memory(typ ck.AttributeType, n uint64) ck.AttributeQuery {
	return ck.AttributeQuery{Type: typ, Buffer: ck.Buffer{Len: n}}
}

// noMemory is the query of a caller that asks for the length.
func noMemory(typ ck.AttributeType) ck.AttributeQuery {
	return ck.AttributeQuery{Type: typ, Buffer: ck.Buffer{Null: true}}
}

// array is the query for a template with the memory of its entries.
func array(entries ...ck.AttributeQuery) ck.AttributeQuery {
	q := memory(ck.CKA_WRAP_TEMPLATE, uint64(len(entries)*hostAttribute))
	q.Nested = entries
	return q
}

// Queries travel with those for the entries of a template, which version 0 does not have.
func TestQueriesTravel(t *testing.T) {
	queries := []ck.AttributeQuery{
		memory(ck.CKA_LABEL, 20), noMemory(ck.CKA_ID), array(memory(0, 1), noMemory(0), memory(5, 2)),
		{Type: ck.CKA_UNWRAP_TEMPLATE, Buffer: ck.Buffer{Null: true}},
	}
	for _, version := range Versions() {
		e, d := Encoder{Version: version}, Decoder{Version: version}
		e.BeginRequest(1, CallGetAttributeValue)
		e.Ulong(1)
		e.Ulong(2)
		e.AttributeQueries(queries)
		require.NoError(t, e.End())
		_, err := d.Request(frameOf(t, e.Bytes()).Body)
		require.NoError(t, err)
		d.Session()
		d.Object()
		want := append([]ck.AttributeQuery(nil), queries...)
		if version == 0 {
			want[2].Nested = nil
		}
		require.Equal(t, want, d.AttributeQueries(), "version %d", version)
		require.NoError(t, d.Done())
	}
}

// An array of no entries is as good as no memory.
func TestQueryOfNoEntries(t *testing.T) {
	e, d := Encoder{Version: 1}, Decoder{Version: 1}
	e.BeginRequest(1, CallGetAttributeValue)
	e.Ulong(1)
	e.Ulong(2)
	e.AttributeQueries([]ck.AttributeQuery{array(), memory(ck.CKA_ID, 1<<40)})
	require.NoError(t, e.End())
	_, err := d.Request(frameOf(t, e.Bytes()).Body)
	require.NoError(t, err)
	d.Session()
	d.Object()
	want := []ck.AttributeQuery{noMemory(ck.CKA_WRAP_TEMPLATE), memory(ck.CKA_ID, MaxBody)}
	require.Equal(t, want, d.AttributeQueries())
	require.NoError(t, d.Done())
}

// Queries that may not travel, in either direction, and as many as may.
func TestLimitsOfQueries(t *testing.T) {
	many := func(n int) (list []ck.AttributeQuery) {
		for range n {
			list = append(list, noMemory(ck.CKA_ID))
		}
		return list
	}
	for _, c := range []struct {
		name    string
		queries []ck.AttributeQuery
		want    ck.Error
	}{
		{"as many as are allowed", many(MaxAttributes), ck.CKR_OK},
		{"one too many", many(MaxAttributes + 1), ck.CKR_ARGUMENTS_BAD},
		{"as many inside as are allowed", []ck.AttributeQuery{array(many(ck.MaxNested)...)}, ck.CKR_OK},
		{"one too many inside", []ck.AttributeQuery{array(many(ck.MaxNested + 1)...)}, ck.CKR_ARGUMENTS_BAD},
	} {
		e, d := Encoder{Version: 1}, Decoder{Version: 1}
		e.BeginRequest(1, CallGetAttributeValue)
		e.Ulong(1)
		e.Ulong(2)
		e.AttributeQueries(c.queries)
		require.Equal(t, c.want, ck.CodeOf(e.End()), c.name)
		if c.want != ck.CKR_OK {
			continue
		}
		_, err := d.Request(frameOf(t, e.Bytes()).Body)
		require.NoError(t, err)
		d.Session()
		d.Object()
		require.Equal(t, c.queries, d.AttributeQueries(), c.name)
		require.NoError(t, d.Done(), c.name)
	}

	one := func(n int) []byte {
		b := u32(n)
		for range n {
			b = append(append(b, u32(ck.CKA_ID)...), u32(0)...)
		}
		return b
	}
	within := func(inner []byte) []byte {
		b := append(u32(1), u32(ck.CKA_WRAP_TEMPLATE)...)
		return append(append(b, u32(hostAttribute)...), inner...)
	}
	for name, wire := range map[string][]byte{
		"one too many":           one(MaxAttributes + 1),
		"more than there are":    one(2)[:12],
		"one too many inside":    within(one(ck.MaxNested + 1)),
		"a template in another":  within(within(one(1))),
		"cut off inside":         within(one(1)[:6]),
		"no count of the inside": within(nil),
	} {
		d := Decoder{Version: 1}
		_, err := d.Request(raw(CallGetAttributeValue, "uufA", uint64(1), uint64(2), wire))
		require.NoError(t, err, name)
		d.Session()
		d.Object()
		require.Nil(t, d.AttributeQueries(), name)
		require.ErrorIs(t, d.Done(), ErrMalformed, name)
	}
}

// A template comes entry by entry, each within the caller's memory for it, or as the length of
// its array.
func TestResultsOfTemplates(t *testing.T) {
	inner := ck.Template{
		ck.Bool(ck.CKA_TOKEN, true), ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.String(ck.CKA_LABEL, "abc"),
	}
	value := ck.EncodeTemplate(inner)
	whole := func(a ck.Attribute) ck.AttributeResult {
		return ck.AttributeResult{Type: a.Type, Value: a.Value, Len: uint64(len(a.Value))}
	}
	length := func(a ck.Attribute) ck.AttributeResult {
		return ck.AttributeResult{Type: a.Type, Len: uint64(len(a.Value))}
	}
	const size = 3 * hostAttribute
	lengthOfAll := ck.AttributeResult{Type: ck.CKA_WRAP_TEMPLATE, Len: size}
	for _, c := range []struct {
		name  string
		query ck.AttributeQuery
		code  ck.Error // of the engine
		want  ck.AttributeResult
		rv    ck.Error
	}{
		{"enough memory", array(memory(0, 1), memory(0, 8), memory(0, 3)), ck.CKR_OK, ck.AttributeResult{
			Type: ck.CKA_WRAP_TEMPLATE, Value: value, Len: size,
			Nested: []ck.AttributeResult{whole(inner[0]), whole(inner[1]), whole(inner[2])},
		}, ck.CKR_OK},
		{"more entries than the template has", array(memory(0, 9), memory(0, 9), memory(0, 9), memory(0, 9)), ck.CKR_OK,
			ck.AttributeResult{
				Type: ck.CKA_WRAP_TEMPLATE, Value: value, Len: size,
				Nested: []ck.AttributeResult{whole(inner[0]), whole(inner[1]), whole(inner[2])},
			}, ck.CKR_OK},
		{"a byte less for each", array(memory(0, 9), memory(0, 7), memory(0, 2)), ck.CKR_OK, ck.AttributeResult{
			Type: ck.CKA_WRAP_TEMPLATE, Len: size,
			Nested: []ck.AttributeResult{whole(inner[0]), length(inner[1]), length(inner[2])},
		}, ck.CKR_BUFFER_TOO_SMALL},
		{"only lengths", array(noMemory(0), noMemory(0), noMemory(0)), ck.CKR_OK, ck.AttributeResult{
			Type: ck.CKA_WRAP_TEMPLATE, Len: size,
			Nested: []ck.AttributeResult{length(inner[0]), length(inner[1]), length(inner[2])},
		}, ck.CKR_OK},
		{"a length after one that is too small", array(memory(0, 9), memory(0, 7), noMemory(0)), ck.CKR_OK, ck.AttributeResult{
			Type: ck.CKA_WRAP_TEMPLATE, Len: size,
			Nested: []ck.AttributeResult{whole(inner[0]), length(inner[1]), length(inner[2])},
		}, ck.CKR_BUFFER_TOO_SMALL},
		{"too few entries", array(memory(0, 9), memory(0, 9)), ck.CKR_OK, lengthOfAll, ck.CKR_BUFFER_TOO_SMALL},
		{"too few entries and another code", array(memory(0, 9), memory(0, 9)), ck.CKR_ATTRIBUTE_SENSITIVE, lengthOfAll,
			ck.CKR_ATTRIBUTE_SENSITIVE},
		{"no memory", noMemory(ck.CKA_WRAP_TEMPLATE), ck.CKR_OK, lengthOfAll, ck.CKR_OK},
	} {
		e, d := Encoder{Version: MaxVersion}, Decoder{Version: MaxVersion}
		e.BeginResponse(1, CallGetAttributeValue)
		result := ck.AttributeResult{Type: ck.CKA_WRAP_TEMPLATE, Value: value, Len: uint64(len(value))}
		e.AttributeResults([]ck.AttributeQuery{c.query}, []ck.AttributeResult{result}, c.code)
		require.NoError(t, e.End(), c.name)
		require.NoError(t, d.Response(frameOf(t, e.Bytes()).Body, CallGetAttributeValue), c.name)
		got, err := d.AttributeResults([]ck.AttributeQuery{c.query})
		require.Equal(t, c.rv, ck.CodeOf(err), c.name)
		require.NoError(t, d.Done(), c.name)
		require.Equal(t, []ck.AttributeResult{c.want}, got, c.name)
	}
}

// A server may send more entries than the caller has memory for.
func TestMoreEntriesThanAsked(t *testing.T) {
	two := ck.EncodeTemplate(ck.Template{ck.Bool(ck.CKA_TOKEN, true), ck.Bool(ck.CKA_PRIVATE, true)})
	enough, few := array(memory(0, 9), memory(0, 9)), array(memory(0, 9))
	d := answerOf(t, CallGetAttributeValue, func(e *Encoder) {
		e.AttributeResults([]ck.AttributeQuery{enough},
			[]ck.AttributeResult{{Type: ck.CKA_WRAP_TEMPLATE, Value: two, Len: uint64(len(two))}}, ck.CKR_OK)
	})
	got, err := d.AttributeResults([]ck.AttributeQuery{few})
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, err)
	require.Equal(t, []ck.AttributeResult{{Type: ck.CKA_WRAP_TEMPLATE, Len: 2 * hostAttribute}}, got)
}

// A result without its value is one that the reader can pass over, whatever its form.
func TestLengthsOfEveryKind(t *testing.T) {
	types := []ck.AttributeType{ck.CKA_TOKEN, ck.CKA_CLASS, ck.CKA_ALLOWED_MECHANISMS, ck.CKA_WRAP_TEMPLATE, ck.CKA_ID}
	lengths := []uint64{1, 8, 16, 2 * hostAttribute, math.MaxInt32}
	var queries []ck.AttributeQuery
	var results []ck.AttributeResult
	for i, typ := range types {
		queries = append(queries, noMemory(typ))
		results = append(results, ck.AttributeResult{Type: typ, Len: lengths[i]})
	}
	d := answerOf(t, CallGetAttributeValue, func(e *Encoder) { e.AttributeResults(queries, results, ck.CKR_OK) })
	got, err := d.AttributeResults(queries)
	require.NoError(t, err)
	require.NoError(t, d.Done())
	for i, r := range got {
		require.Equal(t, results[i].Type, r.Type)
		require.Equal(t, results[i].Len, r.Len, "%v", r.Type)
		require.Nil(t, r.Value, "%v", r.Type)
	}

	// With memory, a length alone says that the memory is too small.
	big := []ck.AttributeQuery{memory(ck.CKA_ID, 7)}
	d = answerOf(t, CallGetAttributeValue, func(e *Encoder) {
		e.AttributeResults(big, []ck.AttributeResult{{Type: ck.CKA_ID, Len: 6}}, ck.CKR_OK)
	})
	_, err = d.AttributeResults(big)
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, err)

	// An empty value is there, and is no length alone.
	d = answerOf(t, CallGetAttributeValue, func(e *Encoder) {
		e.AttributeResults(big, []ck.AttributeResult{{Type: ck.CKA_ID, Value: []byte{}}}, ck.CKR_OK)
	})
	got, err = d.AttributeResults(big)
	require.NoError(t, err)
	require.Equal(t, []ck.AttributeResult{{Type: ck.CKA_ID, Value: []byte{}}}, got)
}

// Results that the server has a mistake in.
func TestResultsThatCannotTravel(t *testing.T) {
	one := []ck.AttributeQuery{noMemory(ck.CKA_ID)}
	template := []ck.AttributeQuery{array(memory(0, 1))}
	for name, c := range map[string]struct {
		queries []ck.AttributeQuery
		results []ck.AttributeResult
		want    ck.Error
	}{
		"none for a query":   {one, nil, ck.CKR_GENERAL_ERROR},
		"a length too large": {one, []ck.AttributeResult{{Type: ck.CKA_ID, Len: math.MaxInt32 + 1}}, ck.CKR_FUNCTION_FAILED},
		"no template in value": {
			template, []ck.AttributeResult{{Type: ck.CKA_WRAP_TEMPLATE, Value: []byte("x"), Len: 1}},
			ck.CKR_ATTRIBUTE_VALUE_INVALID,
		},
	} {
		e := Encoder{Version: 1}
		e.BeginResponse(1, CallGetAttributeValue)
		e.AttributeResults(c.queries, c.results, ck.CKR_OK)
		require.Equal(t, c.want, ck.CodeOf(e.End()), name)
	}
}

// More results than there may be are no answer.
func TestTooManyResults(t *testing.T) {
	var d Decoder
	two := raw(CallGetAttributeValue, "aAu", u32(2), []byte(absent), uint64(0))
	require.NoError(t, d.Response(two, CallGetAttributeValue))
	_, err := d.AttributeResults([]ck.AttributeQuery{memory(ck.CKA_ID, 1), memory(ck.CKA_ID, 1)})
	require.ErrorIs(t, err, ErrMalformed, "the second is missing")

	require.NoError(t, d.Response(raw(CallGetAttributeValue, "aAu", u32(1), []byte(absent)), CallGetAttributeValue))
	_, err = d.AttributeResults([]ck.AttributeQuery{memory(ck.CKA_ID, 1)})
	require.ErrorIs(t, err, ErrMalformed, "the code is missing")
}
