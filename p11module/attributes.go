package main

// #include "cryptoki.h"
import "C"

import (
	"encoding/binary"

	"vtoken/p11module/remote"
	"vtoken/vtoken/ck"
)

// C_GetAttributeValue (section 5.7.5): the one function that reads and writes
// the same array.

//export vtokenGetAttributeValue
func vtokenGetAttributeValue(hSession C.CK_SESSION_HANDLE, hObject C.CK_OBJECT_HANDLE, pTemplate C.CK_ATTRIBUTE_PTR, ulCount C.CK_ULONG) (rv C.CK_RV) {
	c := client()
	if c == nil {
		return notInitialized
	}
	defer recoverTo("C_GetAttributeValue", &rv)
	list, err := attributesAt(pTemplate, ulCount)
	if err != nil {
		return fail(c, "C_GetAttributeValue", err)
	}
	err = c.GetAttributeValue(ck.SessionHandle(hSession), ck.ObjectHandle(hObject), queriesOf(list),
		func(i int, r ck.AttributeResult) { putResult(&list[i], r) })
	if t := c.Trace(); t != nil {
		t.Call("C_GetAttributeValue", err, remote.Number("hSession", uint64(hSession)),
			remote.Number("hObject", uint64(hObject)), remote.Number("ulCount", uint64(ulCount)))
	}
	return code(err)
}

// queriesOf is what the host's array asks for. Lengths are those of the
// canonical values.
func queriesOf(list []C.CK_ATTRIBUTE) []ck.AttributeQuery {
	queries := make([]ck.AttributeQuery, len(list))
	for i := range list {
		queries[i] = queryOf(&list[i], false)
	}
	return queries
}

func queryOf(a C.CK_ATTRIBUTE_PTR, nested bool) ck.AttributeQuery {
	q := ck.AttributeQuery{Type: ck.AttributeType(a._type), Buffer: ck.Buffer{Null: a.pValue == nil, Len: uint64(a.ulValueLen)}}
	switch ck.KindOf(q.Type) {
	case ck.KindUlong, ck.KindMechanisms:
		q.Len = q.Len / ulongLen * canonicalLen
	case ck.KindTemplate:
		if inner := innerOf(a); inner != nil && !nested {
			q.Nested = make([]ck.AttributeQuery, len(inner))
			for i := range inner {
				q.Nested[i] = queryOf(&inner[i], true)
			}
		}
	}
	return q
}

// innerOf is the array of attributes that the memory of a is.
func innerOf(a C.CK_ATTRIBUTE_PTR) []C.CK_ATTRIBUTE {
	if a.pValue == nil {
		return nil
	}
	n := min(uint64(a.ulValueLen)/attributeLen, ck.MaxNested)
	list, _ := attributesAt(C.CK_ATTRIBUTE_PTR(a.pValue), C.CK_ULONG(n))
	return list
}

// putResult writes a value and its length, or the length alone.
func putResult(a C.CK_ATTRIBUTE_PTR, r ck.AttributeResult) {
	if r.Len == ck.UnavailableInformation {
		a.ulValueLen = C.CK_UNAVAILABLE_INFORMATION
		return
	}
	switch ck.KindOf(r.Type) {
	case ck.KindUlong, ck.KindMechanisms:
		putUlongs(a, r)
	case ck.KindTemplate:
		putNested(a, r)
	default:
		copy(room(a), r.Value)
		a.ulValueLen = C.CK_ULONG(r.Len)
	}
}

// room is the memory that the host offers.
func room(a C.CK_ATTRIBUTE_PTR) []byte { return memory(a.pValue, a.ulValueLen) }

func putUlongs(a C.CK_ATTRIBUTE_PTR, r ck.AttributeResult) {
	to := room(a)
	for v := r.Value; len(v) >= canonicalLen && uint64(len(to)) >= ulongLen; v = v[canonicalLen:] {
		putHostUlong(to, C.CK_ULONG(binary.BigEndian.Uint64(v)))
		to = to[ulongLen:]
	}
	a.ulValueLen = C.CK_ULONG(r.Len / canonicalLen * ulongLen)
}

func putNested(a C.CK_ATTRIBUTE_PTR, r ck.AttributeResult) {
	inner := innerOf(a)
	for i, n := range r.Nested {
		if i < len(inner) {
			inner[i]._type = C.CK_ATTRIBUTE_TYPE(n.Type)
			putResult(&inner[i], n)
		}
	}
	a.ulValueLen = C.CK_ULONG(r.Len)
}
