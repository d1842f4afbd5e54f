package vtoken_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

// ecdh is the mechanism to agree with the owner of a public key.
func (w *world) ecdh(c *vtoken.Client, h ck.SessionHandle, pub ck.ObjectHandle) ck.Mechanism {
	w.t.Helper()
	return ck.Mechanism{Type: ck.CKM_ECDH1_DERIVE, Parameter: ck.ECDH1DeriveParams{
		KDF: ck.CKD_NULL, PublicData: w.bytes(c, h, pub, ck.CKA_EC_POINT)}}
}

var readableSecret = ck.Template{
	ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET),
	ck.Ulong(ck.CKA_VALUE_LEN, uint64(32)), ck.Bool(ck.CKA_SENSITIVE, false), ck.Bool(ck.CKA_EXTRACTABLE, true),
}

// Both sides of an agreement derive the same key.
func TestDerive(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	derive := flag(ck.CKA_DERIVE, true)
	alicePub, alice := w.ecPair(c, h, true, derive)
	bobPub, bob := w.ecPair(c, h, false, derive)
	one, err := c.DeriveKey(h, w.ecdh(c, h, bobPub), alice, readableSecret)
	require.NoError(w.t, err)
	two, err := c.DeriveKey(h, w.ecdh(c, h, alicePub), bob, with(readableSecret, onToken))
	require.NoError(w.t, err)
	if a, b := w.bytes(c, h, one, ck.CKA_VALUE), w.bytes(c, h, two, ck.CKA_VALUE); len(a) != 32 || !bytes.Equal(a, b) {
		t.Errorf("%x and %x", a, b)
	}
	for typ, expected := range map[ck.AttributeType]byte{
		ck.CKA_LOCAL: 0, ck.CKA_ALWAYS_SENSITIVE: 0, ck.CKA_NEVER_EXTRACTABLE: 0,
	} {
		if v := w.bytes(c, h, one, typ); v[0] != expected {
			t.Errorf("%v is %d", typ, v[0])
		}
	}
	// One that keeps what the base key always kept, remembers it (section 6.3.17).
	kept, err := c.DeriveKey(h, w.ecdh(c, h, bobPub), alice, readableSecret[:3])
	require.NoError(w.t, err)
	for _, typ := range []ck.AttributeType{ck.CKA_ALWAYS_SENSITIVE, ck.CKA_NEVER_EXTRACTABLE, ck.CKA_SENSITIVE} {
		if v := w.bytes(c, h, kept, typ); v[0] != 1 {
			t.Errorf("%v is %d", typ, v[0])
		}
	}
	_, unused := w.ecPair(c, h, false, flag(ck.CKA_SIGN, true))
	_, err = c.DeriveKey(h, w.ecdh(c, h, bobPub), unused, readableSecret)
	require.Equal(t, ck.CKR_KEY_FUNCTION_NOT_PERMITTED, ck.CodeOf(err))
	_, err = c.DeriveKey(h, w.ecdh(c, h, bobPub), 1<<40, readableSecret)
	require.Equal(t, ck.CKR_KEY_HANDLE_INVALID, ck.CodeOf(err))
}

// CKA_DERIVE_TEMPLATE holds.
func TestDeriveTemplate(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	governed := ck.EncodeTemplate(ck.Template{flag(ck.CKA_SENSITIVE, true), ck.String(ck.CKA_ID, "derived")})
	pub, base := w.ecPair(c, h, false, flag(ck.CKA_DERIVE, true), ck.Bytes(ck.CKA_DERIVE_TEMPLATE, governed))
	m := w.ecdh(c, h, pub)
	_, err := c.DeriveKey(h, m, base, readableSecret)
	require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err))
	made, err := c.DeriveKey(h, m, base, readableSecret[:3])
	require.NoError(w.t, err)
	if id := w.bytes(c, h, made, ck.CKA_ID); string(id) != "derived" {
		t.Errorf("the id is %q", id)
	}
}

// The salt of HKDF may be a key, even the base key itself.
func TestDeriveWithSaltKey(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	secret := func(value string, attrs ...ck.Attribute) ck.ObjectHandle {
		o, err := c.CreateObject(h, with(readableSecret[:2], append(attrs, ck.String(ck.CKA_VALUE, value))...))
		require.NoError(w.t, err)
		return o
	}
	base, salt := secret("base", flag(ck.CKA_DERIVE, true)), secret("salt", flag(ck.CKA_DERIVE, true))
	hkdf := func(p ck.HKDFParams) (ck.ObjectHandle, error) {
		p.Extract, p.Expand, p.PRF = true, true, ck.CKM_SHA256
		return c.DeriveKey(h, ck.Mechanism{Type: ck.CKM_HKDF_DERIVE, Parameter: p}, base, readableSecret)
	}
	byKey := func(k ck.ObjectHandle) ck.HKDFParams {
		return ck.HKDFParams{SaltType: uint64(ck.CKF_HKDF_SALT_KEY), SaltKey: k}
	}
	plain, err := hkdf(ck.HKDFParams{SaltType: uint64(ck.CKF_HKDF_SALT_DATA), Salt: []byte("salt")})
	require.NoError(w.t, err)
	keyed, err := hkdf(byKey(salt))
	require.NoError(w.t, err)
	require.Equal(t, w.bytes(c, h, keyed, ck.CKA_VALUE), w.bytes(c, h, plain, ck.CKA_VALUE), "the salt as a key is another salt")
	_, err = hkdf(byKey(base))
	require.NoError(w.t, err)
	_, err = hkdf(byKey(secret("x", flag(ck.CKA_SIGN, true))))
	require.Equal(t, ck.CKR_KEY_FUNCTION_NOT_PERMITTED, ck.CodeOf(err))
	_, err = hkdf(byKey(1 << 40))
	require.Equal(t, ck.CKR_KEY_HANDLE_INVALID, ck.CodeOf(err))
	pub, _ := w.ecPair(c, h, false)
	_, err = hkdf(byKey(pub))
	require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
}
