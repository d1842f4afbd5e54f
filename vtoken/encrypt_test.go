package vtoken_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

type outFunc func(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error)

// exact runs a call as C programs do: ask for the length, then offer that much.
func (w *world) exact(call outFunc, h ck.SessionHandle, in []byte) []byte {
	w.t.Helper()
	out, err := call(h, in, query)
	require.NoError(w.t, err)
	require.Nil(w.t, out.Data, "a query put something out")
	out, err = call(h, in, ck.Buffer{Len: out.Len})
	require.NoError(w.t, err)
	return out.Data
}

var ciphers = []ck.Mechanism{
	{Type: ck.CKM_AES_CBC_PAD, Parameter: ck.RawParameter(make([]byte, 16))},
	{Type: ck.CKM_AES_CTR, Parameter: ck.AESCtrParams{CounterBits: 128}},
	{Type: ck.CKM_AES_GCM, Parameter: ck.GCMParams{IV: make([]byte, 12), IVBits: 96, TagBits: 128}},
}

func TestCipherRoundTrips(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	key := w.aes(c, h)
	rng := rand.New(rand.NewPCG(1, 2))
	final := func(f func(ck.SessionHandle, ck.Buffer) (ck.Output, error)) outFunc {
		return func(h ck.SessionHandle, _ []byte, buf ck.Buffer) (ck.Output, error) { return f(h, buf) }
	}
	parts := func(update, finish outFunc, in []byte) (out []byte) {
		for len(in) > 0 {
			n := 1 + rng.IntN(len(in))
			out = append(out, w.exact(update, h, in[:n])...)
			in = in[n:]
		}
		return append(out, w.exact(finish, h, nil)...)
	}
	for _, m := range ciphers {
		for _, n := range []int{0, 1, 15, 16, 17, 1000} {
			plain := bytes.Repeat([]byte{7}, n)
			require.NoError(w.t, c.EncryptInit(h, m, key))
			whole := w.exact(c.Encrypt, h, plain)
			require.NoError(w.t, c.EncryptInit(h, m, key))
			if pieces := parts(c.EncryptUpdate, final(c.EncryptFinal), plain); !bytes.Equal(pieces, whole) {
				t.Errorf("%v, %d bytes: encryption in parts differs", m.Type, n)
			}
			require.NoError(w.t, c.DecryptInit(h, m, key))
			if back := w.exact(c.Decrypt, h, whole); !bytes.Equal(back, plain) {
				t.Errorf("%v, %d bytes: decryption differs", m.Type, n)
			}
			require.NoError(w.t, c.DecryptInit(h, m, key))
			if back := parts(c.DecryptUpdate, final(c.DecryptFinal), whole); !bytes.Equal(back, plain) {
				t.Errorf("%v, %d bytes: decryption in parts differs", m.Type, n)
			}
		}
	}
}

// cbcPad is alice logged in with an AES key for AES-CBC-PAD.
func cbcPad(t *testing.T) (*world, *vtoken.Client, ck.SessionHandle, ck.ObjectHandle) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	return w, c, h, w.aes(c, h)
}

func (w *world) encrypted(c *vtoken.Client, h ck.SessionHandle, key ck.ObjectHandle, plain string) []byte {
	w.t.Helper()
	require.NoError(w.t, c.EncryptInit(h, ciphers[0], key))
	return w.exact(c.Encrypt, h, []byte(plain))
}

// A buffer of exactly the plaintext's length is enough though the bound is
// longer; one that is shorter keeps the operation, and what it has decrypted.
func TestDecryptShortBuffer(t *testing.T) {
	w, c, h, key := cbcPad(t)
	m, one := ciphers[0], w.encrypted(c, h, key, "0123456789")
	require.NoError(w.t, c.DecryptInit(h, m, key))
	out, err := c.Decrypt(h, one, ck.Buffer{Len: 10})
	require.NoError(w.t, err)
	require.Equal(t, "0123456789", string(out.Data), "%q", out.Data)

	require.NoError(w.t, c.DecryptInit(h, m, key))
	out, err = c.Decrypt(h, bytes.Clone(one), ck.Buffer{Len: 9})
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	if out.Len != 10 || out.Data != nil {
		t.Errorf("a short buffer answers %d bytes and data %v", out.Len, out.Data != nil)
	}
	out, err = c.Decrypt(h, one, query)
	require.NoError(w.t, err)
	require.EqualValues(t, 10, out.Len, "a query now answers %d", out.Len)
	out, err = c.Decrypt(h, one, ck.Buffer{Len: 10})
	require.NoError(w.t, err)
	require.Equal(t, "0123456789", string(out.Data), "%q", out.Data)

	require.NoError(w.t, c.DecryptInit(h, m, key))
	_, err = c.Decrypt(h, one, ck.Buffer{Len: 9})
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	_, err = c.DecryptUpdate(h, one, big1K)
	require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(err))
	_, err = c.Decrypt(h, one, big1K)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err), "the error has ended it")
}

// Whoever comes back with other data gets that, not the kept result.
func TestDecryptOtherDataAfterShortBuffer(t *testing.T) {
	w, c, h, key := cbcPad(t)
	one, two := w.encrypted(c, h, key, "0123456789"), w.encrypted(c, h, key, "another")
	require.NoError(w.t, c.DecryptInit(h, ciphers[0], key))
	_, err := c.Decrypt(h, one, ck.Buffer{Len: 1})
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	out, err := c.Decrypt(h, two, big1K)
	require.NoError(w.t, err)
	require.Equal(t, "another", string(out.Data), "%q", out.Data)
}

func TestDecryptFinalShortBuffer(t *testing.T) {
	w, c, h, key := cbcPad(t)
	one := w.encrypted(c, h, key, "0123456789")
	require.NoError(w.t, c.DecryptInit(h, ciphers[0], key))
	_, err := c.DecryptUpdate(h, one, big1K)
	require.NoError(w.t, err)
	_, err = c.Decrypt(h, one, big1K)
	require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(err))
	require.NoError(w.t, c.DecryptInit(h, ciphers[0], key), "the error has ended it")
	_, err = c.DecryptUpdate(h, one, big1K)
	require.NoError(w.t, err)
	out, err := c.DecryptFinal(h, ck.Buffer{Len: 1})
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	out, err = c.DecryptFinal(h, ck.Buffer{Len: out.Len})
	require.NoError(w.t, err)
	require.Equal(t, "0123456789", string(out.Data), "%q", out.Data)
	_, err = c.DecryptFinal(h, big1K)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
}

// An encryption with a short buffer does nothing and can be repeated; an error
// ends the operation.
func TestEncryptShortBufferAndErrors(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	key, m := w.aes(c, h), ciphers[0]
	require.NoError(w.t, c.EncryptInit(h, m, key))
	out, err := c.Encrypt(h, make([]byte, 20), ck.Buffer{Len: 31})
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	require.EqualValues(t, 32, out.Len, "length %d", out.Len)
	out, err = c.EncryptUpdate(h, make([]byte, 20), ck.Buffer{Len: 15})
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	require.EqualValues(t, 16, out.Len, "length %d of a first part", out.Len)
	if _, err = c.Encrypt(h, make([]byte, 20), big1K); err != nil {
		t.Error(err)
	}

	ecb := ck.Mechanism{Type: ck.CKM_AES_ECB}
	require.NoError(w.t, c.EncryptInit(h, ecb, key))
	_, err = c.Encrypt(h, make([]byte, 20), big1K)
	require.Equal(t, ck.CKR_DATA_LEN_RANGE, ck.CodeOf(err))
	_, err = c.Encrypt(h, make([]byte, 16), big1K)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID,
		ck.CodeOf(c.EncryptInit(h, ck.Mechanism{Type: ck.CKM_AES_CBC, Parameter: ck.RawParameter{1}}, key)))
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(c.EncryptInit(h, ck.Mechanism{Type: ck.CKM_ECDSA}, key)))
}

// The operations of one session do not disturb each other.
func TestOperationsSideBySide(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	key, m := w.aes(c, h), ciphers[1]
	_, priv := w.ecPair(c, h, false)
	require.NoError(w.t, c.EncryptInit(h, m, key))
	require.NoError(w.t, c.DecryptInit(h, m, key))
	require.NoError(w.t, c.SignInit(h, ecdsaMech, priv))
	require.NoError(w.t, c.DigestInit(h, ck.Mechanism{Type: ck.CKM_SHA256}))
	require.NoError(w.t, c.FindObjectsInit(h, nil))
	sealed := w.exact(c.Encrypt, h, []byte("message"))
	if plain := w.exact(c.Decrypt, h, sealed); string(plain) != "message" {
		t.Errorf("%q", plain)
	}
	w.exact(c.Sign, h, make([]byte, 32))
	w.exact(c.Digest, h, nil)
	require.NoError(w.t, c.FindObjectsFinal(h))
	for name, call := range map[string]outFunc{
		"Encrypt": c.Encrypt, "Decrypt": c.Decrypt, "Sign": c.Sign, "Digest": c.Digest,
		"EncryptUpdate": c.EncryptUpdate, "DecryptUpdate": c.DecryptUpdate,
	} {
		if _, err := call(h, nil, big1K); ck.CodeOf(err) != ck.CKR_OPERATION_NOT_INITIALIZED {
			t.Errorf("%s: %v", name, err)
		}
	}
}
