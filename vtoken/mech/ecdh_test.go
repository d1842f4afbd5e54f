package mech_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

func curveNamed(t testing.TB, name string) object.Curve {
	t.Helper()
	for _, c := range object.Curves() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no curve %s", name)
	return object.Curve{}
}

// privateOn is the private key of a number, with the public key that belongs to
// it.
func privateOn(t testing.TB, c object.Curve, value []byte) (*object.Object, *mech.Key) {
	t.Helper()
	o, err := object.Build(object.Source{}, ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, c.KeyType),
		ck.Bytes(ck.CKA_EC_PARAMS, c.OID), ck.Bytes(ck.CKA_VALUE, value),
	})
	require.NoError(t, err)
	k, err := mech.ParseKey(o, provider(t))
	require.NoError(t, err)
	return o, k
}

// A key that agreed on a secret signs as before.
func TestSignAfterECDH(t *testing.T) {
	for _, c := range curves(ck.CKK_EC) {
		priv, pub := pairOn(t, c)
		other, err := c.Generate()
		require.NoError(t, err)
		point, err := object.EncodePoint(c.Public(other))
		require.NoError(t, err)
		for range 2 {
			sig := sign(t, ck.CKM_ECDSA_SHA256, priv, nil, []byte("text"))
			if err := verify(t, ck.CKM_ECDSA_SHA256, pub, nil, sig, []byte("text")); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
			p := ck.ECDH1DeriveParams{KDF: ck.CKD_NULL, PublicData: point}
			_, err := derive(t, ck.CKM_ECDH1_DERIVE, priv, p, generic(16))
			require.NoError(t, err)
		}
	}
}

func derive(t testing.TB, m ck.MechanismType, k *mech.Key, p ck.Parameter, tpl ck.Template) ([]byte, error) {
	t.Helper()
	made, err := lookup(t, m).Derive(k, p, tpl)
	if err != nil {
		return nil, err
	}
	o, err := object.Build(object.Source{Origin: object.Derive, Made: made}, tpl)
	if err != nil {
		return nil, err
	}
	if o.Class() == ck.CKO_DATA {
		return o.Attrs.Get(ck.CKA_VALUE), nil
	}
	return o.Secret.Get(ck.CKA_VALUE), nil
}

func generic(n uint64) ck.Template {
	t := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET)}
	if n > 0 {
		t = append(t, ck.Ulong(ck.CKA_VALUE_LEN, n))
	}
	return t
}

// The ECC CDH primitive vectors of NIST (CAVS 14.1), those of RFC 7748 sections
// 6.1 and 6.2, and multiples of the generator of P-224 and secp256k1.
func TestECDHVectors(t *testing.T) {
	for _, v := range []struct{ curve, private, peer, z string }{
		{"P-224", "0000000000000000000000000000000000000000000000000000000000000003"[8:],
			"04b70e0cbd6bb4bf7f321390b94a03c1d356c21122343280d6115c1d21bd376388b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34",
			"df1b1d66a551d0d31eff822558b9d2cc75c2180279fe0d08fd896d04"},
		{"P-256", "7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534",
			"04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287" +
				"db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac",
			"46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b"},
		{"P-384", "3cc3122a68f0d95027ad38c067916ba0eb8c38894d22e1b15618b6818a661774ad463b205da88cf699ab4d43c9cf98a1",
			"04a7c76b970c3b5fe8b05d2838ae04ab47697b9eaf52e764592efda27fe7513272734466b400091adbf2d68c58e0c50066" +
				"ac68f19f2e1cb879aed43a9969b91a0839c4c38a49749b661efedf243451915ed0905a32b060992b468c64766fc8437a",
			"5f9d29dc5e31a163060356213669c8ce132e22f57c9a04f40ba7fcead493b457e5621e766c40a2e3d4d6a04b25e533f1"},
		{"P-521", "017eecc07ab4b329068fba65e56a1f8890aa935e57134ae0ffcce802735151f4eac6564f6ee9974c5e6887a1fefee5743ae2241bfeb95d5ce31ddcb6f9edb4d6fc47",
			"0400685a48e86c79f0f0875f7bc18d25eb5fc8c0b07e5da4f4370f3a9490340854334b1e1b87fa395464c60626124a4e70d0f785601d37c09870ebf176666877a2046d" +
				"01ba52c56fc8776d9e8f5db4f0cc27636d0b741bbe05400697942e80b739884a83bde99e0f6716939e632bc8986fa18dccd443a348b6c3e522497955a4f3c302f676",
			"005fc70477c3e63bc3954bd0df3ea0d1f41ee21746ed95fc5e1fdf90930d5e136672d72cc770742d1711c3c3a4c334a0ad9759436a4d3c5bf6e74b9578fac148c831"},
		{"secp256k1", "0000000000000000000000000000000000000000000000000000000000000002",
			"0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
			"c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"},
		{"curve25519", "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
			"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
		{"curve448", "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b",
			"3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609",
			"07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c24403085d59a449a5037514a879d"},
	} {
		_, k := privateOn(t, curveNamed(t, v.curve), unhex(t, v.private))
		peer := unhex(t, v.peer)
		wrapped, err := asn1.Marshal(peer)
		require.NoError(t, err)
		for _, m := range []ck.MechanismType{ck.CKM_ECDH1_DERIVE, ck.CKM_ECDH1_COFACTOR_DERIVE} {
			for _, data := range [][]byte{peer, wrapped} {
				p := ck.ECDH1DeriveParams{KDF: ck.CKD_NULL, PublicData: data}
				z, err := derive(t, m, k, p, generic(0))
				if err != nil || hex.EncodeToString(z) != v.z {
					t.Errorf("%v on %s: %x, %v", m, v.curve, z, err)
				}
				if z, err = derive(t, m, k, p, generic(16)); err != nil || hex.EncodeToString(z) != v.z[len(v.z)-32:] {
					t.Errorf("%v on %s, 16 bytes: %x, %v", m, v.curve, z, err)
				}
			}
		}
	}
}

// Both ends agree, with every function of derivation and kind of key.
func TestECDHAgrees(t *testing.T) {
	kdfs := []ck.KDF{ck.CKD_NULL, ck.CKD_SHA1_KDF, ck.CKD_SHA224_KDF, ck.CKD_SHA256_KDF, ck.CKD_SHA384_KDF, ck.CKD_SHA512_KDF,
		ck.CKD_SHA3_224_KDF, ck.CKD_SHA3_256_KDF, ck.CKD_SHA3_384_KDF, ck.CKD_SHA3_512_KDF,
		ck.CKD_SHA1_KDF_SP800, ck.CKD_SHA256_KDF_SP800, ck.CKD_SHA3_512_KDF_SP800}
	aes := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), ck.Ulong(ck.CKA_VALUE_LEN, uint64(24))}
	for _, c := range append(curves(ck.CKK_EC), curves(ck.CKK_EC_MONTGOMERY)...) {
		a, b := newPrivate(t, c), newPrivate(t, c)
		for _, kdf := range kdfs {
			var shared []byte
			if kdf != ck.CKD_NULL {
				shared = []byte("both know")
			}
			p := func(o *object.Object) ck.ECDH1DeriveParams {
				return ck.ECDH1DeriveParams{KDF: kdf, SharedData: shared, PublicData: o.Attrs.Get(ck.CKA_EC_POINT)}
			}
			here, err := derive(t, ck.CKM_ECDH1_DERIVE, a.key, p(b.object), aes)
			require.NoError(t, err, "%s: %v", c.Name, err)
			there, err := derive(t, ck.CKM_ECDH1_DERIVE, b.key, p(a.object), aes)
			if err != nil || !bytes.Equal(here, there) || len(here) != 24 {
				t.Errorf("%s with function %d: %x and %x, %v", c.Name, kdf, here, there, err)
			}
		}
	}
}

type pair struct {
	object *object.Object
	key    *mech.Key
}

func newPrivate(t testing.TB, c object.Curve) pair {
	t.Helper()
	key, err := c.Generate()
	require.NoError(t, err)
	tpl, err := object.PrivateTemplate(key)
	require.NoError(t, err)
	v, _ := tpl.Find(ck.CKA_VALUE)
	o, k := privateOn(t, c, v.Value)
	return pair{o, k}
}

// The derivation function of ANSI X9.63 and that of SP 800-56C, as OpenSSL 3.0
// computes them (openssl kdf X963KDF, SSKDF) from the P-256 secret above.
func TestECDHFunctions(t *testing.T) {
	_, k := privateOn(t, curveNamed(t, "P-256"), unhex(t, "7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534"))
	peer := unhex(t, "04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"+
		"db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac")
	for kdf, want := range map[ck.KDF]string{
		ck.CKD_SHA1_KDF:         "5a7e2abfac9f6662ac88bb6022419eeb1eea2c7a2b912b7e7634e56c7b1e33425afff836f95e30af9fbe09cd44ccdaea3d20ecf1835e86f3d4b0d91b032170863cb2a5b85bfb4eb4b92e00b5475806ed",
		ck.CKD_SHA256_KDF:       "f87806b6d3d9be93f74348b49c85c2d3272f04ed3cffd0c93500bd0e16a09d0a590c5fd6c74554f752348b5999a8f76ff7255c4313619bbc39f31c4d833e9f274d3213384c4b496041ffa44a7dabd2cb",
		ck.CKD_SHA512_KDF:       "04164434f4bee40a7879920275118276cf9c079ef24b10d6bcfba35b59714d3cf3a742854fd156f644ea40ff0eef4d2b122c99f5b5e80c78d3e020ce6559e631d9069c26b7ca30c6cc4058adc3dc6bc9",
		ck.CKD_SHA3_256_KDF:     "55e07769760f0e847cbf83bebcdad01f4031cb9fce7e421fcb3f2633f060e11e2444f1677e847df39bfb7d54058e5482eb42a8afdb227149891e8a78e3a307759daf93da7509e3a413ce0c5047238655",
		ck.CKD_SHA256_KDF_SP800: "f0fa3ff88406c21587d77b6e1c975160b3e2a82446d19c1025e30c0b7660b4baf7f1284a7b1fc0080fe83aeaddf7101a3d9da3a53bac60d0777be729980b912cd87e422ccf3ef09b3b73305d67dd6123",
		ck.CKD_SHA384_KDF_SP800: "2663b603f820470ed5f47296cf4e900d9957268416657dae93568797bace4c065b27bccbb2ae6dd51c08eacad75265e39ee86718d884787b60600f9c6cd1d7c19cd04745b4eca7b0ca53f6ee80909e7d",
	} {
		p := ck.ECDH1DeriveParams{KDF: kdf, SharedData: []byte("info"), PublicData: peer}
		z, err := derive(t, ck.CKM_ECDH1_DERIVE, k, p, generic(80))
		if err != nil || hex.EncodeToString(z) != want {
			t.Errorf("function 0x%x: %x, %v", uint64(kdf), z, err)
		}
	}
}

func TestECDHRefuses(t *testing.T) {
	x25519, p256 := newPrivate(t, curveNamed(t, "curve25519")), newPrivate(t, curveNamed(t, "P-256"))
	x448, ed := newPrivate(t, curveNamed(t, "curve448")), newPrivate(t, curveNamed(t, "edwards25519"))
	point := p256.object.Attrs.Get(ck.CKA_EC_POINT)
	off := bytes.Clone(point)
	off[len(off)-1] ^= 1
	null := func(data []byte) ck.ECDH1DeriveParams {
		return ck.ECDH1DeriveParams{KDF: ck.CKD_NULL, PublicData: data}
	}
	for _, c := range []struct {
		name string
		k    *mech.Key
		p    ck.Parameter
		tpl  ck.Template
		want ck.Error
	}{
		{"zero", x25519.key, null(make([]byte, 32)), generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"zero of 448", x448.key, null(make([]byte, 56)), generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"off the curve", p256.key, null(off), generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"infinity", p256.key, null([]byte{0}), generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"of another curve", p256.key, null(x25519.object.Attrs.Get(ck.CKA_EC_POINT)), generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"no parameter", p256.key, nil, generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"function", p256.key, ck.ECDH1DeriveParams{KDF: 0x77, PublicData: point}, generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"no function", p256.key, ck.ECDH1DeriveParams{PublicData: point}, generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"shared data", p256.key, ck.ECDH1DeriveParams{KDF: ck.CKD_NULL, SharedData: []byte{1}, PublicData: point}, generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"too long", p256.key, null(point), generic(33), ck.CKR_KEY_SIZE_RANGE},
		{"huge", p256.key, ck.ECDH1DeriveParams{KDF: ck.CKD_SHA1_KDF, PublicData: point}, generic(1 << 40), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"no length", p256.key, null(point), ck.Template{ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES)}, ck.CKR_TEMPLATE_INCOMPLETE},
		{"a private key", p256.key, null(point), ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY)}, ck.CKR_TEMPLATE_INCONSISTENT},
		{"signing key", ed.key, null(point), generic(32), ck.CKR_KEY_TYPE_INCONSISTENT},
		{"secret key", secretKey(t, ck.CKK_AES, random(16)), null(point), generic(32), ck.CKR_KEY_TYPE_INCONSISTENT},
	} {
		_, err := lookup(t, ck.CKM_ECDH1_DERIVE).Derive(c.k, c.p, c.tpl)
		require.Equal(t, c.want, ck.CodeOf(err), "%s: %v, want %v", c.name, err, c.want)
	}
}
