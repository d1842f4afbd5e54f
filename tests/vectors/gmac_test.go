package vectors

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// authenticatesGMAC gives an IV of 12 bytes alone, as PKCS#11 had it before 3.2, and others
// in CK_GCM_PARAMS.
func (k *token) authenticatesGMAC(_ group, v vector) error {
	secret, err := k.secret(ck.CKK_AES, v.Key, ck.CKA_SIGN, ck.CKA_VERIFY)
	if err != nil {
		return err
	}
	if len(v.IV) == 12 {
		return k.gmacVector(v, secret, mechanism(ck.CKM_AES_GMAC, []byte(v.IV)))
	}
	return gmacParams(v.IV).with(ck.CKM_AES_GMAC, func(m []*pkcs11.Mechanism) error { return k.gmacVector(v, secret, m) })
}

func (k *token) gmacVector(v vector, secret pkcs11.ObjectHandle, m []*pkcs11.Mechanism) error {
	if err := k.p.VerifyInit(k.h, m, secret); err != nil {
		return err
	}
	err := v.wrong(k.p.Verify(k.h, v.Msg, v.Tag), ck.CKR_SIGNATURE_INVALID)
	if err != nil || v.Result != "valid" {
		return err
	}
	if err := k.p.SignInit(k.h, m, secret); err != nil {
		return err
	}
	tag, err := k.p.Sign(k.h, v.Msg)
	return v.same("the tag", tag, v.Tag, err)
}

// gmacParams returns CK_GCM_PARAMS with a whole tag.
func gmacParams(iv []byte) *structure {
	s := &structure{}
	s.pointer(iv)
	s.word(uint64(len(iv)))
	s.word(0) // ulIvBits
	s.word(0)
	s.word(0)
	s.word(128)
	return s
}

// A vector of NIST's CAVP (gcmEncryptExtIV256.rsp, without plaintext), and data of every
// length up to some blocks, in one call and in parts, against OpenSSL's GMAC.
func TestGMACAgreesWithOpenSSL(t *testing.T) {
	k := newToken(t, func(_ *testing.T, socket string) string { return socket })
	published := func(s string) []byte {
		b, err := hex.DecodeString(s)
		require.NoError(t, err)
		return b
	}
	key := published("78dc4e0aaf52d935c3c01eea57428f00ca1fd475f5da86a49c8dd73d68c8e223")
	iv, data := published("d79cf22d504cc793c3fb6c8a"), published("b96baa8c1c75a671bfb2d08d06be5f36")
	require.Equal(t, "3e5d486aa2e30b22e040b85723a06e76", k.gmac(t, key, mechanism(ck.CKM_AES_GMAC, iv), data))

	for n := range 40 {
		key, iv, data := random(16+8*(n%3)), random(12), random(n)
		require.Equal(t, opensslGMAC(t, key, iv, data), k.gmac(t, key, mechanism(ck.CKM_AES_GMAC, iv), data))

		iv = random(1 + 3*n)
		require.NoError(t, gmacParams(iv).with(ck.CKM_AES_GMAC, func(m []*pkcs11.Mechanism) error {
			require.Equal(t, opensslGMAC(t, key, iv, data), k.gmac(t, key, m, data))
			return nil
		}))
	}
}

// gmac signs data in one call and in parts, and verifies it in both ways.
func (k *token) gmac(t *testing.T, key []byte, m []*pkcs11.Mechanism, data []byte) string {
	t.Helper()
	h, err := k.secret(ck.CKK_AES, key, ck.CKA_SIGN, ck.CKA_VERIFY)
	require.NoError(t, err)
	require.NoError(t, k.p.SignInit(k.h, m, h))
	tag, err := k.p.Sign(k.h, data)
	require.NoError(t, err)
	require.NoError(t, k.p.VerifyInit(k.h, m, h))
	require.NoError(t, k.p.Verify(k.h, data, tag))

	require.NoError(t, k.p.SignInit(k.h, m, h))
	require.NoError(t, k.p.VerifyInit(k.h, m, h))
	for part := range slices.Chunk(data, 7) {
		require.NoError(t, k.p.SignUpdate(k.h, part))
		require.NoError(t, k.p.VerifyUpdate(k.h, part))
	}
	again, err := k.p.SignFinal(k.h)
	require.NoError(t, err)
	require.Equal(t, tag, again)
	require.NoError(t, k.p.VerifyFinal(k.h, tag))

	tag[15] ^= 1
	require.NoError(t, k.p.VerifyInit(k.h, m, h))
	require.ErrorIs(t, k.p.Verify(k.h, data, tag), pkcs11.Error(ck.CKR_SIGNATURE_INVALID))
	tag[15] ^= 1
	require.NoError(t, k.sweep())
	return hex.EncodeToString(tag)
}

func opensslGMAC(t *testing.T, key, iv, data []byte) string {
	t.Helper()
	c := exec.Command("openssl", "mac", "-cipher", "AES-"+strconv.Itoa(8*len(key))+"-GCM",
		"-macopt", "hexkey:"+hex.EncodeToString(key), "-macopt", "hexiv:"+hex.EncodeToString(iv), "-in", "-", "GMAC")
	c.Stdin = bytes.NewReader(data)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return strings.ToLower(strings.TrimSpace(string(out)))
}

func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}
