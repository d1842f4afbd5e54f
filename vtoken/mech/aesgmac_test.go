package mech_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// gmacVectors are the first ones of NIST's CAVP with PTlen = 0 and AADlen = 0 or 128, IVs of 96
// and tags of 128 bits (gcmtestvectors.zip: gcmEncryptExtIV128.rsp, 192 and 256). Without
// plaintext, GCM is GMAC.
var gmacVectors = []struct{ key, iv, data, tag string }{
	{"11754cd72aec309bf52f7687212e8957", "3c819d9a9bed087615030b65", "", "250327c674aaf477aef2675748cf6971"},
	{
		"77be63708971c4e240d1cb79e8d77feb", "e0e00f19fed7ba0136a797f3",
		"7a43ec1d9c0a5a78a0b16533a6213cab", "209fcc8d3675ed938e9c7166709dd946",
	},
	{
		"7680c5d3ca6154758e510f4d25b98820", "f8f105f9c3df4965780321f8",
		"c94c410194c765e3dcc7964379758ed3", "94dca8edfcf90bb74b153c8d48a17930",
	},
	{
		"aa740abfadcda779220d3b406c5d7ec09a77fe9d94104539", "ab2265b4c168955561f04315",
		"", "f149e2b5f0adaa9842ca5f45b768a8fc",
	},
	{
		"41c5da8667ef725220ffe39ae0ac590ac9fca729ab60ada0", "05ad13a5e2c2ab667e1a6fbc",
		"8b5c124bef6e2f0fe4d8c95cd5fa4cf1", "204bdb1bd62154bf08922aaa54eed705",
	},
	{
		"b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4", "516c33929df5a3284ff463d7",
		"", "bdc1ac884d332457a1d2664f168c76f0",
	},
	{
		"78dc4e0aaf52d935c3c01eea57428f00ca1fd475f5da86a49c8dd73d68c8e223", "d79cf22d504cc793c3fb6c8a",
		"b96baa8c1c75a671bfb2d08d06be5f36", "3e5d486aa2e30b22e040b85723a06e76",
	},
}

func TestGMAC(t *testing.T) {
	for _, v := range gmacVectors {
		k, iv, data, tag := secretKey(t, ck.CKK_AES, unhex(t, v.key)), ck.RawParameter(unhex(t, v.iv)), unhex(t, v.data), unhex(t, v.tag)
		require.Equal(t, v.tag, hex.EncodeToString(sign(t, ck.CKM_AES_GMAC, k, iv, data)))
		require.Equal(t, v.tag, hex.EncodeToString(sign(t, ck.CKM_AES_GMAC, k, iv, pieces(data)...)))
		require.NoError(t, verify(t, ck.CKM_AES_GMAC, k, iv, tag, pieces(data)...))

		tag[0] ^= 1
		require.ErrorIs(t, verify(t, ck.CKM_AES_GMAC, k, iv, tag, data), ck.CKR_SIGNATURE_INVALID)
		err := verify(t, ck.CKM_AES_GMAC, k, iv, tag[:15], data)
		require.Equal(t, ck.CKR_SIGNATURE_LEN_RANGE, ck.CodeOf(err))
	}
}

// CK_GCM_PARAMS says how long IV and tag are.
func TestGMACWithStructure(t *testing.T) {
	v := gmacVectors[len(gmacVectors)-1]
	k, data := secretKey(t, ck.CKK_AES, unhex(t, v.key)), unhex(t, v.data)
	for bits := uint64(96); bits <= 128; bits += 8 {
		p := ck.GCMParams{IV: unhex(t, v.iv), TagBits: bits}
		tag := sign(t, ck.CKM_AES_GMAC, k, p, data)
		require.Equal(t, v.tag[:bits/4], hex.EncodeToString(tag))
		require.NoError(t, verify(t, ck.CKM_AES_GMAC, k, p, tag, data))
		err := verify(t, ck.CKM_AES_GMAC, k, p, unhex(t, v.tag)[:bits/8-1], data)
		require.Equal(t, ck.CKR_SIGNATURE_LEN_RANGE, ck.CodeOf(err))
	}
}

func TestGMACParameters(t *testing.T) {
	d, k := lookup(t, ck.CKM_AES_GMAC), secretKey(t, ck.CKK_AES, random(16))
	for _, p := range []ck.Parameter{
		nil, ck.RawParameter{}, ck.RawParameter(random(11)), ck.RawParameter(random(13)), ck.MACGeneralParams(12),
		ck.GCMParams{TagBits: 128}, ck.GCMParams{IV: random(12), TagBits: 88}, ck.GCMParams{IV: random(12), TagBits: 136},
		ck.GCMParams{IV: random(12), TagBits: 128, AAD: random(1)},
	} {
		_, err := d.Sign(k, p)
		require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err), "%v", p)
		_, err = d.Verify(k, p)
		require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err), "%v", p)
	}
	_, err := d.Sign(secretKey(t, ck.CKK_GENERIC_SECRET, random(16)), ck.RawParameter(random(12)))
	require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
	require.False(t, d.Info().Flags.Has(ck.CKF_MESSAGE_SIGN), "many messages would share an IV")
}
