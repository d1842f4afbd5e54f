package vtoken_test

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/policy"
)

// Every function that puts something out, asked with no buffer, with short ones and
// with an exact one (section 5.2).

type outputFunc func(buf ck.Buffer) (ck.Output, error)

// fills asks a function for its output in every way. The answer to a null buffer
// may be a bound; that to a short one is what it will be.
func fills(t *testing.T, name string, run outputFunc) (data []byte) {
	t.Helper()
	asked, err := run(query)
	if err != nil || asked.Data != nil || asked.Len == 0 {
		t.Errorf("%s: asked for the length: %+v, %v", name, asked, err)
		return nil
	}
	exact, err := run(ck.Buffer{})
	if ck.CodeOf(err) != ck.CKR_BUFFER_TOO_SMALL || exact.Data != nil || exact.Len > asked.Len || exact.Len == 0 {
		t.Errorf("%s: no byte of %d: %+v, %v", name, asked.Len, exact, err)
		return nil
	}
	short, err := run(ck.Buffer{Len: exact.Len - 1})
	if ck.CodeOf(err) != ck.CKR_BUFFER_TOO_SMALL || short.Data != nil || short.Len != exact.Len {
		t.Errorf("%s: one byte less than %d: %+v, %v", name, exact.Len, short, err)
	}
	out, err := run(ck.Buffer{Len: exact.Len})
	if err != nil || uint64(len(out.Data)) != exact.Len || out.Len != exact.Len {
		t.Errorf("%s: %d of %d bytes, %v", name, len(out.Data), exact.Len, err)
	}
	return out.Data
}

// outputFunctions are the functions with an output, each ready to give one.
func (b *bench) outputFunctions() map[string]outputFunc {
	c, w := b.c, b.world
	one := func(f func(ck.SessionHandle, ck.Buffer) (ck.Output, error), begin func(h ck.SessionHandle)) outputFunc {
		h := w.session(c, rw)
		begin(h)
		return func(buf ck.Buffer) (ck.Output, error) { return f(h, buf) }
	}
	of := func(f func(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error), in []byte) func(ck.SessionHandle, ck.Buffer) (ck.Output, error) {
		return func(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) { return f(h, in, buf) }
	}
	h := b.h
	aes, mac, wrapping, free := w.aes(c, h), w.hmacKey(c, h), w.aes(c, h, wraps...), w.aes(c, h, extractable, freely)
	kem, _ := w.kemPair(c, h, nil, nil)
	verifies, signs, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048)), flag(ck.CKA_VERIFY_RECOVER, true)}, ck.Template{flag(ck.CKA_SIGN_RECOVER, true)})
	require.NoError(w.t, err)
	padded := ck.Mechanism{Type: ck.CKM_AES_CBC_PAD, Parameter: ck.RawParameter(make([]byte, 16))}
	recovers := ck.Mechanism{Type: ck.CKM_RSA_PKCS}
	plain := bytes.Repeat([]byte("data"), 8)
	encrypted := w.encryptedWith(c, padded, aes, plain)
	require.NoError(w.t, c.SignRecoverInit(h, recovers, signs))
	signature, err := c.SignRecover(h, plain, big1K)
	require.NoError(w.t, err)

	gcm := ck.Mechanism{Type: ck.CKM_AES_GCM}
	message := func() *ck.MessageParams {
		return &ck.MessageParams{Mechanism: gcm.Type, TagBits: 128, Nonce: make([]byte, 12), Tag: make([]byte, 16)}
	}
	sealed := message()
	begin := w.session(c, rw)
	require.NoError(w.t, c.MessageEncryptInit(begin, gcm, aes))
	hidden, err := c.EncryptMessage(begin, sealed, nil, plain, big1K)
	require.NoError(w.t, err)

	encrypting := func(h ck.SessionHandle) { require.NoError(w.t, c.EncryptInit(h, padded, aes)) }
	decrypting := func(h ck.SessionHandle) { require.NoError(w.t, c.DecryptInit(h, padded, aes)) }
	digesting := func(h ck.SessionHandle) { require.NoError(w.t, c.DigestInit(h, sha256M)) }
	signing := func(h ck.SessionHandle) { require.NoError(w.t, c.SignInit(h, hmacMech, mac)) }
	verifying := func(h ck.SessionHandle) { require.NoError(w.t, c.VerifyInit(h, hmacMech, mac)) }
	all := func(begin ...func(ck.SessionHandle)) func(ck.SessionHandle) {
		return func(h ck.SessionHandle) {
			for _, f := range begin {
				f(h)
			}
		}
	}
	return map[string]outputFunc{
		"Encrypt":       one(of(c.Encrypt, plain), encrypting),
		"EncryptUpdate": one(of(c.EncryptUpdate, plain), encrypting),
		"EncryptFinal":  one(c.EncryptFinal, encrypting),
		"Decrypt":       one(of(c.Decrypt, encrypted), decrypting),
		"DecryptUpdate": one(of(c.DecryptUpdate, encrypted), decrypting),
		"DecryptFinal": one(c.DecryptFinal, all(decrypting, func(h ck.SessionHandle) {
			_, err := c.DecryptUpdate(h, w.encryptedWith(c, padded, aes, plain[:20]), big1K)
			require.NoError(w.t, err)
		})),
		"Digest": one(of(c.Digest, plain), digesting), "DigestFinal": one(c.DigestFinal, digesting),
		"Sign": one(of(c.Sign, plain), signing), "SignFinal": one(c.SignFinal, signing),
		"SignRecover":         one(of(c.SignRecover, plain), func(h ck.SessionHandle) { require.NoError(w.t, c.SignRecoverInit(h, recovers, signs)) }),
		"VerifyRecover":       one(of(c.VerifyRecover, signature.Data), func(h ck.SessionHandle) { require.NoError(w.t, c.VerifyRecoverInit(h, recovers, verifies)) }),
		"DigestEncryptUpdate": one(of(c.DigestEncryptUpdate, plain), all(digesting, encrypting)),
		"DecryptDigestUpdate": one(of(c.DecryptDigestUpdate, encrypted), all(digesting, decrypting)),
		"SignEncryptUpdate":   one(of(c.SignEncryptUpdate, plain), all(signing, encrypting)),
		"DecryptVerifyUpdate": one(of(c.DecryptVerifyUpdate, encrypted), all(verifying, decrypting)),
		"GetOperationState":   one(c.GetOperationState, digesting),
		"WrapKey":             func(buf ck.Buffer) (ck.Output, error) { return c.WrapKey(h, kwp, wrapping, free, buf) },
		"WrapKeyAuthenticated": func(buf ck.Buffer) (ck.Output, error) {
			return c.WrapKeyAuthenticated(h, sealParams(gcm.Type), wrapping, free, buf)
		},
		"EncapsulateKey": func(buf ck.Buffer) (ck.Output, error) {
			out, _, err := c.EncapsulateKey(h, mlkem, kem, readableSecret, buf)
			return out, err
		},
		"SignMessage": one(func(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) { return c.SignMessage(h, nil, plain, buf) },
			func(h ck.SessionHandle) { require.NoError(w.t, c.MessageSignInit(h, hmacMech, mac)) }),
		"SignMessageNext": one(func(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
			return c.SignMessageNext(h, nil, plain, true, buf)
		},
			func(h ck.SessionHandle) {
				require.NoError(w.t, c.MessageSignInit(h, hmacMech, mac))
				require.NoError(w.t, c.SignMessageBegin(h, nil))
			}),
		"EncryptMessage": one(func(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
			return c.EncryptMessage(h, message(), nil, plain, buf)
		},
			func(h ck.SessionHandle) { require.NoError(w.t, c.MessageEncryptInit(h, gcm, aes)) }),
		"EncryptMessageNext": one(func(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
			return c.EncryptMessageNext(h, message(), plain, buf, ck.CKF_END_OF_MESSAGE)
		}, func(h ck.SessionHandle) {
			require.NoError(w.t, c.MessageEncryptInit(h, gcm, aes))
			require.NoError(w.t, c.EncryptMessageBegin(h, message(), nil))
		}),
		"DecryptMessage": one(func(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
			return c.DecryptMessage(h, sealed, nil, hidden.Data, buf)
		}, func(h ck.SessionHandle) { require.NoError(w.t, c.MessageDecryptInit(h, gcm, aes)) }),
		"DecryptMessageNext": one(func(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
			return c.DecryptMessageNext(h, sealed, hidden.Data, buf, ck.CKF_END_OF_MESSAGE)
		}, func(h ck.SessionHandle) {
			require.NoError(w.t, c.MessageDecryptInit(h, gcm, aes))
			require.NoError(w.t, c.DecryptMessageBegin(h, sealed, nil))
		}),
	}
}

// encryptedWith is what a key makes of data.
func (w *world) encryptedWith(c *vtoken.Client, m ck.Mechanism, key ck.ObjectHandle, data []byte) []byte {
	w.t.Helper()
	h := w.session(c, rw)
	require.NoError(w.t, c.EncryptInit(h, m, key))
	out, err := c.Encrypt(h, data, big1K)
	require.NoError(w.t, err)
	return out.Data
}

func TestEveryOutputFunction(t *testing.T) {
	w := newWorld(t)
	b := &bench{world: w}
	b.c, b.h = w.loggedIn(rw)
	rows := b.outputFunctions()
	for name, run := range rows {
		fills(t, name, run)
	}
	// No function is left out: the engine's are those that take a buffer.
	client, buffer := reflect.TypeFor[*vtoken.Client](), reflect.TypeFor[ck.Buffer]()
	for i := range client.NumMethod() {
		m := client.Method(i)
		for in := range m.Type.NumIn() {
			if m.Type.In(in) == buffer && rows[m.Name] == nil {
				t.Errorf("%s has an output and is not tried", m.Name)
			}
		}
	}
}

// Every mechanism that decrypts, with what it decrypts.
func TestEveryDecryption(t *testing.T) {
	b := newBench(t)
	c, h, tried := b.c, b.h, 0
	plain := make([]byte, 32)
	for _, m := range mech.List() {
		d, _ := mech.Lookup(m)
		if d.Decrypt == nil {
			continue
		}
		start, encrypted := b.decryption(m, d, plain)
		if start == nil {
			t.Errorf("%v: nothing is decrypted; add a parameter", m)
			continue
		}
		tried++
		w := b.world
		require.NoError(w.t, start())
		if got := fills(t, m.String(), func(buf ck.Buffer) (ck.Output, error) { return c.Decrypt(h, encrypted, buf) }); !bytes.HasSuffix(got, plain) {
			t.Errorf("%v: decrypted to %x", m, got)
		}
		_, err := c.Decrypt(h, encrypted, query)
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	}
	t.Logf("%d mechanisms decrypt", tried)
}

// decryption is data encrypted for a mechanism, and how its decryption begins.
func (b *bench) decryption(m ck.MechanismType, d *mech.Descriptor, plain []byte) (start func() error, encrypted []byte) {
	if d.Encrypt == nil {
		return b.oldDecryption(m, plain)
	}
	for _, k := range b.keys {
		for _, p := range parameters(m) {
			used := ck.Mechanism{Type: m, Parameter: p}
			if b.c.EncryptInit(b.h, used, k.h) != nil {
				continue
			}
			out, err := b.c.Encrypt(b.h, plain, big1K)
			if err != nil {
				continue
			}
			for _, k := range b.keys {
				if b.c.DecryptInit(b.h, used, k.h) != nil {
					continue
				}
				back, err := b.c.Decrypt(b.h, out.Data, big1K)
				require.NoError(b.t, b.c.SessionCancel(b.h, ck.CKF_DECRYPT))
				if err == nil && bytes.HasSuffix(back.Data, plain) {
					return func() error { return b.c.DecryptInit(b.h, used, k.h) }, out.Data
				}
			}
		}
	}
	return nil, nil
}

// oldDecryption is that of DES and triple DES, which encrypt nothing here.
func (b *bench) oldDecryption(m ck.MechanismType, plain []byte) (start func() error, encrypted []byte) {
	typ, value := ck.CKK_DES, bytes.Repeat([]byte{0xce}, 8)
	block, err := des.NewCipher(value)
	if strings.HasPrefix(m.String(), "CKM_DES3") {
		typ, value = ck.CKK_DES3, append(bytes.Repeat([]byte{0xce}, 8), "\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10"...)
		block, err = des.NewTripleDESCipher(value)
	}
	require.NoError(b.t, err)
	key, err := b.c.CreateObject(b.h, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, typ),
		ck.Bytes(ck.CKA_VALUE, value), flag(ck.CKA_DECRYPT, true)})
	require.NoError(b.t, err)
	used := ck.Mechanism{Type: m, Parameter: ck.RawParameter(make([]byte, 8))}
	encrypted = bytes.Clone(plain)
	switch name := m.String(); {
	case strings.HasSuffix(name, "_ECB"):
		used.Parameter = nil
		for i := 0; i < len(encrypted); i += 8 {
			block.Encrypt(encrypted[i:], encrypted[i:])
		}
	default:
		if strings.HasSuffix(name, "_PAD") {
			encrypted = append(encrypted, bytes.Repeat([]byte{8}, 8)...)
		}
		cipher.NewCBCEncrypter(block, make([]byte, 8)).CryptBlocks(encrypted, encrypted)
	}
	return func() error { return b.c.DecryptInit(b.h, used, key) }, encrypted
}

// Every mechanism that wraps, and every one that encapsulates.
func TestEveryWrapping(t *testing.T) {
	w := newWorld(t)
	w.setPolicy(policy.Policy{Name: policy.Legacy})
	c, h := w.loggedIn(rw)
	rsa, _, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048)), flag(ck.CKA_WRAP, true)}, ck.Template{flag(ck.CKA_UNWRAP, true)})
	require.NoError(w.t, err)
	kem, _ := w.kemPair(c, h, nil, nil)
	keys, free := []ck.ObjectHandle{w.aes(c, h, wraps...), rsa}, w.aes(c, h, extractable, freely)
	for _, m := range mech.List() {
		d, _ := mech.Lookup(m)
		if d.Wrap != nil {
			wraps := false
			for _, key := range keys {
				for _, p := range append(parameters(m), sealParams(m)) {
					used := ck.Mechanism{Type: m, Parameter: p}
					if _, err := c.WrapKey(h, used, key, free, query); err == nil && !wraps {
						wraps = true
						fills(t, m.String(), func(buf ck.Buffer) (ck.Output, error) { return c.WrapKey(h, used, key, free, buf) })
					}
				}
			}
			require.True(t, wraps, "%v: nothing is wrapped; add a key or a parameter", m)
		}
		if d.Encapsulate != nil {
			fills(t, m.String(), func(buf ck.Buffer) (ck.Output, error) {
				out, _, err := c.EncapsulateKey(h, ck.Mechanism{Type: m}, kem, readableSecret, buf)
				return out, err
			})
		}
	}
}
