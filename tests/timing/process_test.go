package timing

import (
	"bytes"
	"crypto/aes"
	"crypto/rsa"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/mech/libcrypto"
	"vtoken/vtoken/object"
)

// inProcess are the mechanisms alone, without engine, daemon and socket.
func inProcess(t *testing.T, crypto string) []subject {
	t.Helper()
	var p mech.Provider = mech.Go{}
	if crypto == "libcrypto" {
		lib, err := libcrypto.Open()
		require.NoError(t, err)
		p = lib
	}
	pair, err := testKey()
	require.NoError(t, err)
	template, err := object.PrivateTemplate(pair)
	require.NoError(t, err)
	private := parse(t, p, template)
	secret := parse(t, p, ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), ck.Bytes(ck.CKA_VALUE, cbcKey),
	})
	b, err := aes.NewCipher(cbcKey)
	require.NoError(t, err)
	m := maker{PublicKey: &pair.PublicKey}
	where := ", in process, " + crypto
	return []subject{
		{"RSA PKCS #1 v1.5" + where, pkcs1Classes(m), byMechanism(t, private, ck.CKM_RSA_PKCS, nil), checkPKCS1},
		{"RSA OAEP" + where, oaepClasses(m), byMechanism(t, private, ck.CKM_RSA_PKCS_OAEP, oaepParams), checkExact},
		{"AES-CBC-PAD" + where, cbcClasses(b), byMechanism(t, secret, ck.CKM_AES_CBC_PAD, ck.RawParameter(cbcIV)), checkExact},
	}
}

// paddingAlone is what takes the padding off, without the exponentiation and its
// noise: the key hands out what it is given.
func paddingAlone(t *testing.T, _ string) []subject {
	t.Helper()
	pair, err := testKey()
	require.NoError(t, err)
	key := &mech.Key{Class: ck.CKO_PRIVATE_KEY, Type: ck.CKK_RSA, RSA: transparent{public: &pair.PublicKey}}
	m := maker{&pair.PublicKey, true}
	return []subject{{"RSA PKCS #1 v1.5, the padding alone", pkcs1Classes(m), byMechanism(t, key, ck.CKM_RSA_PKCS, nil), checkPKCS1}}
}

// transparent is a key that does nothing.
type transparent struct {
	mech.RSAPrivate
	public *rsa.PublicKey
}

func (k transparent) Public() *rsa.PublicKey { return k.public }

func (k transparent) Private(in []byte) (out []byte, ok bool, err error) {
	return bytes.Clone(in), true, nil
}

func (k transparent) RejectionSeed() [32]byte { return [32]byte{1} }

var oaepParams = ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA256, Source: ck.CKZ_DATA_SPECIFIED}

func parse(t *testing.T, p mech.Provider, template ck.Template) *mech.Key {
	t.Helper()
	o, err := object.Build(object.Source{}, template)
	require.NoError(t, err)
	k, err := mech.ParseKey(o, p)
	require.NoError(t, err)
	t.Cleanup(k.Wipe)
	return k
}

func byMechanism(t *testing.T, k *mech.Key, m ck.MechanismType, p ck.Parameter) func([]byte) ([]byte, error) {
	t.Helper()
	d, ok := mech.Lookup(m)
	require.True(t, ok, "%v is not there", m)
	return func(in []byte) ([]byte, error) {
		c, err := d.Decrypt(k, p)
		if err != nil {
			return nil, err
		}
		out, err := c.Update(in)
		if err != nil {
			return nil, err
		}
		last, err := c.Final()
		if err != nil || len(out) == 0 {
			return last, err // as the engine does
		}
		return append(out, last...), nil
	}
}
