package object_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// A private key of every kind is written as PKCS #8 and read back, with the OID of its algorithm.
func TestPrivateKeysTravel(t *testing.T) {
	travels := func(name string, key any) []byte {
		der, err := object.MarshalPrivate(key)
		require.NoError(t, err, name)
		back, err := object.ParsePrivate(der)
		require.NoError(t, err, name)
		again, err := object.MarshalPrivate(back)
		require.NoError(t, err, name)
		require.Equal(t, der, again, name)
		_, err = object.ParsePrivate(der[:len(der)-1])
		require.Equal(t, ck.CKR_WRAPPED_KEY_INVALID, ck.CodeOf(err), name)
		return der
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	travels("RSA", key)

	oids := map[string]asn1.ObjectIdentifier{
		"P-224": {1, 3, 132, 0, 33}, "P-256": {1, 2, 840, 10045, 3, 1, 7},
		"P-384": {1, 3, 132, 0, 34}, "P-521": {1, 3, 132, 0, 35}, "secp256k1": {1, 3, 132, 0, 10},
		"edwards25519": {1, 3, 101, 112}, "edwards448": {1, 3, 101, 113},
		"curve25519": {1, 3, 101, 110}, "curve448": {1, 3, 101, 111},
	}
	for _, c := range object.Curves() {
		key, err := c.Generate()
		require.NoError(t, err)
		requireOID(t, travels(c.Name, key), oids[c.Name])
		delete(oids, c.Name)
	}
	require.Empty(t, oids)
}

// The parameter sets have the OIDs that NIST gave them.
func TestParameterSetsTravel(t *testing.T) {
	last := map[ck.KeyType]map[uint64]int{
		ck.CKK_ML_DSA: {ck.CKP_ML_DSA_44: 17, ck.CKP_ML_DSA_65: 18, ck.CKP_ML_DSA_87: 19},
		ck.CKK_ML_KEM: {ck.CKP_ML_KEM_512: 1, ck.CKP_ML_KEM_768: 2, ck.CKP_ML_KEM_1024: 3},
		ck.CKK_SLH_DSA: {
			ck.CKP_SLH_DSA_SHA2_128S: 20, ck.CKP_SLH_DSA_SHA2_128F: 21, ck.CKP_SLH_DSA_SHA2_192S: 22,
			ck.CKP_SLH_DSA_SHA2_192F: 23, ck.CKP_SLH_DSA_SHA2_256S: 24, ck.CKP_SLH_DSA_SHA2_256F: 25,
			ck.CKP_SLH_DSA_SHAKE_128S: 26, ck.CKP_SLH_DSA_SHAKE_128F: 27, ck.CKP_SLH_DSA_SHAKE_192S: 28,
			ck.CKP_SLH_DSA_SHAKE_192F: 29, ck.CKP_SLH_DSA_SHAKE_256S: 30, ck.CKP_SLH_DSA_SHAKE_256F: 31,
		},
	}
	family := map[ck.KeyType]int{ck.CKK_ML_DSA: 3, ck.CKK_ML_KEM: 4, ck.CKK_SLH_DSA: 3}
	for _, s := range object.ParameterSets() {
		arc, known := last[s.KeyType][s.Number]
		require.True(t, known, s.Name)
		delete(last[s.KeyType], s.Number)

		der, err := object.MarshalPrivate(s.Generate())
		require.NoError(t, err, s.Name)
		requireOID(t, der, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, family[s.KeyType], arc})
		back, err := object.ParsePrivate(der)
		require.NoError(t, err, s.Name)
		again, err := object.MarshalPrivate(back)
		require.NoError(t, err, s.Name)
		require.Equal(t, der, again, s.Name)
	}
	for _, left := range last {
		require.Empty(t, left)
	}
}

// requireOID requires the OID in a PKCS #8, which of the curves of SEC 1 is the parameter.
func requireOID(t *testing.T, der []byte, want asn1.ObjectIdentifier) {
	t.Helper()
	var info struct {
		Version   int
		Algorithm struct {
			OID, Parameter asn1.ObjectIdentifier `asn1:"optional"`
		}
		Key []byte
	}
	_, err := asn1.Unmarshal(der, &info)
	require.NoError(t, err)
	got := info.Algorithm.OID
	if info.Algorithm.Parameter != nil {
		got = info.Algorithm.Parameter
	}
	require.Equal(t, want, got)
}

// A curve goes with one type of key.
func TestCurveOfAnotherType(t *testing.T) {
	types := []ck.KeyType{ck.CKK_EC, ck.CKK_EC_EDWARDS, ck.CKK_EC_MONTGOMERY}
	for _, c := range object.Curves() {
		key, err := c.Generate()
		require.NoError(t, err)
		point, err := object.EncodePoint(c.Public(key))
		require.NoError(t, err)
		for _, kind := range types {
			_, err := object.Build(object.Source{}, ck.Template{
				ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ck.Ulong(ck.CKA_KEY_TYPE, kind),
				ck.Bytes(ck.CKA_EC_PARAMS, c.OID), ck.Bytes(ck.CKA_EC_POINT, point),
			})
			want := ck.CKR_OK
			if kind != c.KeyType {
				want = ck.CKR_CURVE_NOT_SUPPORTED
			}
			require.Equal(t, want, ck.CodeOf(err), "%s as %v", c.Name, kind)
			tpl, err := object.PrivateTemplate(key)
			require.NoError(t, err)
			tpl[1] = ck.Ulong(ck.CKA_KEY_TYPE, kind)
			_, err = object.Build(object.Source{}, tpl)
			require.Equal(t, want, ck.CodeOf(err), "a private key on %s as %v", c.Name, kind)
		}
	}
}

// The PKCS #8 of a key of SEC 1 has its public point (RFC 5915 section 3).
func TestPrivateInfoHasThePoint(t *testing.T) {
	for _, c := range object.Curves() {
		if c.KeyType != ck.CKK_EC {
			continue
		}
		key, err := c.Generate()
		require.NoError(t, err)
		der, err := object.MarshalPrivate(key)
		require.NoError(t, err)
		var outer struct {
			Version   int
			Algorithm asn1.RawValue
			Key       []byte
		}
		_, err = asn1.Unmarshal(der, &outer)
		require.NoError(t, err)
		require.Zero(t, outer.Version)
		var inner struct {
			Version int
			Value   []byte
			Curve   asn1.RawValue  `asn1:"optional,explicit,tag:0"`
			Public  asn1.BitString `asn1:"optional,explicit,tag:1"`
		}
		rest, err := asn1.Unmarshal(outer.Key, &inner)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.Equal(t, 1, inner.Version, c.Name)
		require.Len(t, inner.Value, c.NumberSize(), c.Name)
		require.Equal(t, 8*len(inner.Public.Bytes), inner.Public.BitLength, c.Name)
		point, err := object.EncodePoint(c.Public(key))
		require.NoError(t, err)
		var want []byte
		_, err = asn1.Unmarshal(point, &want)
		require.NoError(t, err)
		require.Equal(t, want, inner.Public.Bytes, c.Name)
	}
}
