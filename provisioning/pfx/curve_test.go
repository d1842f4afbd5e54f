package pfx

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/stretchr/testify/require"
)

// brainpoolP256r1 is a curve that crypto/x509 does not know (RFC 5639).
var brainpoolP256r1 = asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 7}

// pkcs8 encodes an EC key whose curve is named outside, inside, or not at all.
func pkcs8(t *testing.T, outside, inside asn1.ObjectIdentifier) []byte {
	t.Helper()
	var parameters asn1.RawValue
	if outside != nil {
		der, err := asn1.Marshal(outside)
		require.NoError(t, err)
		parameters.FullBytes = der
	}
	key, err := asn1.Marshal(struct {
		Version int
		Value   []byte
		Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	}{1, make([]byte, 32), inside})
	require.NoError(t, err)
	der, err := asn1.Marshal(struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}{0, pkix.AlgorithmIdentifier{Algorithm: idECPublicKey, Parameters: parameters}, key})
	require.NoError(t, err)
	return der
}

func TestKeysOnUnknownCurves(t *testing.T) {
	for name, der := range map[string][]byte{
		"named outside": pkcs8(t, brainpoolP256r1, nil),
		"named inside":  pkcs8(t, nil, brainpoolP256r1),
		"named twice":   pkcs8(t, brainpoolP256r1, brainpoolP256r1),
	} {
		_, err := parseKey(der)
		require.ErrorContains(t, err, "elliptic curve that is not supported", name)
		var told *Error
		require.ErrorAs(t, err, &told, name)
	}
}

// TestDamagedKeysAreNoUnknownCurves: a key on a curve that is known is damaged, and its
// sender is not told to use another curve.
func TestDamagedKeysAreNoUnknownCurves(t *testing.T) {
	p256 := asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	for name, der := range map[string][]byte{
		"a key of zero": pkcs8(t, p256, nil), "no DER": {1, 2, 3}, "nothing": nil,
	} {
		_, err := parseKey(der)
		require.ErrorContains(t, err, "cannot be read", name)
	}
	for _, curve := range []elliptic.Curve{elliptic.P224(), elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		der, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		require.False(t, onUnknownCurve(der), curve.Params().Name)
		_, err = parseKey(der)
		require.NoError(t, err, curve.Params().Name)
	}
}
