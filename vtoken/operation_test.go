package vtoken_test

import (
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/record"
)

// aes makes an AES session key.
func (w *world) aes(c *vtoken.Client, h ck.SessionHandle, attrs ...ck.Attribute) ck.ObjectHandle {
	w.t.Helper()
	key, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_AES_KEY_GEN},
		append(ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))}, attrs...))
	require.NoError(w.t, err)
	return key
}

type initFunc func(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error

func inits(c *vtoken.Client) map[ck.AttributeType]initFunc {
	return map[ck.AttributeType]initFunc{
		ck.CKA_ENCRYPT: c.EncryptInit, ck.CKA_DECRYPT: c.DecryptInit,
		ck.CKA_SIGN: c.SignInit, ck.CKA_VERIFY: c.VerifyInit,
	}
}

var cancels = map[ck.AttributeType]ck.Flags{
	ck.CKA_ENCRYPT: ck.CKF_ENCRYPT, ck.CKA_DECRYPT: ck.CKF_DECRYPT,
	ck.CKA_SIGN: ck.CKF_SIGN, ck.CKA_VERIFY: ck.CKF_VERIFY,
}

// Each usage flag is asked by its own function and by no other.
func TestUsageFlags(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	cmac := ck.Mechanism{Type: ck.CKM_SHA256_HMAC}
	cbc := ck.Mechanism{Type: ck.CKM_AES_CBC, Parameter: ck.RawParameter(make([]byte, 16))}
	for usage := range cancels {
		aes := w.aes(c, h, ck.Bool(usage, true))
		hmac, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN},
			ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32)), ck.Bool(usage, true)})
		require.NoError(w.t, err)
		for tried, begin := range inits(c) {
			m, key := cbc, aes
			if tried == ck.CKA_SIGN || tried == ck.CKA_VERIFY {
				m, key = cmac, hmac
			}
			code := ck.CKR_KEY_FUNCTION_NOT_PERMITTED
			if tried == usage {
				code = ck.CKR_OK
			}
			if err := begin(h, m, key); ck.CodeOf(err) != code {
				t.Errorf("a key with %v, asked for %v: %v", usage, tried, err)
			}
			require.NoError(w.t, c.SessionCancel(h, cancels[tried]))
		}
	}
}

// CKA_ALLOWED_MECHANISMS holds for every mechanism and every function.
func TestAllowedMechanisms(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	key := w.aes(c, h, ck.Mechanisms(ck.CKA_ALLOWED_MECHANISMS, ck.CKM_AES_CBC),
		ck.Bool(ck.CKA_ENCRYPT, true), ck.Bool(ck.CKA_DECRYPT, true))
	for _, begin := range []initFunc{c.EncryptInit, c.DecryptInit} {
		for _, m := range mech.List() {
			err := begin(h, ck.Mechanism{Type: m, Parameter: ck.RawParameter(make([]byte, 16))}, key)
			require.Equal(t, (m == ck.CKM_AES_CBC), (err == nil), "%v: %v", m, err)
		}
		require.NoError(w.t, c.SessionCancel(h, ck.CKF_ENCRYPT|ck.CKF_DECRYPT))
	}
}

func TestBadKeys(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, priv := w.ecPair(c, h, true)
	o, err := c.CreateObject(h, data("x", "v"))
	require.NoError(w.t, err)
	require.Equal(t, ck.CKR_KEY_HANDLE_INVALID, ck.CodeOf(c.SignInit(h, ecdsaMech, 99999)))
	require.Equal(t, ck.CKR_KEY_HANDLE_INVALID, ck.CodeOf(c.SignInit(h, ecdsaMech, o)))
	require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(c.SignInit(h, ecdsaMech, w.aes(c, h))))
	require.Equal(t, ck.CKR_KEY_FUNCTION_NOT_PERMITTED, ck.CodeOf(c.SignInit(h, ecdsaMech, pub)))
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(c.SignInit(h, ck.Mechanism{Type: ck.CKM_VENDOR_DEFINED}, priv)))
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(c.SignInit(h, ck.Mechanism{Type: ck.CKM_SHA256}, priv)))
	other, oh := w.open(rw)
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(other.SignInit(oh, ecdsaMech, priv)))
	require.Equal(t, ck.CKR_OK, ck.CodeOf(other.VerifyInit(oh, ecdsaMech, pub)))
}

// Whatever takes the right to a key away ends the operations with it, in all
// sessions at once, and wipes the key when nobody has that right any more.
func TestOperationsEndWithTheRight(t *testing.T) {
	digest := make([]byte, 32)
	for name, tc := range map[string]struct {
		end  func(w *world, c *vtoken.Client, h ck.SessionHandle, priv ck.ObjectHandle)
		code ck.Error
	}{
		"logout": {func(w *world, c *vtoken.Client, h ck.SessionHandle, _ ck.ObjectHandle) {
			require.NoError(w.t, c.Logout(h))
		}, ck.CKR_OPERATION_NOT_INITIALIZED},
		"logout and login": {func(w *world, c *vtoken.Client, h ck.SessionHandle, _ ck.ObjectHandle) {
			require.NoError(w.t, c.Logout(h))
			require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
		}, ck.CKR_OPERATION_NOT_INITIALIZED},
		"destroy": {func(w *world, c *vtoken.Client, h ck.SessionHandle, priv ck.ObjectHandle) {
			require.NoError(w.t, c.DestroyObject(h, priv))
		}, ck.CKR_OPERATION_NOT_INITIALIZED},
		"PIN reset": {func(w *world, _ *vtoken.Client, _ ck.SessionHandle, _ ck.ObjectHandle) {
			require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.UserPIN.Verifier = []byte("another") }))
		}, ck.CKR_OPERATION_NOT_INITIALIZED},
		"disable": {func(w *world, _ *vtoken.Client, _ ck.SessionHandle, _ ck.ObjectHandle) {
			require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.Enabled = false }))
		}, ck.CKR_SESSION_HANDLE_INVALID},
		"delete": {func(w *world, _ *vtoken.Client, _ ck.SessionHandle, _ ck.ObjectHandle) {
			require.NoError(w.t, w.store.DeleteToken(w.alice.ID))
		}, ck.CKR_SESSION_HANDLE_INVALID},
	} {
		for _, token := range []bool{true, false} {
			w := newWorld(t)
			c, h := w.loggedIn(rw)
			second := w.session(c, rw)
			pub, priv := w.ecPair(c, h, token)
			require.NoError(w.t, c.SignInit(second, ecdsaMech, priv))
			require.NoError(w.t, c.VerifyInit(second, ecdsaMech, pub))
			tc.end(w, c, h, priv)
			_, err := c.Sign(second, digest, big1K)
			require.Equal(t, tc.code, ck.CodeOf(err), "%s, token object %v: %v", name, token, err)
			if private, _ := w.engine.ParsedKeys(); private != 0 && name != "logout and login" {
				t.Errorf("%s, token object %v: %d private keys are in memory", name, token, private)
			}
			if tc.code == ck.CKR_OPERATION_NOT_INITIALIZED {
				require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(c.Verify(second, digest, make([]byte, 64))))
			}
		}
	}
}

// One application's logout leaves the operations of another alone.
func TestLogoutOfAnother(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	other, oh := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, true)
	require.NoError(w.t, c.SignInit(h, ecdsaMech, priv))
	require.NoError(w.t, other.SignInit(oh, ecdsaMech, priv))
	require.NoError(w.t, other.Logout(oh))
	_, err := other.Sign(oh, make([]byte, 32), big1K)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	_, err = c.Sign(h, make([]byte, 32), big1K)
	require.NoError(w.t, err)
	if private, _ := w.engine.ParsedKeys(); private != 1 {
		t.Errorf("%d private keys in memory", private)
	}
	c.Close()
	if private, public := w.engine.ParsedKeys(); private != 0 || public != 0 {
		t.Errorf("%d private and %d public keys in memory", private, public)
	}
}

// A key that asks for the PIN at each use works once right after a login;
// then each use needs its own, and one that waits gives way to a new one.
func TestAlwaysAuthenticate(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, true, ck.Bool(ck.CKA_ALWAYS_AUTHENTICATE, true))
	digest := make([]byte, 32)
	context := func(p string) error { return c.Login(h, ck.CKU_CONTEXT_SPECIFIC, pinOf(p)) }
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(context(userPIN)))
	require.NoError(w.t, c.SignInit(h, ecdsaMech, priv))
	_, err := c.Sign(h, digest, big1K)
	require.NoError(w.t, err)
	require.NoError(w.t, c.SignInit(h, ecdsaMech, priv))
	_, err = c.Sign(h, digest, big1K)
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err))
	require.NoError(w.t, c.SignInit(h, ecdsaMech, priv))
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(context("wrong")))
	_, err = c.Sign(h, digest, query)
	require.NoError(w.t, err)
	require.NoError(w.t, context(userPIN))
	_, err = c.Sign(h, digest, big1K)
	require.NoError(w.t, err)
	require.NoError(w.t, c.Logout(h))
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(context(userPIN)))
}

// The first use since the login may be without the PIN, but it need not: whoever
// gives it is not refused, and what was begun and left alone gives way, as
// OpenSSH's agent leaves it.
func TestAlwaysAuthenticateAfterLogin(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, true, ck.Bool(ck.CKA_ALWAYS_AUTHENTICATE, true))
	_, plain := w.ecPair(c, h, true)
	digest := make([]byte, 32)
	for range 3 { // begun, and left alone
		require.NoError(w.t, c.SignInit(h, ecdsaMech, priv))
	}
	require.NoError(w.t, c.SignInit(h, ecdsaMech, plain))
	_, err := c.Sign(h, digest, big1K)
	require.NoError(w.t, err)
	require.NoError(w.t, c.SignInit(h, ecdsaMech, priv))
	require.NoError(w.t, c.Login(h, ck.CKU_CONTEXT_SPECIFIC, pinOf(userPIN)))
	_, err = c.Sign(h, digest, big1K)
	require.NoError(w.t, err)
	require.NoError(w.t, c.SignInit(h, ecdsaMech, priv)) // giving the PIN was the use after the login
	_, err = c.Sign(h, digest, big1K)
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err))
}

// An operation whose key is gone is over, and does not stand in the way of the next.
func TestInitAfterKeyIsGone(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, one := w.ecPair(c, h, true)
	_, two := w.ecPair(c, h, true)
	require.NoError(w.t, c.SignInit(h, ecdsaMech, one))
	require.NoError(w.t, c.DestroyObject(h, one))
	require.NoError(w.t, c.SignInit(h, ecdsaMech, two))
	_, err := c.Sign(h, make([]byte, 32), big1K)
	require.NoError(w.t, err)
}

func TestDigest(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	m := ck.Mechanism{Type: ck.CKM_SHA256}
	wanted := sha256.Sum256([]byte("message"))
	require.NoError(w.t, c.DigestInit(h, m))
	out, err := c.Digest(h, []byte("message"), query)
	require.NoError(w.t, err)
	require.EqualValues(t, 32, out.Len, "length %d", out.Len)
	out, err = c.Digest(h, []byte("message"), ck.Buffer{Len: 32})
	require.NoError(w.t, err)
	require.Equal(t, string(wanted[:]), string(out.Data), "wrong digest")
	key, err := c.CreateObject(h, ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET),
		ck.String(ck.CKA_VALUE, "essa"), ck.Bool(ck.CKA_SENSITIVE, false), ck.Bool(ck.CKA_EXTRACTABLE, true),
	})
	require.NoError(w.t, err)
	require.NoError(w.t, c.DigestInit(h, m))
	require.NoError(w.t, c.DigestUpdate(h, []byte("m")))
	require.NoError(w.t, c.DigestKey(h, key))
	_, err = c.Digest(h, []byte("ge"), big1K)
	require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(err))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.DigestUpdate(h, []byte("ge"))))
	require.NoError(w.t, c.DigestInit(h, m))
	require.NoError(w.t, c.DigestUpdate(h, []byte("m")))
	require.NoError(w.t, c.DigestKey(h, key))
	require.NoError(w.t, c.DigestUpdate(h, []byte("ge")))
	_, err = c.DigestFinal(h, ck.Buffer{Len: 31})
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	out, err = c.DigestFinal(h, big1K)
	require.NoError(w.t, err)
	require.Equal(t, string(wanted[:]), string(out.Data), "wrong digest in parts")
	require.NoError(w.t, c.DigestInit(h, m))
	require.Equal(t, ck.CKR_KEY_INDIGESTIBLE, ck.CodeOf(c.DigestKey(h, w.aes(c, h))))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.DigestUpdate(h, nil)))
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(c.DigestInit(h, ecdsaMech)))
}
