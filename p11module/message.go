package main

// #include "cryptoki.h"
import "C"

import (
	"unsafe"

	"vtoken/vtoken/ck"
)

// The most bytes of a nonce and of a tag.
const (
	maxNonce = 256
	maxTag   = 16
)

// messageAt is the parameter of a message. The calls do not say of which
// mechanism, so its length tells; the daemon compares that with the operation's.
// Nonce and tag share the host's memory, where an encryption writes them.
func messageAt(p C.CK_VOID_PTR, n C.CK_ULONG) (*ck.MessageParams, error) {
	var m *ck.MessageParams
	var ok bool
	switch uintptr(n) {
	case unsafe.Sizeof(C.CK_GCM_MESSAGE_PARAMS{}):
		m, ok = gcmMessage((*C.CK_GCM_MESSAGE_PARAMS)(p))
	case unsafe.Sizeof(C.CK_CCM_MESSAGE_PARAMS{}):
		m, ok = ccmMessage((*C.CK_CCM_MESSAGE_PARAMS)(p))
	case unsafe.Sizeof(C.CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS{}):
		m, ok = chachaMessage((*C.CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS)(p))
	}
	if !ok {
		return nil, ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID,
			"%d bytes are not the parameter of a message, or its nonce or tag is too long", uint64(n))
	}
	return m, nil
}

func gcmMessage(v *C.CK_GCM_MESSAGE_PARAMS) (*ck.MessageParams, bool) {
	return &ck.MessageParams{
		Mechanism: ck.CKM_AES_GCM,
		Generator: uint64(v.ivGenerator),
		FixedBits: uint64(v.ulIvFixedBits),
		TagBits:   uint64(v.ulTagBits),
		Nonce:     bytesAt(v.pIv, min(v.ulIvLen, maxNonce)),
		Tag:       bytesAt(v.pTag, min(v.ulTagBits/8, maxTag)),
	}, valid(unsafe.Pointer(v.pIv), v.ulIvLen) && v.ulIvLen <= maxNonce && v.ulTagBits <= 8*maxTag
}

func ccmMessage(v *C.CK_CCM_MESSAGE_PARAMS) (*ck.MessageParams, bool) {
	return &ck.MessageParams{
		Mechanism: ck.CKM_AES_CCM,
		Generator: uint64(v.nonceGenerator),
		FixedBits: uint64(v.ulNonceFixedBits),
		DataLen:   uint64(v.ulDataLen),
		TagBits:   8 * uint64(min(v.ulMACLen, maxTag)),
		Nonce:     bytesAt(v.pNonce, min(v.ulNonceLen, maxNonce)),
		Tag:       bytesAt(v.pMAC, min(v.ulMACLen, maxTag)),
	}, valid(unsafe.Pointer(v.pNonce), v.ulNonceLen) && v.ulNonceLen <= maxNonce && v.ulMACLen <= maxTag
}

func chachaMessage(v *C.CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS) (*ck.MessageParams, bool) {
	return &ck.MessageParams{
		Mechanism: ck.CKM_CHACHA20_POLY1305,
		TagBits:   8 * maxTag,
		Nonce:     bytesAt(v.pNonce, min(v.ulNonceLen, maxNonce)),
		Tag:       bytesAt(v.pTag, maxTag),
	}, valid(unsafe.Pointer(v.pNonce), v.ulNonceLen) && v.ulNonceLen <= maxNonce
}

// messageMechanismAt is the mechanism of an operation on messages; nil for a
// null pointer. Its parameter, where it has one, is that of a message and not
// the mechanism's other one, which may have as many bytes. It is not read, as
// each message comes with its own.
func messageMechanismAt(p C.CK_MECHANISM_PTR) (*ck.Mechanism, error) {
	if p == nil {
		return nil, nil
	}
	return &ck.Mechanism{Type: ck.MechanismType(p.mechanism)}, nil
}

// wrapMechanismAt is the mechanism of a key that is wrapped with authentication.
// Its parameter is that of a message.
func wrapMechanismAt(p C.CK_MECHANISM_PTR) (*ck.WrapParams, error) {
	t := ck.MechanismType(p.mechanism)
	switch {
	case t != ck.CKM_AES_GCM && t != ck.CKM_AES_CCM:
		return nil, ck.Errorf(ck.CKR_MECHANISM_INVALID, "%v does not wrap with authentication", t)
	case p.pParameter == nil:
		return nil, paramInvalid(t, p)
	}
	m, err := messageAt(p.pParameter, p.ulParameterLen)
	if err != nil {
		return nil, err
	}
	if m.Mechanism != t {
		return nil, paramInvalid(t, p)
	}
	return &ck.WrapParams{MessageParams: *m}, nil
}
