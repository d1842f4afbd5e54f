package main

// #include "cryptoki.h"
import "C"

import (
	"encoding/binary"
	"unsafe"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

const (
	ulongLen     = uint64(unsafe.Sizeof(C.CK_ULONG(0)))
	attributeLen = uint64(unsafe.Sizeof(C.CK_ATTRIBUTE{}))
	canonicalLen = 8 // of a CK_ULONG
	maxTemplate  = 1024
	// maxValue is far more than the daemon stores in a value, and leaves room in a frame.
	maxValue = p11rpc.MaxBody / 2
)

// attributesAt is the host's array of attributes.
func attributesAt(p C.CK_ATTRIBUTE_PTR, n C.CK_ULONG) ([]C.CK_ATTRIBUTE, error) {
	if n > maxTemplate {
		return nil, ck.Errorf(ck.CKR_ARGUMENTS_BAD, "a template of %d attributes, the limit is %d", uint64(n), maxTemplate)
	}
	return unsafe.Slice(p, int(n)), nil
}

// templateAt reads a template. Values that are plain bytes share the host's
// memory.
func templateAt(p C.CK_ATTRIBUTE_PTR, n C.CK_ULONG) (ck.Template, error) {
	list, err := attributesAt(p, n)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	t := make(ck.Template, len(list))
	for i := range list {
		if t[i], err = attribute(&list[i], false); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func attribute(a C.CK_ATTRIBUTE_PTR, nested bool) (ck.Attribute, error) {
	typ := ck.AttributeType(a._type)
	if !valid(unsafe.Pointer(a.pValue), a.ulValueLen) || a.ulValueLen > maxValue {
		return ck.Attribute{}, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID,
			"%v has a length of %d without a value, or one that was never set or is over the limit of 1 MiB", typ, uint64(a.ulValueLen))
	}
	raw := memory(a.pValue, a.ulValueLen)
	switch ck.KindOf(typ) {
	case ck.KindUlong, ck.KindMechanisms:
		return ck.Attribute{Type: typ, Value: canonicalUlongs(raw)}, nil
	case ck.KindTemplate:
		if nested || uint64(len(raw))%attributeLen != 0 {
			return ck.Attribute{}, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "%v holds no template of one level", typ)
		}
		return nestedTemplate(typ, a)
	}
	return ck.Attribute{Type: typ, Value: raw}, nil
}

func nestedTemplate(typ ck.AttributeType, a C.CK_ATTRIBUTE_PTR) (ck.Attribute, error) {
	list, err := attributesAt(C.CK_ATTRIBUTE_PTR(a.pValue), a.ulValueLen/C.CK_ULONG(attributeLen))
	if err != nil {
		return ck.Attribute{}, err
	}
	t := make(ck.Template, len(list))
	for i := range list {
		if t[i], err = attribute(&list[i], true); err != nil {
			return ck.Attribute{}, err
		}
	}
	return ck.Attribute{Type: typ, Value: ck.EncodeTemplate(t)}, nil
}

// canonicalUlongs turns an array of the host's CK_ULONG into 8 bytes each, big
// endian. Bytes that are no such array stay as they are, for the daemon to
// refuse by name.
func canonicalUlongs(raw []byte) []byte {
	if uint64(len(raw))%ulongLen != 0 {
		return raw
	}
	v := make([]byte, 0, uint64(len(raw))/ulongLen*canonicalLen)
	for ; len(raw) > 0; raw = raw[ulongLen:] {
		v = binary.BigEndian.AppendUint64(v, uint64(hostUlong(raw)))
	}
	return v
}

// hostUlong reads a CK_ULONG that need not be aligned.
func hostUlong(raw []byte) (v C.CK_ULONG) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&v)), ulongLen), raw)
	return v
}

func putHostUlong(to []byte, v C.CK_ULONG) {
	copy(to, unsafe.Slice((*byte)(unsafe.Pointer(&v)), ulongLen))
}
