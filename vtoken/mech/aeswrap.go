package mech

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"

	"vtoken/vtoken/ck"
)

// aesWrapMechanisms are key wrapping (section 6.16; NIST SP 800-38F): KW of RFC
// 3394 for keys of whole 8 bytes, KWP of RFC 5649 for keys of any length. The old
// CKM_AES_KEY_WRAP_PAD is KWP too, as in other tokens.
func aesWrapMechanisms() []*Descriptor {
	kw := aesMechanism(ck.CKM_AES_KEY_WRAP)
	kw.Wrap, kw.Unwrap = wrapKW, unwrapKW
	list := []*Descriptor{kw}
	for _, t := range []ck.MechanismType{ck.CKM_AES_KEY_WRAP_PAD, ck.CKM_AES_KEY_WRAP_KWP} {
		d := aesMechanism(t)
		d.Wrap, d.Unwrap = wrapKWP, unwrapKWP
		list = append(list, d)
	}
	return list
}

// semiblock is the unit of KW, in bytes.
const semiblock = 8

// The initial values that are used where the parameter gives none.
func kwIV() []byte  { return bytes.Repeat([]byte{0xa6}, semiblock) }
func kwpIV() []byte { return []byte{0xa6, 0x59, 0x59, 0xa6} }

// wrapIV is the key and the initial value of a parameter, of as many bytes as
// the default has.
func wrapIV(k *Key, p ck.Parameter, standard []byte) (cipher.Block, []byte, error) {
	b, err := aesBlock(k)
	if err != nil || noParameter(p) == nil {
		return b, standard, err
	}
	iv, err := parameterOf[ck.RawParameter](p)
	if err == nil && len(iv) != len(standard) {
		err = badParameter("an IV of %d bytes; it has %d", len(iv), len(standard))
	}
	return b, iv, err
}

func wrapKW(k *Key, p ck.Parameter, encoded []byte) ([]byte, error) {
	b, iv, err := wrapIV(k, p, kwIV())
	if err != nil {
		return nil, err
	}
	if len(encoded) < 2*semiblock || len(encoded)%semiblock != 0 {
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE,
			"a key of %d bytes is not wrapped so; 16 and more in steps of 8 are, CKM_AES_KEY_WRAP_KWP takes any", len(encoded))
	}
	return seal(b, iv, encoded), nil
}

func unwrapKW(k *Key, p ck.Parameter, wrapped []byte) ([]byte, error) {
	b, iv, err := wrapIV(k, p, kwIV())
	if err != nil {
		return nil, err
	}
	if len(wrapped) < 3*semiblock || len(wrapped)%semiblock != 0 {
		return nil, ck.Errorf(ck.CKR_WRAPPED_KEY_LEN_RANGE, "a wrapped key has 24 bytes or more in steps of 8, not %d", len(wrapped))
	}
	got, encoded := open(b, wrapped)
	if subtle.ConstantTimeCompare(got, iv) != 1 {
		clear(encoded)
		return nil, ck.CKR_WRAPPED_KEY_INVALID
	}
	return encoded, nil
}

func wrapKWP(k *Key, p ck.Parameter, encoded []byte) ([]byte, error) {
	b, iv, err := wrapIV(k, p, kwpIV())
	if err != nil {
		return nil, err
	}
	if len(encoded) == 0 {
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "a key of no bytes is not wrapped")
	}
	iv = binary.BigEndian.AppendUint32(bytes.Clone(iv), uint32(len(encoded)))
	padded := make([]byte, (len(encoded)+semiblock-1)/semiblock*semiblock)
	defer clear(padded)
	copy(padded, encoded)
	if len(padded) == semiblock {
		out := append(iv, padded...)
		b.Encrypt(out, out)
		return out, nil
	}
	return seal(b, iv, padded), nil
}

func unwrapKWP(k *Key, p ck.Parameter, wrapped []byte) ([]byte, error) {
	b, iv, err := wrapIV(k, p, kwpIV())
	if err != nil {
		return nil, err
	}
	if len(wrapped) < 2*semiblock || len(wrapped)%semiblock != 0 {
		return nil, ck.Errorf(ck.CKR_WRAPPED_KEY_LEN_RANGE, "a wrapped key has 16 bytes or more in steps of 8, not %d", len(wrapped))
	}
	var head, padded []byte
	if len(wrapped) == aes.BlockSize {
		block := make([]byte, aes.BlockSize)
		b.Decrypt(block, wrapped)
		head, padded = block[:semiblock], block[semiblock:]
	} else {
		head, padded = open(b, wrapped)
	}
	n := int(binary.BigEndian.Uint32(head[4:]))
	good := subtle.ConstantTimeCompare(head[:4], iv)
	if n <= len(padded)-semiblock || n > len(padded) {
		good, n = 0, len(padded)
	}
	var rest byte
	for _, v := range padded[n:] {
		rest |= v
	}
	if good&subtle.ConstantTimeByteEq(rest, 0) != 1 {
		clear(padded)
		return nil, ck.CKR_WRAPPED_KEY_INVALID // one answer, whatever the fault
	}
	return padded[:n], nil
}

// seal is the wrapping function W of SP 800-38F section 6.1, with iv in front.
func seal(b cipher.Block, iv, in []byte) []byte {
	out := append(bytes.Clone(iv), in...)
	n := uint64(len(in) / semiblock)
	block := make([]byte, aes.BlockSize)
	copy(block, iv)
	for t := uint64(1); t <= 6*n; t++ {
		r := out[semiblock*((t-1)%n+1):][:semiblock]
		copy(block[semiblock:], r)
		b.Encrypt(block, block)
		binary.BigEndian.PutUint64(block, binary.BigEndian.Uint64(block)^t)
		copy(r, block[semiblock:])
	}
	copy(out, block[:semiblock])
	return out
}

// open is the inverse: the initial value, for the caller to compare, and the rest.
func open(b cipher.Block, in []byte) (iv, out []byte) {
	out = bytes.Clone(in[semiblock:])
	n := uint64(len(out) / semiblock)
	block := make([]byte, aes.BlockSize)
	copy(block, in)
	for t := 6 * n; t >= 1; t-- {
		r := out[semiblock*((t-1)%n):][:semiblock]
		binary.BigEndian.PutUint64(block, binary.BigEndian.Uint64(block)^t)
		copy(block[semiblock:], r)
		b.Decrypt(block, block)
		copy(r, block[semiblock:])
	}
	return block[:semiblock], out
}
