package vtoken_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

func sealParams(m ck.MechanismType) *ck.WrapParams {
	return &ck.WrapParams{
		MessageParams: ck.MessageParams{Mechanism: m, Generator: ck.CKG_GENERATE_RANDOM, TagBits: 128, Nonce: make([]byte, 12), Tag: make([]byte, 16)},
		AAD:           []byte("whose key it is"),
	}
}

// Keys go through authenticated wrapping and come back as they were; each time
// with another nonce.
func TestWrapAuthenticated(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	wrapping, key := w.aes(c, h, wraps...), w.aes(c, h, extractable, freely)
	_, priv := w.ecPair(c, h, false, extractable, freely)
	for _, m := range []ck.MechanismType{ck.CKM_AES_GCM, ck.CKM_AES_CCM} {
		p := sealParams(m)
		asked, err := c.WrapKeyAuthenticated(h, p, wrapping, key, query)
		require.NoError(w.t, err)
		_, err = c.WrapKeyAuthenticated(h, p, wrapping, key, ck.Buffer{Len: asked.Len - 1})
		require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
		out, err := c.WrapKeyAuthenticated(h, p, wrapping, key, ck.Buffer{Len: asked.Len})
		require.NoError(w.t, err)
		if asked.Len != 16 || len(out.Data) != 16 || bytes.Equal(p.Nonce, make([]byte, 12)) || bytes.Equal(p.Tag, make([]byte, 16)) {
			t.Errorf("%v: %d bytes, nonce %x, tag %x", m, len(out.Data), p.Nonce, p.Tag)
		}
		unwrapping, blob := ck.Mechanism{Type: m, Parameter: p.Plain()}, append(out.Data, p.Tag...)
		again, err := c.UnwrapKey(h, unwrapping, wrapping, blob, aesTemplate)
		require.NoError(w.t, err)
		require.Equal(t, w.bytes(c, h, again, ck.CKA_CHECK_VALUE), w.bytes(c, h, key, ck.CKA_CHECK_VALUE),
			"%v: another key came back", m)
		blob[0] ^= 1
		_, err = c.UnwrapKey(h, unwrapping, wrapping, blob, aesTemplate)
		require.Equal(t, ck.CKR_AEAD_DECRYPT_FAILED, ck.CodeOf(err))

		// C_WrapKey, a private key, and the tag at the end.
		q := sealParams(m)
		blob = w.wrapped(c, h, ck.Mechanism{Type: m, Parameter: q}, wrapping, priv)
		require.NotEqual(t, p.Nonce, q.Nonce, "%v: a nonce comes twice", m)
		_, err = c.UnwrapKey(h, ck.Mechanism{Type: m, Parameter: q.Plain()}, wrapping, blob, ecTemplate)
		require.NoError(w.t, err)
	}
}

func TestWrapAuthenticatedRefuses(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	wrapping, key, guarded := w.aes(c, h, wraps...), w.aes(c, h, extractable, freely), w.aes(c, h)
	encrypts := w.aes(c, h, wraps[0], flag(ck.CKA_ENCRYPT, true))
	encrypted := w.aes(c, h, wraps[0], flag(ck.CKA_ENCRYPT, true))
	require.NoError(w.t, c.SetAttributeValue(h, encrypted, ck.Template{flag(ck.CKA_ENCRYPT, false)}))
	for name, r := range map[string]struct {
		wrapping, key ck.ObjectHandle
		change        func(p *ck.WrapParams)
		code          ck.Error
	}{
		"the caller's nonce":   {wrapping, key, func(p *ck.WrapParams) { p.Generator = ck.CKG_NO_GENERATE }, ck.CKR_MECHANISM_PARAM_INVALID},
		"a counter":            {wrapping, key, func(p *ck.WrapParams) { p.Generator = ck.CKG_GENERATE_COUNTER }, ck.CKR_MECHANISM_PARAM_INVALID},
		"fixed bits":           {wrapping, key, func(p *ck.WrapParams) { p.FixedBits = 8 }, ck.CKR_MECHANISM_PARAM_INVALID},
		"all bits fixed":       {wrapping, key, func(p *ck.WrapParams) { p.FixedBits = ^uint64(0) }, ck.CKR_MECHANISM_PARAM_INVALID},
		"a short nonce":        {wrapping, key, func(p *ck.WrapParams) { p.Nonce = p.Nonce[1:] }, ck.CKR_MECHANISM_PARAM_INVALID},
		"a short tag":          {wrapping, key, func(p *ck.WrapParams) { p.TagBits, p.Tag = 24, p.Tag[:3] }, ck.CKR_MECHANISM_PARAM_INVALID},
		"no place for the tag": {wrapping, key, func(p *ck.WrapParams) { p.Tag = nil }, ck.CKR_MECHANISM_PARAM_INVALID},
		"another mechanism":    {wrapping, key, func(p *ck.WrapParams) { p.Mechanism = ck.CKM_AES_CBC }, ck.CKR_MECHANISM_INVALID},
		"unextractable":        {wrapping, guarded, nil, ck.CKR_KEY_UNEXTRACTABLE},
		"no wrapping key":      {1 << 40, key, nil, ck.CKR_WRAPPING_KEY_HANDLE_INVALID},
		"no key":               {wrapping, 1 << 40, nil, ck.CKR_KEY_HANDLE_INVALID},
		"not to do":            {key, key, nil, ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		"one that encrypts":    {encrypts, key, nil, ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		"one that did":         {encrypted, key, nil, ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
	} {
		p := sealParams(ck.CKM_AES_GCM)
		if r.change != nil {
			r.change(p)
		}
		if _, err := c.WrapKeyAuthenticated(h, p, r.wrapping, r.key, big1K); ck.CodeOf(err) != r.code {
			t.Errorf("%s: %v, want %v", name, err, r.code)
		}
	}
	require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT,
		ck.CodeOf(c.SetAttributeValue(h, wrapping, ck.Template{flag(ck.CKA_ENCRYPT, true)})))
	_, err := c.CopyObject(h, wrapping, ck.Template{flag(ck.CKA_ENCRYPT, true), flag(ck.CKA_WRAP, false)})
	require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err))
}
