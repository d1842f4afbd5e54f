package mech_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"vtoken/vtoken/ck"

	"github.com/stretchr/testify/require"
)

// Signatures whose padding is nearly right, as forgers make them of keys with
// small exponents: all but the first are refused (the classes of Wycheproof's
// rsa_signature tests).
func TestPKCS1SignatureForgeries(t *testing.T) {
	r := testRSA()
	priv, pub := privateKey(t, r), publicKey(t, &r.PublicKey)
	message := []byte("message")
	digest := sha256.Sum256(message)
	info := append(unhex(t, "3031300d060960864801650304020105000420"), digest[:]...)
	noNull := append(unhex(t, "302f300b0609608648016503040201"+"0420"), digest[:]...)
	longForm := append(unhex(t, "308131300d060960864801650304020105000420"), digest[:]...)
	padded := func(blockType, fill byte, info, after []byte) []byte {
		em := append([]byte{0, blockType}, bytes.Repeat([]byte{fill}, 256-3-len(info)-len(after))...)
		return append(append(append(em, 0), info...), after...)
	}
	short := append(append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, 8)...), 0)
	short = append(append(short, info...), make([]byte, 256-len(short)-len(info))...)
	gap := padded(1, 0xff, info, nil)
	gap[100] = 0xfe
	first := padded(1, 0xff, info, nil)
	first[0] = 1
	for name, c := range map[string]struct {
		em   []byte
		want ck.Error
	}{
		"right":                 {padded(1, 0xff, info, nil), ck.CKR_OK},
		"garbage after":         {padded(1, 0xff, info, []byte{1, 2, 3}), ck.CKR_SIGNATURE_INVALID},
		"zeroes after":          {short, ck.CKR_SIGNATURE_INVALID},
		"block type 2":          {padded(2, 0xff, info, nil), ck.CKR_SIGNATURE_INVALID},
		"block type 0":          {padded(0, 0, info, nil), ck.CKR_SIGNATURE_INVALID},
		"padding of 00":         {padded(1, 0, info, nil), ck.CKR_SIGNATURE_INVALID},
		"a hole in the padding": {gap, ck.CKR_SIGNATURE_INVALID},
		"first byte 1":          {first, ck.CKR_SIGNATURE_INVALID},
		"no NULL":               {padded(1, 0xff, noNull, nil), ck.CKR_SIGNATURE_INVALID},
		"length in long form":   {padded(1, 0xff, longForm, nil), ck.CKR_SIGNATURE_INVALID},
		"bare digest":           {padded(1, 0xff, digest[:], nil), ck.CKR_SIGNATURE_INVALID},
	} {
		if c.em[0] != 0 { // keep it below the modulus, which starts with a one bit
			c.em[0] = r.N.Bytes()[0] >> 1
		}
		sig := sign(t, ck.CKM_RSA_X_509, priv, nil, c.em)
		if err := verify(t, ck.CKM_SHA256_RSA_PKCS, pub, nil, sig, message); ck.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// What CKM_RSA_PKCS signs is the same with a DigestInfo from the application.
	require.Equal(t, sign(t, ck.CKM_SHA256_RSA_PKCS, priv, nil, message), sign(t, ck.CKM_RSA_PKCS, priv, nil, info),
		"CKM_RSA_PKCS of a DigestInfo is not CKM_SHA256_RSA_PKCS")
}
