package object_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"

	"github.com/stretchr/testify/require"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// Keys whose points are published: RFC 8032 section 7.1 and 7.4, RFC 7748
// section 6.1 and 6.2; of secp256k1, the number 1 and its point, the generator of
// SEC 2.
func publishedKeys() []struct{ curve, oid, value, point string } {
	return []struct{ curve, oid, value, point string }{
		{"edwards25519", "06032b6570", "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"0420" + "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"},
		{"edwards448", "06032b6571", "6c82a562cb808d10d632be89c8513ebf6c929f34ddfa8c9f63c9960ef6e348a3528c8a3fcc2f044e39a3fc5b94492f8f032e7549a20098f95b",
			"0439" + "5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124769b46c7061bd6783df1e50f6cd1fa1abeafe8256180"},
		{"curve25519", "06032b656e", "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			"0420" + "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"},
		{"curve448", "06032b656f", "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b",
			"0438" + "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0"},
		{"secp256k1", "06052b8104000a", "0000000000000000000000000000000000000000000000000000000000000001",
			"0441" + "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798" +
				"483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"},
	}
}

func curveNamed(t *testing.T, name string) object.Curve {
	t.Helper()
	for _, c := range object.Curves() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no curve %s", name)
	return object.Curve{}
}

// The encodings of EC keys are the same to the byte, in whichever form the curve,
// the number and the point come: OpenSSH reads two forms of Ed25519 parameters only.
func TestCurveEncodings(t *testing.T) {
	for _, v := range publishedKeys() {
		c := curveNamed(t, v.curve)
		oid, value, point := unhex(t, v.oid), unhex(t, v.value), unhex(t, v.point)
		name := append([]byte{0x13, byte(len(v.curve))}, v.curve...)
		values := [][]byte{value}
		if c.KeyType != ck.CKK_EC {
			values = append(values, append([]byte{4, byte(len(value))}, value...))
		}
		raw := point[2:]
		bits := append([]byte{3, byte(len(raw) + 1), 0}, raw...)
		for _, params := range [][]byte{oid, name} {
			for _, val := range values {
				o := build(t, ck.Template{
					ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, c.KeyType),
					ck.Bytes(ck.CKA_EC_PARAMS, params), ck.Bytes(ck.CKA_VALUE, val),
				})
				if got := o.Secret.Get(ck.CKA_VALUE); !bytes.Equal(got, value) {
					t.Errorf("%s: CKA_VALUE is %x", v.curve, got)
				}
				wantCurve(t, v.curve, o, oid, point)
			}
			for _, form := range [][]byte{raw, point, bits} {
				wantCurve(t, v.curve, build(t, ck.Template{
					ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ck.Ulong(ck.CKA_KEY_TYPE, c.KeyType),
					ck.Bytes(ck.CKA_EC_PARAMS, params), ck.Bytes(ck.CKA_EC_POINT, form),
				}), oid, point)
			}
		}
	}
}

func wantCurve(t *testing.T, name string, o *object.Object, oid, point []byte) {
	t.Helper()
	got := o.Attrs.Get(ck.CKA_EC_PARAMS)
	require.Equal(t, oid, got, "%s: CKA_EC_PARAMS is %x", name, got)
	got = o.Attrs.Get(ck.CKA_EC_POINT)
	require.Equal(t, point, got, "%s: CKA_EC_POINT is %x", name, got)
}

// What GnuPG's programs and pkcs11-tool give becomes the OID of RFC 8410.
func TestOtherFormsOfCurves(t *testing.T) {
	for form, want := range map[string]string{
		"06092b06010401da470f01": "edwards25519", "060a2b060104019755010501": "curve25519", "130b63757276653235353139": "curve25519",
	} {
		if c, err := object.CurveOf(unhex(t, form)); err != nil || c.Name != want {
			t.Errorf("%s is %s, %v", form, c.Name, err)
		}
	}
}

// Keys of every curve go through PKCS #8 and SubjectPublicKeyInfo and back.
func TestKeyInfoRoundTrip(t *testing.T) {
	for _, c := range object.Curves() {
		key, err := c.Generate()
		require.NoError(t, err)
		der, err := object.MarshalPrivate(key)
		require.NoError(t, err, "%s", c.Name)
		back, err := object.ParsePrivate(der)
		require.NoError(t, err, "%s", c.Name)
		again, err := object.MarshalPrivate(back)
		if err != nil || !bytes.Equal(again, der) {
			t.Errorf("%s: the private key changes: %v", c.Name, err)
		}
		info, err := object.MarshalPublic(c.Public(key))
		require.NoError(t, err, "%s", c.Name)
		pub, err := object.ParsePublic(info)
		require.NoError(t, err, "%s", c.Name)
		if again, err = object.MarshalPublic(pub); err != nil || !bytes.Equal(again, info) {
			t.Errorf("%s: the public key changes: %v", c.Name, err)
		}
	}
}

// RFC 8410 section 10: a public key and a private key of Ed25519 as they stand
// there.
func TestKeyInfoVectors(t *testing.T) {
	pub := unhex(t, "302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1")
	priv := unhex(t, "302e020100300506032b657004220420d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842")
	key, err := object.ParsePrivate(priv)
	require.NoError(t, err)
	der, err := object.MarshalPrivate(key)
	require.NoError(t, err, "the private key is written as %x", der)
	require.Equal(t, priv, der, "the private key is written as %x", der)
	der, err = object.MarshalPublic(curveNamed(t, "edwards25519").Public(key))
	require.NoError(t, err, "the public key is written as %x", der)
	require.Equal(t, pub, der, "the public key is written as %x", der)
}

// FuzzParseKeyInfo: any bytes give an answer, and what is taken can be written.
func FuzzParseKeyInfo(f *testing.F) {
	for _, c := range object.Curves() {
		key, err := c.Generate()
		require.NoError(f, err)
		priv, err := object.MarshalPrivate(key)
		require.NoError(f, err)
		pub, err := object.MarshalPublic(c.Public(key))
		require.NoError(f, err)
		f.Add(priv)
		f.Add(pub)
	}
	for _, s := range object.ParameterSets() {
		if s.KeyType == ck.CKK_SLH_DSA && strings.HasSuffix(s.Name, "s") {
			continue // slow to make, and of the same form as the others
		}
		key := s.Generate()
		priv, err := object.MarshalPrivate(key)
		require.NoError(f, err)
		f.Add(priv)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if key, err := object.ParsePrivate(der); err == nil {
			_, err := object.MarshalPrivate(key)
			require.NoError(t, err)
		}
		if key, err := object.ParsePublic(der); err == nil {
			_, err := object.MarshalPublic(key)
			require.NoError(t, err)
		}
	})
}
