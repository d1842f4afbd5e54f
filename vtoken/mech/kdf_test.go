package mech_test

import (
	"encoding/hex"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"

	"github.com/stretchr/testify/require"
)

// RFC 5869 appendix A.
func TestHKDFVectors(t *testing.T) {
	const b22 = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
	for _, v := range []struct {
		prf                       ck.MechanismType
		ikm, salt, info, prk, okm string
	}{
		{ck.CKM_SHA256, b22, hex.EncodeToString(count(0, 13)), hex.EncodeToString(count(0xf0, 10)),
			"077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
			"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
		{ck.CKM_SHA256, hex.EncodeToString(count(0, 80)), hex.EncodeToString(count(0x60, 80)), hex.EncodeToString(count(0xb0, 80)),
			"06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
			"b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
		{ck.CKM_SHA256, b22, "", "", "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
			"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
		{ck.CKM_SHA_1, "0b0b0b0b0b0b0b0b0b0b0b", hex.EncodeToString(count(0, 13)), hex.EncodeToString(count(0xf0, 10)),
			"9b6c18c432a7bf8f0e71c8eb88f4b30baa2ba243",
			"085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896"},
		{ck.CKM_SHA_1, "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c", "", "", "2adccada18779e7c2077ad2eb19d3f3e731385dd",
			"2c91117204d745f3500d636a62f64f0ab3bae548aa53d423b0d1f27ebba6f5e5673a081d70cce7acfc48"},
	} {
		p := ck.HKDFParams{Extract: true, Expand: true, PRF: v.prf, SaltType: uint64(ck.CKF_HKDF_SALT_DATA), Salt: unhex(t, v.salt), Info: unhex(t, v.info)}
		if v.salt == "" {
			p.SaltType = uint64(ck.CKF_HKDF_SALT_NULL)
		}
		n := uint64(len(v.okm) / 2)
		for _, kt := range []ck.KeyType{ck.CKK_HKDF, ck.CKK_GENERIC_SECRET} {
			k := secretKey(t, kt, unhex(t, v.ikm))
			okm, err := derive(t, ck.CKM_HKDF_DERIVE, k, p, generic(n))
			if err != nil || hex.EncodeToString(okm) != v.okm {
				t.Errorf("%v: %x, %v", v.prf, okm, err)
			}
			extract := p
			extract.Expand = false
			prk, err := derive(t, ck.CKM_HKDF_DERIVE, k, extract, generic(0))
			if err != nil || hex.EncodeToString(prk) != v.prk {
				t.Errorf("%v extracts %x, %v", v.prf, prk, err)
			}
			expand := p
			expand.Extract = false
			okm, err = derive(t, ck.CKM_HKDF_DERIVE, secretKey(t, kt, prk), expand, generic(n))
			if err != nil || hex.EncodeToString(okm) != v.okm {
				t.Errorf("%v expands to %x, %v", v.prf, okm, err)
			}
			data, err := derive(t, ck.CKM_HKDF_DATA, k, p, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.Ulong(ck.CKA_VALUE_LEN, n)})
			if err != nil || hex.EncodeToString(data) != v.okm {
				t.Errorf("%v makes data %x, %v", v.prf, data, err)
			}
		}
	}
}

func TestHKDFRefuses(t *testing.T) {
	k := secretKey(t, ck.CKK_HKDF, random(32))
	good := ck.HKDFParams{Extract: true, Expand: true, PRF: ck.CKM_SHA256, SaltType: uint64(ck.CKF_HKDF_SALT_NULL)}
	with := func(change func(*ck.HKDFParams)) ck.HKDFParams { p := good; change(&p); return p }
	for _, c := range []struct {
		name string
		m    ck.MechanismType
		kt   ck.KeyType
		p    ck.Parameter
		tpl  ck.Template
		want ck.Error
	}{
		{"good", ck.CKM_HKDF_DERIVE, ck.CKK_HKDF, good, generic(32), ck.CKR_OK},
		{"neither", ck.CKM_HKDF_DERIVE, ck.CKK_HKDF, with(func(p *ck.HKDFParams) { p.Extract, p.Expand = false, false }), generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"hash", ck.CKM_HKDF_DERIVE, ck.CKK_HKDF, with(func(p *ck.HKDFParams) { p.PRF = ck.CKM_SHA256_HMAC }), generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"salt key", ck.CKM_HKDF_DERIVE, ck.CKK_HKDF, with(func(p *ck.HKDFParams) { p.SaltType = uint64(ck.CKF_HKDF_SALT_KEY) }), generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"no salt type", ck.CKM_HKDF_DERIVE, ck.CKK_HKDF, with(func(p *ck.HKDFParams) { p.SaltType = 0 }), generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"null salt", ck.CKM_HKDF_DERIVE, ck.CKK_HKDF, with(func(p *ck.HKDFParams) { p.Salt = []byte{1} }), generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"no parameter", ck.CKM_HKDF_DERIVE, ck.CKK_HKDF, nil, generic(32), ck.CKR_MECHANISM_PARAM_INVALID},
		{"no length", ck.CKM_HKDF_DERIVE, ck.CKK_HKDF, good, generic(0), ck.CKR_TEMPLATE_INCOMPLETE},
		{"too long", ck.CKM_HKDF_DERIVE, ck.CKK_HKDF, with(func(p *ck.HKDFParams) { p.Expand = false }), generic(33), ck.CKR_KEY_SIZE_RANGE},
		{"endless", ck.CKM_HKDF_DERIVE, ck.CKK_HKDF, good, generic(1 << 50), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"data by derive", ck.CKM_HKDF_DERIVE, ck.CKK_HKDF, good, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.Ulong(ck.CKA_VALUE_LEN, uint64(8))}, ck.CKR_TEMPLATE_INCONSISTENT},
		{"key by data", ck.CKM_HKDF_DATA, ck.CKK_HKDF, good, generic(32), ck.CKR_TEMPLATE_INCONSISTENT},
		{"key type", ck.CKM_HKDF_DERIVE, ck.CKK_AES, good, generic(32), ck.CKR_KEY_TYPE_INCONSISTENT},
	} {
		key := k
		if c.kt != ck.CKK_HKDF {
			key = secretKey(t, c.kt, random(32))
		}
		_, err := lookup(t, c.m).Derive(key, c.p, c.tpl)
		if ck.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// RFC 6070, RFC 7914 section 11, and for the other functions what an independent
// implementation (pyca/cryptography on OpenSSL) makes of the same input.
func TestPBKDF2Vectors(t *testing.T) {
	for _, v := range []struct {
		prf            uint64
		password, salt string
		iterations     uint64
		want           string
	}{
		{ck.CKP_PKCS5_PBKD2_HMAC_SHA1, "password", "salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"},
		{ck.CKP_PKCS5_PBKD2_HMAC_SHA1, "password", "salt", 4096, "4b007901b765489abead49d926f721d065a429c1"},
		{ck.CKP_PKCS5_PBKD2_HMAC_SHA1, "passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096, "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"},
		{ck.CKP_PKCS5_PBKD2_HMAC_SHA1, "pass\x00word", "sa\x00lt", 4096, "56fa6aa75548099dcc37d7f03425e0c3"},
		{ck.CKP_PKCS5_PBKD2_HMAC_SHA256, "passwd", "salt", 1, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc" +
			"49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"},
		{ck.CKP_PKCS5_PBKD2_HMAC_SHA224, "password", "salt", 4096, "218c453bf90635bd0a21a75d172703ff6108ef603f65bb821aedade1d6961683"},
		{ck.CKP_PKCS5_PBKD2_HMAC_SHA384, "password", "salt", 4096, "559726be38db125bc85ed7895f6e3cf574c7a01c080c3447db1e8a76764deb3c"},
		{ck.CKP_PKCS5_PBKD2_HMAC_SHA512, "password", "salt", 4096, "d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5"},
		{ck.CKP_PKCS5_PBKD2_HMAC_SHA512_224, "password", "salt", 4096, "ed54af699cc307e08965098bda5ff4e41ea1931f"},
		{ck.CKP_PKCS5_PBKD2_HMAC_SHA512_256, "password", "salt", 4096, "f2fbe5f8ec3618bb145279a8c6a8dfa476c282a3"},
	} {
		p := ck.PBKD2Params{SaltSource: ck.CKZ_SALT_SPECIFIED, Salt: []byte(v.salt), Iterations: v.iterations, PRF: v.prf, Password: []byte(v.password)}
		made, err := lookup(t, ck.CKM_PKCS5_PBKD2).GenerateKey(p, generic(uint64(len(v.want)/2)), noPause)
		if err != nil {
			t.Errorf("function %d: %v", v.prf, err)
			continue
		}
		if a, _ := made.Find(ck.CKA_VALUE); hex.EncodeToString(a.Value) != v.want {
			t.Errorf("function %d of %q, %d times: %x", v.prf, v.password, v.iterations, a.Value)
		}
	}
}

func TestPBKDF2MakesKeys(t *testing.T) {
	p := ck.PBKD2Params{SaltSource: ck.CKZ_SALT_SPECIFIED, Salt: []byte("salt"), Iterations: 1, PRF: ck.CKP_PKCS5_PBKD2_HMAC_SHA256, Password: []byte("p")}
	tpl := ck.Template{ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))}
	d := lookup(t, ck.CKM_PKCS5_PBKD2)
	made, err := d.GenerateKey(p, tpl, noPause)
	require.NoError(t, err)
	_, err = object.Build(object.Source{Origin: object.Generate, Mechanism: d.Type, Made: made}, tpl)
	require.NoError(t, err)
	for _, change := range []func(*ck.PBKD2Params){
		func(p *ck.PBKD2Params) { p.Iterations = 0 }, func(p *ck.PBKD2Params) { p.Iterations = 1 << 40 },
		func(p *ck.PBKD2Params) { p.PRF = 0 }, func(p *ck.PBKD2Params) { p.PRF = 2 },
		func(p *ck.PBKD2Params) { p.SaltSource = 0 }, func(p *ck.PBKD2Params) { p.PRFData = []byte{1} },
	} {
		bad := p
		change(&bad)
		_, err := d.GenerateKey(bad, tpl, noPause)
		require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
	}
	_, err = d.GenerateKey(p, tpl[:1], noPause)
	require.Equal(t, ck.CKR_TEMPLATE_INCOMPLETE, ck.CodeOf(err))
}

// The first is of NIST's CAVP (KDFCTR, HMAC_SHA256, counter of 8 bits before the
// fixed input); the others are what an independent implementation
// (pyca/cryptography) makes: label, 0, context, length of 32 bits.
func TestSP800108Vectors(t *testing.T) {
	const ki = "3edc6b5b8f7aadbd713732b482b8f979286e1ea3b8f8f99c30c884cfe3349b83"
	const fixed = "98e9988bb4cc8b34d7922e1c68ad692ba2a1d9ae15149571675f17a77ad49e80c8d2a85e831a26445b1f0ff44d7084a17206b4896c8112daad18605a"
	counter := func(bits uint64) ck.PRFData { return ck.PRFData{Type: ck.SP800108IterationVariable, WidthBits: bits} }
	bytesOf := func(b []byte) ck.PRFData { return ck.PRFData{Type: ck.SP800108ByteArray, Value: b} }
	label := bytesOf([]byte("label\x00context"))
	length := ck.PRFData{Type: ck.SP800108DKMLength, Method: ck.SP800108SumOfKeys, WidthBits: 32}
	k, aes := secretKey(t, ck.CKK_GENERIC_SECRET, unhex(t, ki)), secretKey(t, ck.CKK_AES, unhex(t, ki)[:16])
	for _, v := range []struct {
		prf  ck.MechanismType
		data []ck.PRFData
		want string
	}{
		{ck.CKM_SHA256_HMAC, []ck.PRFData{counter(8), bytesOf(unhex(t, fixed))}, "6c037652990674a07844732d0ad985f9"},
		{ck.CKM_SHA_1_HMAC, []ck.PRFData{counter(32), label, length}, "81c9e587247e7bd462a3fe0e1c8223ac10b5e26ea2bb44f30030f503d7796793ff686eba1f77992232214dd446bcb1edba0c0c78a556c4b610c3e16d8113ae30b09ef29af2a0cb3cfb103e4625063995"},
		{ck.CKM_SHA256_HMAC, []ck.PRFData{counter(32), label, length}, "9c88e50f4b7fdd4bc02c3a52c9d6d8a436f822a4f074d6a42b7dd4fda93b6dc932fc007887688230e586cdc2c5c12e8059073d8cf396ba7eafe813d0f67bc057593a793d0cfff27cf4c9c33d16f0166f"},
		{ck.CKM_SHA3_256_HMAC, []ck.PRFData{counter(32), label, length}, "b6435a1c20d339cceb872e55b564f7fbb346f9eb1f8d45f6199f203c17cd4bae1dad86cf2c876066e5621b1b5472df9a97947015bd51b4ec2c78341818b574fca80a1d400fd5be437b81be63037090a6"},
		{ck.CKM_AES_CMAC, []ck.PRFData{label, length, counter(16)}, "555df9b5f9189e1f6d37a4b3faf51cf0929a58835aa2f0d90c0cdb9349551386be73b7f0bd84b31f"},
	} {
		key := k
		if v.prf == ck.CKM_AES_CMAC {
			key = aes
		}
		got, err := derive(t, ck.CKM_SP800_108_COUNTER_KDF, key, ck.SP800108Params{PRF: v.prf, Data: v.data}, generic(uint64(len(v.want)/2)))
		if err != nil || hex.EncodeToString(got) != v.want {
			t.Errorf("%v: %x, %v", v.prf, got, err)
		}
	}
	little := ck.PRFData{Type: ck.SP800108DKMLength, Method: ck.SP800108SumOfSegments, WidthBits: 16, LittleEndian: true}
	a, err := derive(t, ck.CKM_SP800_108_COUNTER_KDF, k, ck.SP800108Params{PRF: ck.CKM_SHA256_HMAC, Data: []ck.PRFData{counter(8), little}}, generic(40))
	require.NoError(t, err)
	b, err := derive(t, ck.CKM_SP800_108_COUNTER_KDF, k, ck.SP800108Params{PRF: ck.CKM_SHA256_HMAC, Data: []ck.PRFData{counter(8), bytesOf([]byte{0, 2})}}, generic(40))
	require.NoError(t, err)
	require.Equal(t, string(b), string(a), "512 bits of two segments are not written as 00 02")
}

func TestSP800108Refuses(t *testing.T) {
	k := secretKey(t, ck.CKK_GENERIC_SECRET, random(32))
	c := ck.PRFData{Type: ck.SP800108IterationVariable, WidthBits: 8}
	l := ck.PRFData{Type: ck.SP800108DKMLength, Method: ck.SP800108SumOfKeys, WidthBits: 32}
	d := lookup(t, ck.CKM_SP800_108_COUNTER_KDF)
	for _, data := range [][]ck.PRFData{
		nil, {l}, {c, c}, {c, l, l}, {{Type: ck.SP800108IterationVariable}}, {{Type: ck.SP800108IterationVariable, WidthBits: 40}},
		{{Type: ck.SP800108IterationVariable, WidthBits: 12}}, {c, {Type: ck.SP800108Counter, WidthBits: 8}}, {c, {Type: 99}},
		{c, {Type: ck.SP800108DKMLength, WidthBits: 32}}, {c, {Type: ck.SP800108DKMLength, Method: 1, WidthBits: 128}},
	} {
		_, err := d.Derive(k, ck.SP800108Params{PRF: ck.CKM_SHA256_HMAC, Data: data}, generic(32))
		require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
	}
	_, err := d.Derive(secretKey(t, ck.CKK_AES, random(16)), ck.SP800108Params{PRF: ck.CKM_AES_CMAC, Data: []ck.PRFData{c}}, generic(4096))
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err)) // 256 blocks, a counter of 8 bits
	_, err = d.Derive(k, ck.SP800108Params{PRF: ck.CKM_SHA256, Data: []ck.PRFData{c}}, generic(32))
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
	_, err = d.Derive(k, ck.SP800108Params{PRF: ck.CKM_AES_CMAC, Data: []ck.PRFData{c}}, generic(32))
	require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
	require.NotContains(t, d.Type.String(), "0x", "the mechanism has no name")
}
