package object_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"

	"github.com/stretchr/testify/require"
)

// testRSA is one key for all tests: making one takes long.
var testRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func ecKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	require.NoError(t, err)
	return key
}

func privateTemplate(t *testing.T, key crypto.PrivateKey) ck.Template {
	t.Helper()
	tpl, err := object.PrivateTemplate(key)
	require.NoError(t, err)
	return tpl
}

func publicTemplate(t *testing.T, key crypto.PublicKey) ck.Template {
	t.Helper()
	tpl, err := object.PublicTemplate(key)
	require.NoError(t, err)
	return tpl
}

func build(t *testing.T, tpl ck.Template, more ...ck.Attribute) *object.Object {
	t.Helper()
	o, err := object.Build(object.Source{}, append(tpl[:len(tpl):len(tpl)], more...))
	require.NoError(t, err)
	return o
}

func TestMaterialRoundTrip(t *testing.T) {
	keys := []crypto.Signer{testRSA()}
	for _, c := range []elliptic.Curve{elliptic.P224(), elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		keys = append(keys, ecKey(t, c))
	}
	for _, key := range keys {
		priv := build(t, privateTemplate(t, key))
		pub := build(t, publicTemplate(t, key.Public()))
		back, err := priv.PrivateKey()
		require.NoError(t, err)
		if !back.(interface{ Equal(crypto.PrivateKey) bool }).Equal(key) {
			t.Errorf("%T comes back as another key", key)
		}
		for _, o := range []*object.Object{priv, pub} {
			p, err := o.PublicKey()
			require.NoError(t, err)
			if !p.(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
				t.Errorf("public key of %v is another one", o.Class())
			}
		}
	}
}
