package vtoken_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// failing is an error of a caller that has none.
func failing(err error) error {
	if err != nil {
		return err
	}
	return errors.New("what the caller could not do")
}

// A key that asks for the PIN at each use: each function without it is an error and ends the
// operation, and the question for the length before it is none. The PIN after C_SignInit, and
// the question before it, have the signature.
func TestMissingPINEndsTheOperation(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	bits := ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048))}
	_, key, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN},
		append(bits, ck.Bool(ck.CKA_ENCRYPT, true)),
		ck.Template{ck.Bool(ck.CKA_ALWAYS_AUTHENTICATE, true), ck.Bool(ck.CKA_SIGN, true),
			ck.Bool(ck.CKA_SIGN_RECOVER, true), ck.Bool(ck.CKA_DECRYPT, true)})
	require.NoError(t, err)
	aes, rsa, sha := w.aes(c, h), ck.Mechanism{Type: ck.CKM_RSA_PKCS}, ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS}
	begin := func(f initFunc, m ck.Mechanism) func() error { return func() error { return f(h, m, key) } }
	sign, decrypt := begin(c.SignInit, sha), begin(c.DecryptInit, rsa)
	in := make([]byte, 256)
	calls := map[string]struct {
		init func() error
		call func(ck.Buffer) (ck.Output, error)
		asks bool // the call tells the length
	}{
		"Sign":          {sign, func(b ck.Buffer) (ck.Output, error) { return c.Sign(h, in, b) }, true},
		"SignUpdate":    {sign, func(ck.Buffer) (ck.Output, error) { return ck.Output{}, c.SignUpdate(h, in) }, false},
		"SignFinal":     {sign, func(b ck.Buffer) (ck.Output, error) { return c.SignFinal(h, b) }, true},
		"SignRecover":   {begin(c.SignRecoverInit, rsa), func(b ck.Buffer) (ck.Output, error) { return c.SignRecover(h, in[:16], b) }, true},
		"Decrypt":       {decrypt, func(b ck.Buffer) (ck.Output, error) { return c.Decrypt(h, in, b) }, true},
		"DecryptUpdate": {decrypt, func(b ck.Buffer) (ck.Output, error) { return c.DecryptUpdate(h, in, b) }, true},
		"DecryptFinal":  {decrypt, func(b ck.Buffer) (ck.Output, error) { return c.DecryptFinal(h, b) }, true},
		"SignEncryptUpdate": {
			func() error { return errors.Join(sign(), c.EncryptInit(h, cbcMech, aes)) },
			func(b ck.Buffer) (ck.Output, error) { return c.SignEncryptUpdate(h, in, b) }, true,
		},
		"DecryptDigestUpdate": {
			func() error { return errors.Join(decrypt(), c.DigestInit(h, sha256M)) },
			func(b ck.Buffer) (ck.Output, error) { return c.DecryptDigestUpdate(h, in, b) }, true,
		},
	}
	require.NoError(t, sign()) // the use right after the login
	_, err = c.Sign(h, in, big1K)
	require.NoError(t, err)
	for name, f := range calls {
		require.NoError(t, f.init(), name)
		if f.asks {
			_, err := f.call(query)
			require.NoError(t, err, name)
		}
		_, err := f.call(big1K)
		require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err), "%s: %v", name, err)
		_, err = f.call(big1K)
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err), "%s: %v", name, err)
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.Login(h, ck.CKU_CONTEXT_SPECIFIC, pinOf(userPIN))), name)
	}
	require.NoError(t, sign())
	asked, err := c.Sign(h, in, query)
	require.NoError(t, err)
	require.NoError(t, c.Login(h, ck.CKU_CONTEXT_SPECIFIC, pinOf(userPIN)))
	out, err := c.Sign(h, in, ck.Buffer{Len: asked.Len})
	require.NoError(t, err)
	require.EqualValues(t, asked.Len, len(out.Data))
}

// What ended elsewhere ends here: each operation and search, and no other.
func TestEndAfterError(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	aes, mac := w.aes(c, h), w.hmacKey(c, h)
	inits := map[ck.Flags]func() error{
		ck.CKF_ENCRYPT:      func() error { return c.EncryptInit(h, cbcMech, aes) },
		ck.CKF_DECRYPT:      func() error { return c.DecryptInit(h, cbcMech, aes) },
		ck.CKF_DIGEST:       func() error { return c.DigestInit(h, sha256M) },
		ck.CKF_SIGN:         func() error { return c.SignInit(h, hmacMech, mac) },
		ck.CKF_VERIFY:       func() error { return c.VerifyInit(h, hmacMech, mac) },
		ck.CKF_FIND_OBJECTS: func() error { return c.FindObjectsInit(h, nil) },
	}
	for _, init := range inits {
		require.NoError(t, init())
	}
	for flag := range inits {
		require.NoError(t, c.EndAfterError(h, flag))
		for other, init := range inits {
			want := ck.CKR_OPERATION_ACTIVE
			if other == flag {
				want = ck.CKR_OK
			}
			require.Equal(t, want, ck.CodeOf(init()), "%#x after the end of %#x", other, flag)
		}
	}
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(c.EndAfterError(1<<60, ck.CKF_SIGN)))
}
