package mech_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
)

// RFC 4493 section 4, and the examples of NIST for longer keys.
func TestCMACVectors(t *testing.T) {
	const (
		message = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
		k128    = "2b7e151628aed2a6abf7158809cf4f3c"
		k192    = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"
		k256    = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
	)
	for _, v := range []struct {
		key  string
		n    int
		want string
	}{
		{k128, 0, "bb1d6929e95937287fa37d129b756746"},
		{k128, 16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{k128, 40, "dfa66747de9ae63030ca32611497c827"},
		{k128, 64, "51f0bebf7e3b9d92fc49741779363cfe"},
		{k192, 0, "d17ddf46adaacde531cac483de7a9367"},
		{k192, 64, "a1d5df0eed790f794d77589659f39a11"},
		{k256, 0, "028962f61b7bf89efc6b551f4667d983"},
		{k256, 40, "aaf3d8f1de5640c232f5b169b9c911e6"},
		{k256, 64, "e1992190549f6ed5696a2c056c315410"},
	} {
		k := secretKey(t, ck.CKK_AES, unhex(t, v.key))
		data := unhex(t, message)[:v.n]
		if mac := sign(t, ck.CKM_AES_CMAC, k, nil, pieces(data)...); hex.EncodeToString(mac) != v.want {
			t.Errorf("%d bytes: %x, want %s", v.n, mac, v.want)
		}
		for n := range 16 {
			p := ck.MACGeneralParams(n + 1)
			if mac := sign(t, ck.CKM_AES_CMAC_GENERAL, k, p, data); hex.EncodeToString(mac) != v.want[:2*n+2] {
				t.Errorf("%d bytes of MAC: %x", n+1, mac)
			}
		}
	}
	_, err := lookup(t, ck.CKM_AES_CMAC_GENERAL).Sign(secretKey(t, ck.CKK_AES, random(16)), ck.MACGeneralParams(17))
	wantCode(t, err, ck.CKR_MECHANISM_PARAM_INVALID)
}

func count(from, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(from + i)
	}
	return b
}

// NIST SP 800-38C appendix C. Example 4 has more additional data than the short
// form of its length can say.
func TestCCMVectors(t *testing.T) {
	k := secretKey(t, ck.CKK_AES, count(0x40, 16))
	for _, v := range []struct {
		nonce, aad, plain []byte
		tag               uint64
		want              string
	}{
		{count(0x10, 7), count(0, 8), count(0x20, 4), 4, "7162015b4dac255d"},
		{count(0x10, 8), count(0, 16), count(0x20, 16), 6, "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd"},
		{count(0x10, 12), count(0, 20), count(0x20, 24), 8, "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951"},
		{count(0x10, 13), bytes.Repeat(count(0, 256), 256), count(0x20, 32), 14,
			"69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72b4ac6bec93e8598e7f0dadbcea5b"},
	} {
		p := ck.CCMParams{DataLen: uint64(len(v.plain)), Nonce: v.nonce, AAD: v.aad, MACLen: v.tag}
		enc := mustRun(t, lookup(t, ck.CKM_AES_CCM).Encrypt, k, p, pieces(v.plain)...)
		require.Equal(t, v.want, hex.EncodeToString(enc), "nonce of %d bytes: %x", len(v.nonce), enc)
		if dec := mustRun(t, lookup(t, ck.CKM_AES_CCM).Decrypt, k, p, pieces(enc)...); !bytes.Equal(dec, v.plain) {
			t.Errorf("nonce of %d bytes decrypts to %x", len(v.nonce), dec)
		}
		for i := range enc {
			bad := bytes.Clone(enc)
			bad[i] ^= 0x10
			_, err := run(t, lookup(t, ck.CKM_AES_CCM).Decrypt, k, p, bad)
			wantCode(t, err, ck.CKR_ENCRYPTED_DATA_INVALID)
		}
	}
}

func TestCCMRefuses(t *testing.T) {
	k := secretKey(t, ck.CKK_AES, random(32))
	d := lookup(t, ck.CKM_AES_CCM)
	for _, p := range []ck.CCMParams{
		{Nonce: count(0, 6), MACLen: 16}, {Nonce: count(0, 14), MACLen: 16}, {Nonce: count(0, 12), MACLen: 2},
		{Nonce: count(0, 12), MACLen: 7}, {Nonce: count(0, 12), MACLen: 18}, {Nonce: count(0, 13), MACLen: 16, DataLen: 1 << 16},
		{Nonce: count(0, 7), MACLen: 16, DataLen: mech.MaxGCM + 1}, {Nonce: count(0, 7), MACLen: 16, DataLen: 1 << 63},
	} {
		_, err := d.Encrypt(k, p)
		wantCode(t, err, ck.CKR_MECHANISM_PARAM_INVALID)
	}
	p := ck.CCMParams{Nonce: count(0, 12), MACLen: 16, DataLen: 5}
	_, err := run(t, d.Encrypt, k, p, []byte("four"))
	wantCode(t, err, ck.CKR_DATA_LEN_RANGE)
	_, err = run(t, d.Encrypt, k, p, []byte("is six"))
	wantCode(t, err, ck.CKR_DATA_LEN_RANGE)
	_, err = run(t, d.Decrypt, k, p, make([]byte, 20))
	wantCode(t, err, ck.CKR_ENCRYPTED_DATA_LEN_RANGE)
	_, err = run(t, d.Decrypt, k, p, make([]byte, 22))
	wantCode(t, err, ck.CKR_ENCRYPTED_DATA_LEN_RANGE)
}

// RFC 8439 section 2.8.2.
func TestChaCha20Poly1305Vector(t *testing.T) {
	const plain = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
	k := secretKey(t, ck.CKK_CHACHA20, count(0x80, 32))
	p := ck.ChaCha20Poly1305Params{Nonce: unhex(t, "070000004041424344454647"), AAD: unhex(t, "50515253c0c1c2c3c4c5c6c7")}
	d := lookup(t, ck.CKM_CHACHA20_POLY1305)
	enc := mustRun(t, d.Encrypt, k, p, pieces([]byte(plain))...)
	if hex.EncodeToString(enc[:16]) != "d31a8d34648e60db7b86afbc53ef7ec2" || hex.EncodeToString(enc[len(plain):]) != "1ae10b594f09e26a7e902ecbd0600691" {
		t.Errorf("encrypts to %x", enc)
	}
	if dec := mustRun(t, d.Decrypt, k, p, pieces(enc)...); string(dec) != plain {
		t.Errorf("decrypts to %q", dec)
	}
	for _, i := range []int{0, 50, len(enc) - 1} {
		bad := bytes.Clone(enc)
		bad[i] ^= 1
		_, err := run(t, d.Decrypt, k, p, bad)
		wantCode(t, err, ck.CKR_ENCRYPTED_DATA_INVALID)
	}
	_, err := run(t, d.Decrypt, k, p, enc[:15])
	wantCode(t, err, ck.CKR_ENCRYPTED_DATA_LEN_RANGE)
	for _, n := range []int{0, 8, 24} {
		_, err := d.Encrypt(k, ck.ChaCha20Poly1305Params{Nonce: make([]byte, n)})
		wantCode(t, err, ck.CKR_MECHANISM_PARAM_INVALID)
	}
}
