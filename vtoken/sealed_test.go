package vtoken_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/enginetest"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// closedStore opens no secret once it has an error.
type closedStore struct {
	*enginetest.Store
	err error
}

func (s *closedStore) OpenSecret(token record.TokenID, id object.ID, bound secret.Bytes) (object.Set, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Store.OpenSecret(token, id, bound)
}

// Where a key's secret cannot be opened, each call that needs it says so, and what needs none
// works. A key that is gone has its own code.
func TestSecretsThatCannotBeOpened(t *testing.T) {
	w := newWorld(t)
	store := &closedStore{Store: w.store}
	e, err := vtoken.New(store, vtoken.Options{})
	require.NoError(t, err)
	w.engine = e
	c, h := w.loggedIn(rw)
	on := func(types ...ck.AttributeType) (list []ck.Attribute) {
		for _, typ := range types {
			list = append(list, ck.Bool(typ, true))
		}
		return append(list, onToken)
	}
	open := []ck.Attribute{ck.Bool(ck.CKA_SENSITIVE, false), ck.Bool(ck.CKA_EXTRACTABLE, true),
		ck.Bool(ck.CKA_WRAP_WITH_TRUSTED, false)}
	aes := w.aes(c, h, append(open, on(ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_VERIFY)...)...)
	wrapping := w.aes(c, h, on(ck.CKA_WRAP, ck.CKA_UNWRAP)...)
	generic := func(more ...ck.Attribute) ck.ObjectHandle {
		o, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN},
			append(ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32)), onToken}, more...))
		require.NoError(t, err)
		return o
	}
	base, salt := generic(ck.Bool(ck.CKA_DERIVE, true)), generic(ck.Bool(ck.CKA_DERIVE, true))
	session := w.aes(c, h,
		append(open, ck.Bool(ck.CKA_WRAP, true), ck.Bool(ck.CKA_UNWRAP, true), ck.Bool(ck.CKA_ENCRYPT, true))...)
	pub, priv := w.ecPair(c, h, true)
	kemPub, kemPriv := w.kemPair(c, h, nil, ck.Template{onToken})
	cbc := ck.Mechanism{Type: ck.CKM_AES_CBC, Parameter: ck.RawParameter(make([]byte, 16))}
	kw := ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}
	length := ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))}
	ciphertext, secretKey, err := c.EncapsulateKey(h, ck.Mechanism{Type: ck.CKM_ML_KEM}, kemPub, nil,
		ck.Buffer{Len: 4096})
	require.NoError(t, err)
	require.NotZero(t, secretKey)
	hkdf := func(from, salt ck.ObjectHandle) error {
		p := ck.HKDFParams{Extract: true, Expand: true, PRF: ck.CKM_SHA256, SaltType: uint64(ck.CKF_HKDF_SALT_NULL)}
		if salt != 0 {
			p.SaltType, p.SaltKey = uint64(ck.CKF_HKDF_SALT_KEY), salt
		}
		_, err := c.DeriveKey(h, ck.Mechanism{Type: ck.CKM_HKDF_DERIVE, Parameter: p}, from, length)
		return err
	}
	fresh := generic(ck.Bool(ck.CKA_DERIVE, true))
	calls := map[string]func() error{
		"encrypt":  func() error { return c.EncryptInit(h, cbc, aes) },
		"decrypt":  func() error { return c.DecryptInit(h, cbc, aes) },
		"sign":     func() error { return c.SignInit(h, ecdsaSHA256, priv) },
		"messages": func() error { return c.MessageSignInit(h, ecdsaSHA256, priv) },
		"digest a key": func() error {
			if err := c.DigestInit(h, sha256M); err != nil {
				return err
			}
			defer func() { require.NoError(t, c.SessionCancel(h, ck.CKF_DIGEST)) }()
			return c.DigestKey(h, aes)
		},
		"wrap":    func() error { _, err := c.WrapKey(h, kw, wrapping, aes, big1K); return err },
		"wrap it": func() error { _, err := c.WrapKey(h, kw, session, aes, big1K); return err },
		"unwrap": func() error {
			_, err := c.UnwrapKey(h, kw, wrapping, make([]byte, 24), ck.Template{
				ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES),
			})
			return err
		},
		"derive":           func() error { return hkdf(base, 0) },
		"derive with salt": func() error { return hkdf(fresh, salt) },
		"agree":            func() error { _, err := c.DeriveKey(h, w.ecdh(c, h, pub), priv, length); return err },
		"decapsulate": func() error {
			_, err := c.DecapsulateKey(h, ck.Mechanism{Type: ck.CKM_ML_KEM}, kemPriv, nil, ciphertext.Data)
			return err
		},
		"copy": func() error { _, err := c.CopyObject(h, aes, nil); return err },
		"read": func() error {
			_, err := c.GetAttributeValue(h, aes, []ck.AttributeQuery{{Type: ck.CKA_VALUE, Buffer: big1K}})
			return err
		},
	}
	bad := errors.New("the disk is on fire")
	for fault, code := range map[error]ck.Error{bad: ck.CKR_GENERAL_ERROR,
		record.ErrNotFound: ck.CKR_OBJECT_HANDLE_INVALID} {
		store.err = fault
		for name, call := range calls {
			err := call()
			require.ErrorIs(t, err, fault, name)
			require.Equal(t, code, ck.CodeOf(err), "%s: %v", name, err)
		}
		require.NoError(t, c.VerifyInit(h, ecdsaSHA256, pub), "a public key has no secret")
		require.NoError(t, c.EncryptInit(h, cbc, session), "the key of a session is in memory")
		require.NoError(t, c.SessionCancel(h, ck.CKF_VERIFY|ck.CKF_ENCRYPT))
	}
	store.err = nil
	for name, call := range calls {
		if err := call(); name != "unwrap" { // of bytes that are no key
			require.NoError(t, err, name)
		}
	}
}

// Operations on messages begin with a good key and parameter, or not at all.
func TestMessagesThatDoNotBegin(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, priv := w.ecPair(c, h, false)
	wrong := ck.Mechanism{Type: ck.CKM_ECDSA_SHA256, Parameter: ck.MACGeneralParams(1)}
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(c.MessageSignInit(h, wrong, priv)))
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(c.MessageVerifyInit(h, wrong, pub)))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.MessageVerifyFinal(h)))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.MessageSignFinal(h)))
}

// More data than a mechanism takes is the same error in every form of a call.
func TestTooMuchToSign(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, priv := w.ecPair(c, h, false)
	raw := ck.Mechanism{Type: ck.CKM_ECDSA} // takes a digest of 1024 bytes at most
	long, signature := make([]byte, 1025), make([]byte, 64)
	for name, call := range map[string]func() error{
		"Sign": func() error {
			require.NoError(t, c.SignInit(h, raw, priv))
			_, err := c.Sign(h, long, big1K)
			return err
		},
		"SignUpdate": func() error {
			require.NoError(t, c.SignInit(h, raw, priv))
			return c.SignUpdate(h, long)
		},
		"Verify": func() error {
			require.NoError(t, c.VerifyInit(h, raw, pub))
			return c.Verify(h, long, signature)
		},
		"VerifyUpdate": func() error {
			require.NoError(t, c.VerifyInit(h, raw, pub))
			return c.VerifyUpdate(h, long)
		},
		"SignMessage": func() error {
			require.NoError(t, c.MessageSignInit(h, raw, priv))
			_, err := c.SignMessage(h, nil, long, big1K)
			require.NoError(t, c.MessageSignFinal(h))
			return err
		},
		"SignMessageNext": func() error {
			require.NoError(t, c.MessageSignInit(h, raw, priv))
			require.NoError(t, c.SignMessageBegin(h, nil))
			_, err := c.SignMessageNext(h, nil, long, true, big1K)
			require.NoError(t, c.SessionCancel(h, ck.CKF_MESSAGE_SIGN))
			return err
		},
		"VerifyMessage": func() error {
			require.NoError(t, c.MessageVerifyInit(h, raw, pub))
			err := c.VerifyMessage(h, nil, long, signature)
			require.NoError(t, c.MessageVerifyFinal(h))
			return err
		},
		"VerifyMessageNext": func() error {
			require.NoError(t, c.MessageVerifyInit(h, raw, pub))
			require.NoError(t, c.VerifyMessageBegin(h, nil))
			err := c.VerifyMessageNext(h, nil, long, signature)
			require.NoError(t, c.SessionCancel(h, ck.CKF_MESSAGE_VERIFY))
			return err
		},
	} {
		require.Equal(t, ck.CKR_DATA_LEN_RANGE, ck.CodeOf(call()), name)
		require.NoError(t, c.SessionCancel(h, ck.CKF_SIGN|ck.CKF_VERIFY))
	}
}

// What is wrong with the parameter of a message is said at its beginning and at each part, where
// it ends the message. The next one is well.
func TestParametersOfMessageParts(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	a := aeads[0]
	key := a.importTo(w, c, h)
	require.NoError(t, c.MessageEncryptInit(h, ck.Mechanism{Type: a.m}, key))
	require.NoError(t, c.MessageDecryptInit(h, ck.Mechanism{Type: a.m}, key))
	wrong := a.parameter(w)
	wrong.Mechanism = ck.CKM_CHACHA20_POLY1305
	for name, call := range map[string]struct {
		begin func(ck.SessionHandle, *ck.MessageParams, []byte) error
		next  func(ck.SessionHandle, *ck.MessageParams, []byte, ck.Buffer, ck.Flags) (ck.Output, error)
	}{
		"encrypt": {c.EncryptMessageBegin, c.EncryptMessageNext}, "decrypt": {c.DecryptMessageBegin, c.DecryptMessageNext},
	} {
		require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(call.begin(h, wrong, nil)), name)
		_, err := call.next(h, a.parameter(w), nil, big1K, 0)
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err), "%s: it has not begun", name)
		require.NoError(t, call.begin(h, a.parameter(w), nil), name)
		_, err = call.next(h, wrong, []byte("x"), big1K, 0)
		require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err), name)
		_, err = call.next(h, a.parameter(w), []byte("x"), big1K, 0)
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err), "%s: it has ended", name)
		require.NoError(t, call.begin(h, a.parameter(w), nil), name)
	}
}
