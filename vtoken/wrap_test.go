package vtoken_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

var kwp = ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP_KWP}

func flag(t ck.AttributeType, v bool) ck.Attribute { return ck.Bool(t, v) }

var (
	extractable = flag(ck.CKA_EXTRACTABLE, true)
	freely      = flag(ck.CKA_WRAP_WITH_TRUSTED, false) // wrapped with untrusted keys, too
	wraps       = []ck.Attribute{flag(ck.CKA_WRAP, true), flag(ck.CKA_UNWRAP, true)}
	aesTemplate = ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES)}
	ecTemplate  = ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_EC)}
)

func with(t ck.Template, attrs ...ck.Attribute) ck.Template {
	return append(t[:len(t):len(t)], attrs...)
}

// wrapped is a key wrapped with another, by way of its length.
func (w *world) wrapped(c *vtoken.Client, h ck.SessionHandle, m ck.Mechanism, wrapping, key ck.ObjectHandle) []byte {
	w.t.Helper()
	asked, err := c.WrapKey(h, m, wrapping, key, query)
	require.NoError(w.t, err)
	_, err = c.WrapKey(h, m, wrapping, key, ck.Buffer{Len: asked.Len - 1})
	require.Equal(w.t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	out, err := c.WrapKey(h, m, wrapping, key, ck.Buffer{Len: asked.Len})
	require.NoError(w.t, err)
	require.Equal(w.t, asked.Len, uint64(len(out.Data)), "%d bytes, %d were told", len(out.Data), asked.Len)
	return out.Data
}

// A secret key and private keys of every type go through a wrapping key and come
// back as they were.
func TestWrapAndUnwrap(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	wrapping := w.aes(c, h, wraps...)
	rsaPub, rsaPriv, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048)), flag(ck.CKA_WRAP, true)}, ck.Template{flag(ck.CKA_UNWRAP, true)})
	require.NoError(w.t, err)
	oaep := ck.Mechanism{Type: ck.CKM_RSA_PKCS_OAEP, Parameter: ck.RSAPkcsOaepParams{
		HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA256, Source: ck.CKZ_DATA_SPECIFIED}}
	key := w.aes(c, h, extractable, freely)
	for _, way := range []struct {
		m            ck.Mechanism
		wrap, unwrap ck.ObjectHandle
	}{
		{kwp, wrapping, wrapping},
		{ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, wrapping, wrapping},
		{oaep, rsaPub, rsaPriv},
	} {
		blob := w.wrapped(c, h, way.m, way.wrap, key)
		again, err := c.UnwrapKey(h, way.m, way.unwrap, blob, with(aesTemplate, ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))))
		require.NoError(w.t, err)
		require.Equal(t, w.bytes(c, h, again, ck.CKA_CHECK_VALUE), w.bytes(c, h, key, ck.CKA_CHECK_VALUE),
			"%v: another key came back", way.m.Type)
		for typ, expected := range map[ck.AttributeType]byte{
			ck.CKA_SENSITIVE: 1, ck.CKA_EXTRACTABLE: 0, ck.CKA_LOCAL: 0, ck.CKA_ALWAYS_SENSITIVE: 0, ck.CKA_NEVER_EXTRACTABLE: 0,
		} {
			if v := w.bytes(c, h, again, typ); v[0] != expected {
				t.Errorf("%v: %v is %d", way.m.Type, typ, v[0])
			}
		}
		blob[3] ^= 1
		_, err = c.UnwrapKey(h, way.m, way.unwrap, blob, aesTemplate)
		require.Equal(t, ck.CKR_WRAPPED_KEY_INVALID, ck.CodeOf(err))
	}
}

// A private key that was wrapped signs when it is unwrapped, also on the token
// and after a restart.
func TestWrapPrivateKey(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	wrapping := w.aes(c, h, append(wraps, onToken)...)
	pub, priv := w.ecPair(c, h, true, extractable, freely)
	blob := w.wrapped(c, h, kwp, wrapping, priv)
	require.NoError(w.t, c.DestroyObject(h, priv))
	again, err := c.UnwrapKey(h, kwp, wrapping, blob, with(ecTemplate, onToken))
	require.NoError(w.t, err)
	w.restart()
	c, h = w.loggedIn(rw)
	digest := make([]byte, 32)
	require.NoError(w.t, c.SignInit(h, ecdsaMech, again))
	sig, err := c.Sign(h, digest, big1K)
	require.NoError(w.t, err)
	w.verifyP256(c, h, pub, digest, sig.Data)
}

// The codes of what does not go (section 5.18.3 and 5.18.4).
func TestWrapRefuses(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	wrapping, plain, other := w.aes(c, h, wraps...), w.aes(c, h, extractable, freely), w.aes(c, h, wraps...)
	_, guarded := w.ecPair(c, h, false, extractable)
	pub, _ := w.ecPair(c, h, false)
	extractableWrapper := w.aes(c, h, append(wraps, extractable, freely)...)
	for name, r := range map[string]struct {
		wrapping, key ck.ObjectHandle
		code          ck.Error
	}{
		"unextractable":        {wrapping, other, ck.CKR_KEY_UNEXTRACTABLE},
		"only with trusted":    {wrapping, guarded, ck.CKR_KEY_NOT_WRAPPABLE},
		"a public key":         {wrapping, pub, ck.CKR_KEY_NOT_WRAPPABLE},
		"a wrapping key":       {wrapping, extractableWrapper, ck.CKR_KEY_NOT_WRAPPABLE},
		"no key":               {wrapping, 1 << 40, ck.CKR_KEY_HANDLE_INVALID},
		"with no key":          {1 << 40, plain, ck.CKR_WRAPPING_KEY_HANDLE_INVALID},
		"with another type":    {pub, plain, ck.CKR_WRAPPING_KEY_TYPE_INCONSISTENT},
		"with a key not to do": {plain, plain, ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
	} {
		_, err := c.WrapKey(h, kwp, r.wrapping, r.key, big1K)
		require.Equal(t, r.code, ck.CodeOf(err), "%s: %v, want %v", name, err, r.code)
	}
	blob := w.wrapped(c, h, kwp, wrapping, plain)
	for name, r := range map[string]struct {
		key  ck.ObjectHandle
		blob []byte
		t    ck.Template
		code ck.Error
	}{
		"readable":             {wrapping, blob, with(aesTemplate, extractable, flag(ck.CKA_SENSITIVE, false)), ck.CKR_TEMPLATE_INCONSISTENT},
		"wrapping":             {wrapping, blob, with(aesTemplate, flag(ck.CKA_WRAP, true)), ck.CKR_OK},
		"for any wrapper":      {wrapping, blob, with(aesTemplate, extractable, flag(ck.CKA_WRAP_WITH_TRUSTED, false)), ck.CKR_TEMPLATE_INCONSISTENT},
		"no class":             {wrapping, blob, nil, ck.CKR_TEMPLATE_INCOMPLETE},
		"no type":              {wrapping, blob, aesTemplate[:1], ck.CKR_TEMPLATE_INCOMPLETE},
		"a value":              {wrapping, blob, with(aesTemplate, ck.Bytes(ck.CKA_VALUE, make([]byte, 16))), ck.CKR_TEMPLATE_INCONSISTENT},
		"another length":       {wrapping, blob, with(aesTemplate, ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))), ck.CKR_TEMPLATE_INCONSISTENT},
		"no PKCS #8":           {wrapping, blob, ecTemplate, ck.CKR_WRAPPED_KEY_INVALID},
		"no blob":              {wrapping, nil, aesTemplate, ck.CKR_WRAPPED_KEY_LEN_RANGE},
		"no key":               {1 << 40, blob, aesTemplate, ck.CKR_UNWRAPPING_KEY_HANDLE_INVALID},
		"with a key not to do": {plain, blob, aesTemplate, ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		"public, logged in":    {wrapping, blob, with(aesTemplate, public, flag(ck.CKA_SENSITIVE, false)), ck.CKR_OK},
	} {
		_, err := c.UnwrapKey(h, kwp, r.key, r.blob, r.t)
		require.Equal(t, r.code, ck.CodeOf(err), "unwrap: %s: %v, want %v", name, err, r.code)
	}
}

// CKA_WRAP_TEMPLATE and CKA_UNWRAP_TEMPLATE hold, byte strings too.
func TestWrapTemplates(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	id := ck.String(ck.CKA_ID, "backed up")
	wrapping := w.aes(c, h, append(wraps,
		ck.Bytes(ck.CKA_WRAP_TEMPLATE, ck.EncodeTemplate(ck.Template{id, ck.Bytes(ck.CKA_SENSITIVE, []byte{7})})),
		ck.Bytes(ck.CKA_UNWRAP_TEMPLATE, ck.EncodeTemplate(ck.Template{ck.String(ck.CKA_LABEL, "restored"), flag(ck.CKA_ENCRYPT, false)})))...)
	_, err := c.WrapKey(h, kwp, wrapping, w.aes(c, h, extractable, freely), big1K)
	require.Equal(t, ck.CKR_KEY_HANDLE_INVALID, ck.CodeOf(err))
	_, err = c.WrapKey(h, kwp, wrapping, w.aes(c, h, extractable, freely, id, flag(ck.CKA_SENSITIVE, false)), big1K)
	require.Equal(t, ck.CKR_KEY_HANDLE_INVALID, ck.CodeOf(err))
	blob := w.wrapped(c, h, kwp, wrapping, w.aes(c, h, extractable, freely, id))

	again, err := c.UnwrapKey(h, kwp, wrapping, blob, with(aesTemplate, flag(ck.CKA_DECRYPT, true)))
	require.NoError(w.t, err)
	if label, encrypt := w.bytes(c, h, again, ck.CKA_LABEL), w.bytes(c, h, again, ck.CKA_ENCRYPT); string(label) != "restored" || encrypt[0] != 0 {
		t.Errorf("label %q, encrypt %d", label, encrypt)
	}
	_, err = c.UnwrapKey(h, kwp, wrapping, blob, with(aesTemplate, ck.String(ck.CKA_LABEL, "restored"), ck.Bytes(ck.CKA_ENCRYPT, []byte{0})))
	require.NoError(w.t, err)
	for _, a := range []ck.Attribute{ck.String(ck.CKA_LABEL, "restored!"), ck.String(ck.CKA_LABEL, ""), flag(ck.CKA_ENCRYPT, true)} {
		_, err = c.UnwrapKey(h, kwp, wrapping, blob, with(aesTemplate, a))
		require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err))
	}
	// The templates stay as they are.
	require.Equal(t, ck.CKR_ATTRIBUTE_READ_ONLY,
		ck.CodeOf(c.SetAttributeValue(h, wrapping, ck.Template{ck.Bytes(ck.CKA_WRAP_TEMPLATE, nil)})))
	_, err = c.CopyObject(h, wrapping, ck.Template{ck.Bytes(ck.CKA_UNWRAP_TEMPLATE, nil)})
	require.Equal(t, ck.CKR_ATTRIBUTE_READ_ONLY, ck.CodeOf(err))
}

// A key for trusted keys is wrapped once the SO marked the wrapping key.
func TestWrapWithTrusted(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, guarded := w.ecPair(c, h, true, extractable)
	wrapping := w.aes(c, h, append(wraps, onToken, public)...)
	trusted := ck.Template{flag(ck.CKA_TRUSTED, true)}
	require.Equal(t, ck.CKR_ATTRIBUTE_READ_ONLY, ck.CodeOf(c.SetAttributeValue(h, wrapping, trusted)))
	_, err := c.WrapKey(h, kwp, wrapping, guarded, big1K)
	require.Equal(t, ck.CKR_KEY_NOT_WRAPPABLE, ck.CodeOf(err))
	require.NoError(w.t, c.Logout(h))
	require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf(soPIN)))
	require.NoError(w.t, c.SetAttributeValue(h, wrapping, trusted))
	require.NoError(w.t, c.Logout(h))
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
	blob := w.wrapped(c, h, kwp, wrapping, guarded)
	// What comes back is for trusted keys again.
	again, err := c.UnwrapKey(h, kwp, wrapping, blob, with(ecTemplate, extractable))
	require.NoError(w.t, err)
	_, err = c.WrapKey(h, kwp, w.aes(c, h, wraps...), again, big1K)
	require.Equal(t, ck.CKR_KEY_NOT_WRAPPABLE, ck.CodeOf(err))
	w.wrapped(c, h, kwp, wrapping, again)
}

// Keys are wrapped, unwrapped and derived by who may use and make them.
func TestWrapNeedsLogin(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	wrapping, key := w.aes(c, h, append(wraps, onToken)...), w.aes(c, h, extractable, freely, onToken)
	blob := w.wrapped(c, h, kwp, wrapping, key)
	reader := w.session(c, ro)
	_, err := c.UnwrapKey(reader, kwp, wrapping, blob, with(aesTemplate, onToken))
	require.Equal(t, ck.CKR_SESSION_READ_ONLY, ck.CodeOf(err))
	_, err = c.UnwrapKey(reader, kwp, wrapping, blob, aesTemplate)
	require.NoError(w.t, err)
	require.NoError(w.t, c.Logout(h))
	_, err = c.WrapKey(h, kwp, wrapping, key, big1K)
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err))
	_, err = c.UnwrapKey(h, kwp, wrapping, blob, aesTemplate)
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err))
	_, err = c.DeriveKey(h, ck.Mechanism{Type: ck.CKM_ECDH1_DERIVE}, key, aesTemplate)
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err), "%v", err)
}

// An unwrapped key may be one that nobody changes, copies or destroys.
func TestUnwrapForGood(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	wrapping := w.aes(c, h, wraps...)
	blob := w.wrapped(c, h, kwp, wrapping, w.aes(c, h, extractable, freely))
	key, err := c.UnwrapKey(h, kwp, wrapping, blob, with(aesTemplate, onToken,
		flag(ck.CKA_MODIFIABLE, false), flag(ck.CKA_COPYABLE, false), flag(ck.CKA_DESTROYABLE, false)))
	require.NoError(w.t, err)
	require.Equal(t, ck.CKR_ACTION_PROHIBITED, ck.CodeOf(c.SetAttributeValue(h, key, ck.Template{ck.String(ck.CKA_LABEL, "x")})))
	_, err = c.CopyObject(h, key, nil)
	require.Equal(t, ck.CKR_ACTION_PROHIBITED, ck.CodeOf(err))
	require.Equal(t, ck.CKR_ACTION_PROHIBITED, ck.CodeOf(c.DestroyObject(h, key)))
	for _, typ := range []ck.AttributeType{ck.CKA_MODIFIABLE, ck.CKA_COPYABLE, ck.CKA_DESTROYABLE} {
		if v := w.bytes(c, h, key, typ); v[0] != 0 {
			t.Errorf("%v is %d", typ, v[0])
		}
	}
}
