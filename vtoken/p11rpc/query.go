package p11rpc

import (
	"encoding/binary"
	"math"

	"vtoken/vtoken/ck"
)

// nestedQueries reports whether the query of a template goes on with queries
// for the entries of the caller's array. Version 0 had no such thing.
func nestedQueries(t ck.AttributeType, version byte) bool {
	return version > 0 && wireKind(t, version) == ck.KindTemplate
}

// AttributeQueries writes the template of C_GetAttributeValue.
func (e *Encoder) AttributeQueries(queries []ck.AttributeQuery) {
	if !e.take("fA") {
		return
	}
	e.queries(queries, MaxAttributes)
}

func (e *Encoder) queries(queries []ck.AttributeQuery, limit int) {
	if len(queries) > limit {
		e.fail(ck.Errorf(ck.CKR_ARGUMENTS_BAD, "%v with %d attributes, the limit is %d", e.call, len(queries), limit))
		return
	}
	e.uint32(uint32(len(queries)))
	for _, q := range queries {
		e.attributeType(q.Type)
		switch {
		case q.Null:
			e.uint32(0)
		case nestedQueries(q.Type, e.Version):
			e.uint32(uint32(len(q.Nested) * hostAttribute))
			if len(q.Nested) > 0 {
				e.queries(q.Nested, ck.MaxNested)
			}
		default:
			e.uint32(uint32(min(q.Len, MaxBody)))
		}
	}
}

// AttributeQueries reads the template of C_GetAttributeValue.
func (d *Decoder) AttributeQueries() []ck.AttributeQuery {
	if !d.take("fA") {
		return nil
	}
	return d.queries(MaxAttributes, 0)
}

func (d *Decoder) queries(limit uint64, depth int) []ck.AttributeQuery {
	n := uint64(d.uint32())
	if n > limit || n*8 > uint64(len(d.rest)) {
		d.fail("%v with %d attributes in %d bytes, the limit is %d", d.call, n, len(d.rest), limit)
		return nil
	}
	queries := make([]ck.AttributeQuery, 0, n)
	for range n {
		q := ck.AttributeQuery{Type: ck.AttributeType(d.uint32())}
		q.Len = min(uint64(d.uint32()), MaxBody)
		q.Null = q.Len == 0
		if !q.Null && nestedQueries(q.Type, d.Version) {
			if depth > 0 {
				d.fail("%v inside of a template", q.Type)
				return nil
			}
			q.Nested = d.queries(ck.MaxNested, depth+1)
		}
		if d.err != nil {
			return nil
		}
		queries = append(queries, q)
	}
	return queries
}

// AttributeResults writes the answer to C_GetAttributeValue: the results, one
// for each query and in their order, and the code that goes with them. It is
// for the codes that do not invalidate the results (CKR_OK,
// CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL).
//
// A template is cut to the memory of the query here, entry by entry, so the
// engine returns it whole.
func (e *Encoder) AttributeResults(queries []ck.AttributeQuery, results []ck.AttributeResult, rv ck.Error) {
	if !e.take("aA") {
		return
	}
	if len(queries) != len(results) {
		e.fail(ck.Errorf(ck.CKR_GENERAL_ERROR, "%d results for %d queries", len(results), len(queries)))
		return
	}
	e.uint32(uint32(len(results)))
	for i, r := range results {
		if !e.result(queries[i], r) && rv == ck.CKR_OK {
			rv = ck.CKR_BUFFER_TOO_SMALL
		}
	}
	e.Ulong(uint64(rv))
}

// result writes one result and reports whether the caller's memory was enough.
func (e *Encoder) result(q ck.AttributeQuery, r ck.AttributeResult) (fits bool) {
	switch {
	case r.Len == ck.UnavailableInformation:
		e.attributeType(r.Type)
		e.buf = append(e.buf, 0)
	case r.Value != nil && wireKind(r.Type, e.Version) == ck.KindTemplate:
		return e.nestedResult(q, r)
	case r.Value == nil || q.Null:
		e.lengthOnly(r.Type, r.Len)
	default:
		e.attribute(ck.Attribute{Type: r.Type, Value: r.Value})
	}
	return true
}

func (e *Encoder) nestedResult(q ck.AttributeQuery, r ck.AttributeResult) (fits bool) {
	t, err := ck.DecodeTemplate(r.Value)
	if err != nil {
		e.fail(err)
		return true
	}
	if q.Null || len(t) > len(q.Nested) {
		e.lengthOnly(r.Type, uint64(len(t)*hostAttribute))
		return q.Null
	}
	e.attributeType(r.Type)
	e.buf = append(e.buf, 1)
	e.uint32(uint32(len(t) * hostAttribute))
	e.uint32(uint32(len(t)))
	fits = true
	for i, a := range t {
		inner := q.Nested[i]
		if inner.Null || inner.Len < uint64(len(a.Value)) {
			fits = fits && inner.Null
			e.lengthOnly(a.Type, uint64(len(a.Value)))
			continue
		}
		e.attribute(a)
	}
	return fits
}

// lengthOnly writes a result without its value: the value that stands there
// must be one that a reader can skip.
func (e *Encoder) lengthOnly(t ck.AttributeType, n uint64) {
	e.attributeType(t)
	e.buf = append(e.buf, 1)
	if n > math.MaxInt32 {
		e.fail(ck.Errorf(ck.CKR_FUNCTION_FAILED, "%v has %d bytes, which the protocol cannot tell", t, n))
		return
	}
	e.uint32(uint32(n))
	switch wireKind(t, e.Version) {
	case ck.KindBool:
		e.buf = append(e.buf, 0)
	case ck.KindUlong:
		e.buf = binary.BigEndian.AppendUint64(e.buf, 0)
	case ck.KindMechanisms, ck.KindTemplate:
		e.uint32(0)
	default:
		e.uint32(none)
	}
}

// AttributeResults reads the answer to C_GetAttributeValue: one result for each
// query. They are good where err is nil and where it is bare
// CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID or CKR_BUFFER_TOO_SMALL;
// with another error there are none.
func (d *Decoder) AttributeResults(queries []ck.AttributeQuery) (results []ck.AttributeResult, err error) {
	if !d.take("aA") {
		return nil, d.err
	}
	if n := d.count(MaxAttributes); d.err == nil && n != uint64(len(queries)) {
		d.fail("%d results for %d attributes", n, len(queries))
	}
	small := false
	for _, q := range queries {
		a := d.attribute(0)
		if d.err == nil && a.Type != q.Type {
			d.fail("result for %v where %v belongs", a.Type, q.Type)
		}
		if d.err != nil {
			return nil, d.err
		}
		results = append(results, readResult(q, a, &small))
	}
	rv := ck.Error(d.Ulong())
	switch {
	case d.err != nil:
		return nil, d.err
	case rv != ck.CKR_OK:
		return results, rv
	case small:
		return results, ck.CKR_BUFFER_TOO_SMALL
	}
	return results, nil
}

// readResult fits an attribute into the memory of the query.
func readResult(q ck.AttributeQuery, a wireAttribute, small *bool) ck.AttributeResult {
	r := ck.AttributeResult{Type: a.Type, Len: a.Len}
	switch {
	case q.Null || a.unknown():
	case a.Len == 0:
		r.Value = []byte{}
	case a.Nested != nil && len(a.Nested) <= len(q.Nested):
		r.Value = a.Value
		for i, inner := range a.Nested {
			r.Nested = append(r.Nested, readResult(q.Nested[i], inner, small))
		}
	case a.Nested != nil, a.Value == nil, a.Len > q.Len:
		*small = true
	default:
		r.Value = a.Value
	}
	return r
}
