package mech_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"vtoken/vtoken/ck"

	"github.com/stretchr/testify/require"
)

// RFC 3394 section 4 and RFC 5649 section 6.
func TestWrapVectors(t *testing.T) {
	const data = "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"
	kek := hex.EncodeToString(count(0, 32))
	for _, v := range []struct {
		m                ck.MechanismType
		kek, key, wanted string
	}{
		{ck.CKM_AES_KEY_WRAP, kek[:32], data[:32], "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
		{ck.CKM_AES_KEY_WRAP, kek[:48], data[:32], "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"},
		{ck.CKM_AES_KEY_WRAP, kek, data[:32], "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"},
		{ck.CKM_AES_KEY_WRAP, kek[:48], data[:48], "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"},
		{ck.CKM_AES_KEY_WRAP, kek, data[:48], "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"},
		{ck.CKM_AES_KEY_WRAP, kek, data, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
		{ck.CKM_AES_KEY_WRAP_KWP, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "c37b7e6492584340bed12207808941155068f738",
			"138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"},
		{ck.CKM_AES_KEY_WRAP_PAD, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"},
	} {
		k := secretKey(t, ck.CKK_AES, unhex(t, v.kek))
		d := lookup(t, v.m)
		wrapped, err := d.Wrap(k, nil, unhex(t, v.key))
		if err != nil || hex.EncodeToString(wrapped) != v.wanted {
			t.Errorf("%v: %x, %v", v.m, wrapped, err)
		}
		key, err := d.Unwrap(k, nil, unhex(t, v.wanted))
		if err != nil || hex.EncodeToString(key) != v.key {
			t.Errorf("%v unwraps to %x, %v", v.m, key, err)
		}
	}
}

func TestWrapRoundTrip(t *testing.T) {
	k := secretKey(t, ck.CKK_AES, random(32))
	for m, ivLen := range map[ck.MechanismType]int{ck.CKM_AES_KEY_WRAP: 8, ck.CKM_AES_KEY_WRAP_PAD: 4, ck.CKM_AES_KEY_WRAP_KWP: 4} {
		d := lookup(t, m)
		for n := range 100 {
			key := random(n)
			for _, p := range []ck.Parameter{nil, ck.RawParameter(random(ivLen))} {
				wrapped, err := d.Wrap(k, p, key)
				if m == ck.CKM_AES_KEY_WRAP && (n < 16 || n%8 != 0) || n == 0 {
					require.Equal(t, ck.CKR_KEY_SIZE_RANGE, ck.CodeOf(err))
					continue
				}
				require.NoError(t, err)
				back, err := d.Unwrap(k, p, wrapped)
				if err != nil || !bytes.Equal(back, key) {
					t.Errorf("%v: %d bytes come back as %d, %v", m, n, len(back), err)
				}
				bad := bytes.Clone(wrapped)
				bad[n%len(bad)] ^= 1
				_, err = d.Unwrap(k, p, bad)
				require.Equal(t, ck.CKR_WRAPPED_KEY_INVALID, ck.CodeOf(err))
				_, err = d.Unwrap(k, ck.RawParameter(random(ivLen)), wrapped)
				require.Equal(t, ck.CKR_WRAPPED_KEY_INVALID, ck.CodeOf(err))
				_, err = d.Unwrap(k, p, wrapped[:len(wrapped)-1])
				require.Equal(t, ck.CKR_WRAPPED_KEY_LEN_RANGE, ck.CodeOf(err))
			}
		}
		_, err := d.Unwrap(k, nil, nil)
		require.Equal(t, ck.CKR_WRAPPED_KEY_LEN_RANGE, ck.CodeOf(err))
		_, err = d.Wrap(k, ck.RawParameter(random(5)), random(16))
		require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
		_, err = d.Wrap(secretKey(t, ck.CKK_GENERIC_SECRET, random(16)), nil, random(16))
		require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
	}
}

// What RFC 5649 says of the padding: a length that does not fit, and bytes that
// are not zero, are refused. Wrapped with the bare function, whose initial value
// the parameter sets.
func TestWrapPaddingIsChecked(t *testing.T) {
	k := secretKey(t, ck.CKK_AES, random(16))
	for _, c := range []struct {
		length byte
		key    []byte
		want   ck.Error
	}{
		{13, append(random(13), 0, 0, 0), ck.CKR_OK},
		{16, random(16), ck.CKR_OK},
		{13, append(random(13), 0, 0, 1), ck.CKR_WRAPPED_KEY_INVALID},
		{8, append(random(8), make([]byte, 8)...), ck.CKR_WRAPPED_KEY_INVALID},
		{17, random(16), ck.CKR_WRAPPED_KEY_INVALID},
		{0, make([]byte, 16), ck.CKR_WRAPPED_KEY_INVALID},
	} {
		iv := ck.RawParameter{0xa6, 0x59, 0x59, 0xa6, 0, 0, 0, c.length}
		wrapped, err := lookup(t, ck.CKM_AES_KEY_WRAP).Wrap(k, iv, c.key)
		require.NoError(t, err)
		_, err = lookup(t, ck.CKM_AES_KEY_WRAP_KWP).Unwrap(k, nil, wrapped)
		require.Equal(t, c.want, ck.CodeOf(err))
	}
}

func TestOAEPWrap(t *testing.T) {
	r := testRSA()
	priv, pub := privateKey(t, r), publicKey(t, &r.PublicKey)
	d := lookup(t, ck.CKM_RSA_PKCS_OAEP)
	p := ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA3_256, MGF: ck.CKG_MGF1_SHA256, Source: ck.CKZ_DATA_SPECIFIED}
	key := random(32)
	wrapped, err := d.Wrap(pub, p, key)
	require.NoError(t, err)
	back, err := d.Unwrap(priv, p, wrapped)
	require.NoError(t, err, "comes back as %x", back)
	require.Equal(t, key, back, "comes back as %x", back)
	_, err = d.Wrap(pub, p, random(191))
	require.Equal(t, ck.CKR_KEY_SIZE_RANGE, ck.CodeOf(err))
	_, err = d.Unwrap(priv, p, wrapped[1:])
	require.Equal(t, ck.CKR_WRAPPED_KEY_LEN_RANGE, ck.CodeOf(err))
	wrapped[7] ^= 1
	_, err = d.Unwrap(priv, p, wrapped)
	require.Equal(t, ck.CKR_WRAPPED_KEY_INVALID, ck.CodeOf(err))
	_, err = d.Wrap(priv, p, key)
	require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
}

// FuzzUnwrap: any bytes give an answer, and what unwraps wraps to the same.
func FuzzUnwrap(f *testing.F) {
	k := secretKey(f, ck.CKK_AES, count(0, 16))
	for _, n := range []int{1, 8, 9, 16, 33} {
		wrapped, err := lookup(f, ck.CKM_AES_KEY_WRAP_KWP).Wrap(k, nil, count(0, n))
		require.NoError(f, err)
		f.Add(wrapped)
	}
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		for _, m := range []ck.MechanismType{ck.CKM_AES_KEY_WRAP, ck.CKM_AES_KEY_WRAP_KWP} {
			d := lookup(t, m)
			key, err := d.Unwrap(k, nil, wrapped)
			if err != nil {
				continue
			}
			if again, err := d.Wrap(k, nil, key); err != nil || !bytes.Equal(again, wrapped) {
				t.Errorf("%v: %x wraps to %x, %v", m, wrapped, again, err)
			}
		}
	})
}
