package mech

import (
	"bytes"

	"vtoken/vtoken/ck"
)

// aead is a key with a checked parameter that encrypts a whole text with a tag
// at its end. Both may work in the memory of the text.
type aead interface {
	encrypt(in []byte) ([]byte, error)
	decrypt(in []byte) ([]byte, error)
}

// sealing lets a mechanism that authenticates wrap keys, too (sections 5.18.6,
// 5.18.7, 6.13 of 3.2). The parameter of a wrapping is a [ck.WrapParams], whose
// nonce the engine has made; that of an unwrapping may be the one of a decryption.
// The tag is at the end of what is wrapped.
func sealing[T aead](d *Descriptor, setUp func(*Key, ck.Parameter) (T, error)) {
	d.Wrap = func(k *Key, p ck.Parameter, encoded []byte) ([]byte, error) {
		w, err := parameterOf[*ck.WrapParams](p)
		if err != nil {
			return nil, err
		}
		plain := d.plainParameter(w, len(encoded))
		if err := fullTag(plain); err != nil {
			return nil, err
		}
		a, err := setUp(k, plain)
		if err != nil {
			return nil, err
		}
		// With room for the tag, so that no copy of the key is left behind.
		in := make([]byte, len(encoded), len(encoded)+16)
		copy(in, encoded)
		out, err := a.encrypt(in)
		if err != nil {
			clear(in)
			return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "wrap with %v: %w", d.Type, err)
		}
		if &out[0] != &in[:1][0] {
			clear(in)
		}
		return out, nil
	}
	d.Unwrap = func(k *Key, p ck.Parameter, wrapped []byte) ([]byte, error) {
		switch v := p.(type) {
		case *ck.WrapParams:
			p = d.plainParameter(v, len(wrapped)-int(v.TagBits/8))
		case ck.CCMParams:
			v.DataLen = knownLength(v.DataLen, len(wrapped)-int(v.MACLen))
			p = v
		}
		if err := fullTag(p); err != nil {
			return nil, err
		}
		a, err := setUp(k, p)
		if err != nil {
			return nil, err
		}
		out, err := a.decrypt(bytes.Clone(wrapped))
		switch ck.CodeOf(err) {
		case ck.CKR_ENCRYPTED_DATA_LEN_RANGE:
			return nil, ck.Errorf(ck.CKR_WRAPPED_KEY_LEN_RANGE, "unwrap with %v: %w", d.Type, err)
		case ck.CKR_ENCRYPTED_DATA_INVALID:
			return nil, ck.CKR_AEAD_DECRYPT_FAILED
		}
		return out, err
	}
}

// minWrapTag is the shortest tag of a wrapped key, in bytes. A shorter one is found by
// trying, and then a wrapped key can be cut to its first byte.
const minWrapTag = 12

// fullTag refuses the short tags that CCM has for data. GCM has none.
func fullTag(p ck.Parameter) error {
	if v, ok := p.(ck.CCMParams); ok && v.MACLen < minWrapTag {
		return badParameter("a tag of %d bytes; that of a wrapped key has %d or more", v.MACLen, minWrapTag)
	}
	return nil
}

// plainParameter is the parameter of an encryption of n bytes.
func (d *Descriptor) plainParameter(w *ck.WrapParams, n int) ck.Parameter {
	m := w.MessageParams
	m.DataLen = knownLength(m.DataLen, n)
	return d.Message(m, w.AAD)
}

// knownLength is the length that a parameter gives, or that of the text where it
// gives none: who wraps a private key cannot know it.
func knownLength(given uint64, n int) uint64 {
	if given == 0 {
		return uint64(max(0, n))
	}
	return given
}
