package object_test

import (
	"bytes"
	"encoding/asn1"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// explicitCurves are curves as openssl ecparam -param_enc explicit spells them out: with a seed and
// without, with the base point in each of its forms.
var explicitCurves = map[string]string{
	"P-224":     "3081c8020101302806072a8648ce3d0101021d00ffffffffffffffffffffffffffffffff000000000000000000000001303c041cfffffffffffffffffffffffffffffffefffffffffffffffffffffffe041cb4050a850c04b3abf54132565044b0b7d7bfd8ba270b39432355ffb4043904b70e0cbd6bb4bf7f321390b94a03c1d356c21122343280d6115c1d21bd376388b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34021d00ffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3d020101",
	"P-256":     "3081f7020101302c06072a8648ce3d0101022100ffffffff00000001000000000000000000000000ffffffffffffffffffffffff305b0420ffffffff00000001000000000000000000000000fffffffffffffffffffffffc04205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b031500c49d360886e704936a6678e1139d26b7819f7e900441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5022100ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551020101",
	"P-384":     "30820157020101303c06072a8648ce3d0101023100fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff307b0430fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffc0430b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef031500a335926aa319a27a1d00896a6773a4827acdac73046104aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab73617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f023100ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973020101",
	"P-521":     "308201c3020101304d06072a8648ce3d0101024201ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff30819f044201fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc04420051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00031500d09e8800291cb85396cc6717393284aaa0da64ba0481850600c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650024201fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409020101",
	"secp256k1": "3081c0020101302c06072a8648ce3d0101022100fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f3044042000000000000000000000000000000000000000000000000000000000000000000420000000000000000000000000000000000000000000000000000000000000000704210279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798022100fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141020101",
}

// otherCurves are brainpoolP256r1, and sect233k1, whose field is another.
var otherCurves = []string{
	"3081e0020101302c06072a8648ce3d0101022100a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377304404207d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9042026dc5c6ce94a4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b60441048bd2aeb9cb7e57cb2c4b482ffc81b7afb9de27e1e3bd23c23a4453bd9ace3262547ef835c3dac4fd97f8461a14611dc9c27745132ded8e545c1d54c72f046997022100a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7020101",
	"3081c6020101301d06072a8648ce3d01023012020200e906092a8648ce3d0102030202014a3040041e000000000000000000000000000000000000000000000000000000000000041e000000000000000000000000000000000000000000000000000000000001043d04017232ba853a7e731af129f22ff4149563a419c26bf50a4c9d6eefad612601db537dece819b7f70f555a67c427a8cd9bf18aeb9b56e0c11056fae6a3021e008000000000000000000000000000069d5bb915bcd46efb1ad5f173abdf020104",
}

// A curve that is spelled out is taken for its name, and no other one is taken.
func TestExplicitCurves(t *testing.T) {
	for name, text := range explicitCurves {
		params := unhex(t, text)
		c, err := object.CurveOf(params)
		require.NoError(t, err, name)
		require.Equal(t, name, c.Name)
		key, err := c.Generate()
		require.NoError(t, err)
		private := privateTemplate(t, key)
		o := build(t, append(private[:2:2], ck.Bytes(ck.CKA_EC_PARAMS, params), private[3]))
		require.Equal(t, c.OID, o.Attrs.Get(ck.CKA_EC_PARAMS))

		for i := range params {
			changed := bytes.Clone(params)
			changed[i] ^= 1
			other, err := object.CurveOf(changed)
			if err != nil {
				require.Contains(t, []ck.Error{ck.CKR_CURVE_NOT_SUPPORTED, ck.CKR_ATTRIBUTE_VALUE_INVALID}, ck.CodeOf(err), "%s, byte %d", name, i)
				continue
			}
			require.Equal(t, name, other.Name, "byte %d", i)
			require.True(t, i == 5 || isSeed(t, params, i), "%s: byte %d makes no difference", name, i) // the version
		}
		for n := range params {
			_, err := object.CurveOf(params[:n])
			require.Error(t, err, "%s: %d bytes of it", name, n)
		}
		_, err = object.CurveOf(append(bytes.Clone(params), 0))
		require.Error(t, err)
	}
	for _, text := range otherCurves {
		_, err := object.CurveOf(unhex(t, text))
		wantCode(t, err, ck.CKR_CURVE_NOT_SUPPORTED)
	}
}

// isSeed reports whether the byte is in the seed, which is a BIT STRING and the only one.
func isSeed(t *testing.T, params []byte, i int) bool {
	t.Helper()
	var v struct {
		Version  int
		Field    asn1.RawValue
		Curve    asn1.RawValue
		Base     []byte
		Order    *big.Int
		Cofactor *big.Int
	}
	_, err := asn1.Unmarshal(params, &v)
	require.NoError(t, err)
	rest := v.Curve.Bytes
	for range 2 {
		var octets []byte
		rest, err = asn1.Unmarshal(rest, &octets)
		require.NoError(t, err)
	}
	at := bytes.Index(params, rest)
	return len(rest) > 0 && i >= at && i < at+len(rest)
}

// A point in its hybrid form is taken where its first byte tells the last bit of y.
func TestHybridPoints(t *testing.T) {
	for _, name := range []string{"P-224", "P-256", "P-384", "P-521", "secp256k1"} {
		c := curveNamed(t, name)
		for range 8 {
			key, err := c.Generate()
			require.NoError(t, err)
			want, err := object.EncodePoint(c.Public(key))
			require.NoError(t, err)
			at := bytes.IndexByte(want[2:], 4) + 2 // behind the header, which P-521 has a byte more of
			if name == "P-521" {
				at = 3
			}
			raw := bytes.Clone(want[at:])
			y := raw[len(raw)-1] & 1
			for _, first := range []byte{6, 7} {
				raw[0] = first
				pub, err := c.DecodePoint(raw)
				if first&1 != y {
					wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
					continue
				}
				require.NoError(t, err, name)
				got, err := object.EncodePoint(pub)
				require.NoError(t, err)
				require.Equal(t, want, got, name)
			}
			raw[0] = 6 | y
			raw[len(raw)-2] ^= 4
			_, err = c.DecodePoint(raw)
			wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
		}
	}
	for _, raw := range [][]byte{{6}, {7}, {6, 0}, {7, 1}} {
		_, err := curveNamed(t, "P-256").DecodePoint(raw)
		wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	}
}
