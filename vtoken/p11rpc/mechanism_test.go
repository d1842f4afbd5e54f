package p11rpc

import (
	"encoding/hex"
	"strings"
	"testing"

	"vtoken/vtoken/ck"
)

// Mechanisms as each version has them on the wire, after the rules of p11-kit
// 0.24.1 (version 0), 0.25.5 (version 1) and 0.26.4 (version 2).
func TestMechanismBytes(t *testing.T) {
	const pss = "0000000000000250 0000000000000002 0000000000000020"
	for _, tc := range []struct {
		m    *ck.Mechanism
		want [MaxVersion + 1]string // empty where it is not sent
	}{
		{nil, [...]string{"", "ffffffff", "ffffffff"}},
		{&ck.Mechanism{Type: ck.CKM_RSA_PKCS}, [...]string{"00000001 ffffffff", "00000001 ffffffff", "00000001"}},
		{
			&ck.Mechanism{Type: ck.CKM_RSA_PKCS_PSS, Parameter: ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: 2, SLen: 32}},
			[...]string{"0000000d" + pss, "0000000d" + pss, "0000000d 01" + pss},
		},
		{
			&ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS_PSS, Parameter: ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: 2, SLen: 32}},
			[...]string{
				"00000043 00000018 5002000000000000 0200000000000000 2000000000000000",
				"00000043" + pss, "00000043 01" + pss,
			},
		},
		{
			&ck.Mechanism{Type: ck.CKM_RSA_PKCS_OAEP, Parameter: ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA_1, MGF: 1, Source: 1}},
			[...]string{
				"00000009 0000000000000220 0000000000000001 0000000000000001 ffffffff",
				"00000009 0000000000000220 0000000000000001 0000000000000001 ffffffff",
				"00000009 01 0000000000000220 0000000000000001 0000000000000001 ffffffff",
			},
		},
		{
			&ck.Mechanism{Type: ck.CKM_AES_CBC, Parameter: ck.RawParameter("0123456789abcdef")},
			[...]string{
				"00001082 00000010 30313233343536373839616263646566",
				"00001082 00000010 30313233343536373839616263646566",
				"00001082 01 00000010 30313233343536373839616263646566",
			},
		},
		{
			&ck.Mechanism{Type: ck.CKM_AES_GCM, Parameter: ck.GCMParams{IV: []byte("123456789012"), IVBits: 96, AAD: []byte{7}, TagBits: 128}},
			[...]string{
				"",
				"00001087 0000000c 313233343536373839303132 0000000000000060 00000001 07 0000000000000080",
				"00001087 01 0000000c 313233343536373839303132 0000000000000060 00000001 07 0000000000000080",
			},
		},
		{
			&ck.Mechanism{Type: ck.CKM_SHA256_HMAC_GENERAL, Parameter: ck.MACGeneralParams(16)},
			[...]string{
				"00000252 00000008 1000000000000000", "00000252 0000000000000010", "00000252 01 0000000000000010",
			},
		},
		{
			&ck.Mechanism{Type: ck.CKM_ECDH1_DERIVE, Parameter: ck.ECDH1DeriveParams{KDF: 1, PublicData: []byte{4, 5}}},
			[...]string{
				"", "00001050 0000000000000001 ffffffff 00000002 0405", "00001050 01 0000000000000001 ffffffff 00000002 0405",
			},
		},
		// Numbers that p11-kit passes on as the bytes of host memory.
		{
			&ck.Mechanism{Type: ck.CKM_MD5_HMAC_GENERAL, Parameter: ck.MACGeneralParams(12)},
			[...]string{
				"00000212 00000008 0c00000000000000", "00000212 00000008 0c00000000000000",
				"00000212 01 00000008 0c00000000000000",
			},
		},
		// A mechanism of no list: what its parameter holds is not known, so it does not travel.
		{&ck.Mechanism{Type: ck.CKM_XEDDSA}, [...]string{"00004029 ffffffff", "00004029 ffffffff", "00004029 00"}},
		{&ck.Mechanism{Type: ck.CKM_XEDDSA, Parameter: ck.RawParameter{1}}, [...]string{"", "", ""}},
	} {
		for version, want := range tc.want {
			e := Encoder{Version: byte(version)}
			e.BeginRequest(1, CallDigestInit)
			e.Ulong(0)
			before := len(e.buf)
			e.Mechanism(tc.m)
			got := hex.EncodeToString(e.buf[before:])
			if err := e.End(); (err != nil) != (want == "") {
				t.Errorf("version %d, %v: %v", version, tc.m, err)
				continue
			}
			if want = strings.ReplaceAll(want, " ", ""); want != "" && got != want {
				t.Errorf("version %d, %v:\ngot  %s\nwant %s", version, tc.m, got, want)
			}
		}
	}
}
