package mech_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// vectors reads a file of blocks of "name = value" lines.
func vectors(t *testing.T, file string) (blocks []map[string]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	for _, block := range strings.Split(string(text), "\n\n") {
		m := make(map[string]string)
		for _, line := range strings.Split(block, "\n") {
			if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
				m[strings.TrimSpace(name)] = strings.TrimSpace(value)
			}
		}
		if len(m) > 0 {
			blocks = append(blocks, m)
		}
	}
	require.NotEmpty(t, blocks, "%s has no vectors", file)
	return blocks
}

func TestImplicitRejectionVectors(t *testing.T) {
	blocks := vectors(t, "implicit-rejection.txt")
	der, err := base64.StdEncoding.DecodeString(blocks[0]["key"])
	require.NoError(t, err)
	key, err := x509.ParsePKCS1PrivateKey(der)
	require.NoError(t, err)
	k := privateKey(t, key)
	for _, v := range blocks[1:] {
		out := mustRun(t, lookup(t, ck.CKM_RSA_PKCS).Decrypt, k, nil, unhex(t, v["in"]))
		if hex.EncodeToString(out) != v["out"] {
			t.Errorf("%s... decrypts to %x, want %s", v["in"][:16], out, v["out"])
		}
	}
}

func TestPSSVectors(t *testing.T) {
	p := ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA_1, MGF: ck.CKG_MGF1_SHA1, SLen: 20}
	for _, v := range vectors(t, "pss-vect.txt") {
		k := parsed(t, ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA),
			ck.Bytes(ck.CKA_MODULUS, unhex(t, v["n"])), ck.Bytes(ck.CKA_PUBLIC_EXPONENT, unhex(t, v["e"])),
		}, nil)
		if err := verify(t, ck.CKM_SHA1_RSA_PKCS_PSS, k, p, unhex(t, v["signature"]), unhex(t, v["message"])); err != nil {
			t.Errorf("n %s...: %v", v["n"][:16], err)
		}
	}
}

func TestOAEPVector(t *testing.T) {
	v := vectors(t, "oaep-vect.txt")[0]
	k := parsed(t, ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA),
		ck.Bytes(ck.CKA_MODULUS, unhex(t, v["n"])), ck.Bytes(ck.CKA_PUBLIC_EXPONENT, unhex(t, v["e"])),
		ck.Bytes(ck.CKA_PRIVATE_EXPONENT, unhex(t, v["d"])),
	}, nil)
	p := ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA_1, MGF: ck.CKG_MGF1_SHA1, Source: ck.CKZ_DATA_SPECIFIED}
	out := mustRun(t, lookup(t, ck.CKM_RSA_PKCS_OAEP).Decrypt, k, p, unhex(t, v["ciphertext"]))
	require.Equal(t, v["message"], hex.EncodeToString(out), "decrypts to %x", out)
}

// RFC 6979 appendix A.2: signatures of "sample".
func TestECDSAVectors(t *testing.T) {
	for _, v := range []struct {
		curve elliptic.Curve
		m     ck.MechanismType
		x     string
		sig   string
	}{
		{elliptic.P256(), ck.CKM_ECDSA_SHA256, "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
			"EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716" +
				"F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"},
		{elliptic.P256(), ck.CKM_ECDSA_SHA1, "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
			"61340C88C3AAEBEB4F6D667F672CA9759A6CCAA9FA8811313039EE4A35471D32" +
				"6D7F147DAC089441BB2E2FE8F7A3FA264B9C475098FDCF6E00D7C996E1B8B7EB"},
		{elliptic.P384(), ck.CKM_ECDSA_SHA384,
			"6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
			"94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46" +
				"99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8"},
		{elliptic.P521(), ck.CKM_ECDSA_SHA512,
			"00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B83538",
			"00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA" +
				"00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A"},
	} {
		key, err := ecdsa.ParseRawPrivateKey(v.curve, unhex(t, v.x))
		require.NoError(t, err)
		k := publicKey(t, &key.PublicKey)
		sig := unhex(t, v.sig)
		if err := verify(t, v.m, k, nil, sig, []byte("sample")); err != nil {
			t.Errorf("%v on %s: %v", v.m, v.curve.Params().Name, err)
		}
		require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(verify(t, v.m, k, nil, sig, []byte("simple"))))
	}
}

// Signatures that arithmetic alone would take: r or s of zero, at or above the
// order (the classes of edge cases that Wycheproof has).
func TestECDSAEdges(t *testing.T) {
	orders := map[string]*big.Int{"P-224": elliptic.P224().Params().N, "P-256": elliptic.P256().Params().N,
		"P-384": elliptic.P384().Params().N, "P-521": elliptic.P521().Params().N, "secp256k1": secp256k1.Params().N}
	for _, c := range curves(ck.CKK_EC) {
		priv, k := pairOn(t, c)
		n := (orders[c.Name].BitLen() + 7) / 8
		good := sign(t, ck.CKM_ECDSA, priv, nil, []byte("digest"))
		zero, order := make([]byte, n), orders[c.Name].FillBytes(make([]byte, n))
		high := bytes.Repeat([]byte{0xff}, n)
		for _, bad := range [][]byte{
			append(bytes.Clone(zero), good[n:]...), append(bytes.Clone(good[:n]), zero...),
			append(bytes.Clone(order), good[n:]...), append(bytes.Clone(good[:n]), order...),
			append(bytes.Clone(high), high...), append(bytes.Clone(zero), zero...),
			append(bytes.Clone(good[n:]), good[:n]...),
		} {
			require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(verify(t, ck.CKM_ECDSA, k, nil, bad, []byte("digest"))))
		}
	}
}

// RFC 4231, test cases 1, 2, 3, 6.
func TestHMACVectors(t *testing.T) {
	const aa = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	for _, v := range []struct {
		m              ck.MechanismType
		key, data, mac string
	}{
		{ck.CKM_SHA224_HMAC, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", hex.EncodeToString([]byte("Hi There")),
			"896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22"},
		{ck.CKM_SHA256_HMAC, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", hex.EncodeToString([]byte("Hi There")),
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{ck.CKM_SHA384_HMAC, hex.EncodeToString([]byte("Jefe")), hex.EncodeToString([]byte("what do ya want for nothing?")),
			"af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"},
		{ck.CKM_SHA512_HMAC, aa, strings.Repeat("dd", 50),
			"fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"},
		{ck.CKM_SHA256_HMAC, strings.Repeat("aa", 131), hex.EncodeToString([]byte("Test Using Larger Than Block-Size Key - Hash Key First")),
			"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		// NIST's examples of HMAC with SHA-3: a key shorter than a block.
		{ck.CKM_SHA3_224_HMAC, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b", hex.EncodeToString([]byte("Sample message for keylen<blocklen")),
			"332cfd59347fdb8e576e77260be4aba2d6dc53117b3bfb52c6d18c04"},
		{ck.CKM_SHA3_256_HMAC, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", hex.EncodeToString([]byte("Sample message for keylen<blocklen")),
			"4fe8e202c4f058e8dddc23d8c34e467343e23555e24fc2f025d598f558f67205"},
		{ck.CKM_SHA3_384_HMAC, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", hex.EncodeToString([]byte("Sample message for keylen<blocklen")),
			"d588a3c51f3f2d906e8298c1199aa8ff6296218127f6b38a90b6afe2c5617725bc99987f79b22a557b6520db710b7f42"},
		{ck.CKM_SHA3_512_HMAC, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f", hex.EncodeToString([]byte("Sample message for keylen<blocklen")),
			"4efd629d6c71bf86162658f29943b1c308ce27cdfa6db0d9c3ce81763f9cbce5f7ebe9868031db1a8f8eb7b6b95e5c5e3f657a8996c86a2f6527e307f0213196"},
		// RFC 2202, test case 2.
		{ck.CKM_SHA_1_HMAC, hex.EncodeToString([]byte("Jefe")), hex.EncodeToString([]byte("what do ya want for nothing?")),
			"effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
	} {
		k := secretKey(t, ck.CKK_GENERIC_SECRET, unhex(t, v.key))
		if got := hex.EncodeToString(sign(t, v.m, k, nil, unhex(t, v.data))); got != v.mac {
			t.Errorf("%v: %s", v.m, got)
		}
	}
}

// FIPS 180-4 and FIPS 202: the digests of "abc".
func TestDigestVectors(t *testing.T) {
	for m, want := range map[ck.MechanismType]string{
		ck.CKM_SHA_1:      "a9993e364706816aba3e25717850c26c9cd0d89d",
		ck.CKM_SHA224:     "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
		ck.CKM_SHA256:     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		ck.CKM_SHA384:     "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
		ck.CKM_SHA512:     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
		ck.CKM_SHA3_224:   "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
		ck.CKM_SHA3_256:   "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
		ck.CKM_SHA3_384:   "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
		ck.CKM_SHA3_512:   "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
		ck.CKM_SHA512_224: "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa",
		ck.CKM_SHA512_256: "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
	} {
		h, err := lookup(t, m).Digest(nil)
		require.NoError(t, err)
		h.Write([]byte("abc"))
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%v: %s", m, got)
		}
	}
}

// NIST SP 800-38A appendix F: the first two blocks.
func TestAESVectors(t *testing.T) {
	const plain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
	const (
		k128 = "2b7e151628aed2a6abf7158809cf4f3c"
		k256 = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
	)
	iv := ck.RawParameter(unhex(t, "000102030405060708090a0b0c0d0e0f"))
	ctr := ck.AESCtrParams{CounterBits: 128, CB: [16]byte(unhex(t, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"))}
	for _, v := range []struct {
		m    ck.MechanismType
		key  string
		p    ck.Parameter
		want string
	}{
		{ck.CKM_AES_ECB, k128, nil, "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"},
		{ck.CKM_AES_ECB, k256, nil, "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870"},
		{ck.CKM_AES_CBC, k128, iv, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"},
		{ck.CKM_AES_CBC, k256, iv, "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"},
		{ck.CKM_AES_CTR, k128, ctr, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"},
		{ck.CKM_AES_CTR, k256, ctr, "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"},
	} {
		k := secretKey(t, ck.CKK_AES, unhex(t, v.key))
		enc := mustRun(t, lookup(t, v.m).Encrypt, k, v.p, pieces(unhex(t, plain))...)
		if hex.EncodeToString(enc) != v.want {
			t.Errorf("%v with %d bits: %x", v.m, len(v.key)*4, enc)
		}
		if dec := mustRun(t, lookup(t, v.m).Decrypt, k, v.p, enc); hex.EncodeToString(dec) != plain {
			t.Errorf("%v with %d bits decrypts to %x", v.m, len(v.key)*4, dec)
		}
	}
}

// The test cases of McGrew and Viega's specification of GCM, 1 to 6 and 16.
func TestGCMVectors(t *testing.T) {
	const (
		key   = "feffe9928665731c6d6a8f9467308308"
		plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
		aad   = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
		iv12  = "cafebabefacedbaddecaf888"
		iv60  = "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b"
		zero  = "00000000000000000000000000000000"
	)
	for _, v := range []struct{ key, iv, plain, aad, enc, tag string }{
		{zero, zero[:24], "", "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
		{zero, zero[:24], zero, "", "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf"},
		{key, iv12, plain + "1aafd255", "", "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985", "4d5c2af327cd64a62cf35abd2ba6fab4"},
		{key, iv12, plain, aad, "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091", "5bc94fbc3221a5db94fae95ae7121a47"},
		{key, iv12[:16], plain, aad, "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598", "3612d2e79e3b0785561be14aaca2fccb"},
		{key, iv60, plain, aad, "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca701e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5", "619cc5aefffe0bfa462af43c1699d050"},
		{key + key, iv12, plain, aad, "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662", "76fc6ece0f4e1768cddf8853bb2d551b"},
	} {
		k := secretKey(t, ck.CKK_AES, unhex(t, v.key))
		for _, tag := range []int{12, 13, 16} {
			p := ck.GCMParams{IV: unhex(t, v.iv), AAD: unhex(t, v.aad), TagBits: uint64(tag * 8)}
			want := v.enc + v.tag[:2*tag]
			enc := mustRun(t, lookup(t, ck.CKM_AES_GCM).Encrypt, k, p, pieces(unhex(t, v.plain))...)
			if hex.EncodeToString(enc) != want {
				t.Errorf("IV %s, tag of %d bytes: %x", v.iv, tag, enc)
			}
			if dec := mustRun(t, lookup(t, ck.CKM_AES_GCM).Decrypt, k, p, unhex(t, want)); hex.EncodeToString(dec) != v.plain {
				t.Errorf("IV %s, tag of %d bytes, decrypts to %x", v.iv, tag, dec)
			}
		}
	}
}
