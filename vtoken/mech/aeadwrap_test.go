package mech_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"vtoken/vtoken/ck"

	"github.com/stretchr/testify/require"
)

// Keys wrapped in the modes that authenticate are the published messages of
// these modes: test case 4 of GCM's specification, NIST SP 800-38C example 4.
func TestAuthenticatedWrapVectors(t *testing.T) {
	for _, v := range []struct {
		p                *ck.WrapParams
		key, plain, want string
	}{
		{&ck.WrapParams{MessageParams: ck.MessageParams{Mechanism: ck.CKM_AES_GCM, TagBits: 128, Nonce: unhex(t, "cafebabefacedbaddecaf888")},
			AAD: unhex(t, "feedfacedeadbeeffeedfacedeadbeefabaddad2")},
			"feffe9928665731c6d6a8f9467308308",
			"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
			"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091" +
				"5bc94fbc3221a5db94fae95ae7121a47"},
		{&ck.WrapParams{MessageParams: ck.MessageParams{Mechanism: ck.CKM_AES_CCM, TagBits: 112, Nonce: count(0x10, 13)}, AAD: bytes.Repeat(count(0, 256), 256)},
			hex.EncodeToString(count(0x40, 16)), hex.EncodeToString(count(0x20, 32)),
			"69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72b4ac6bec93e8598e7f0dadbcea5b"},
	} {
		d, k := lookup(t, v.p.Mechanism), secretKey(t, ck.CKK_AES, unhex(t, v.key))
		plain := unhex(t, v.plain)
		wrapped, err := d.Wrap(k, v.p, plain)
		if err != nil || hex.EncodeToString(wrapped) != v.want || hex.EncodeToString(plain) != v.plain {
			t.Errorf("%v: %x, %v", d.Type, wrapped, err)
		}
		for _, p := range []ck.Parameter{v.p, v.p.Plain()} {
			if back, err := d.Unwrap(k, p, wrapped); err != nil || !bytes.Equal(back, plain) {
				t.Errorf("%v unwraps to %x, %v", d.Type, back, err)
			}
			for i := range wrapped {
				bad := bytes.Clone(wrapped)
				bad[i] ^= 4
				_, err := d.Unwrap(k, p, bad)
				require.Equal(t, ck.CKR_AEAD_DECRYPT_FAILED, ck.CodeOf(err))
			}
			_, err = d.Unwrap(k, p, wrapped[:3])
			require.Equal(t, ck.CKR_WRAPPED_KEY_LEN_RANGE, ck.CodeOf(err))
		}
		other := *v.p
		other.AAD = []byte("another")
		_, err = d.Unwrap(k, &other, wrapped)
		require.Equal(t, ck.CKR_AEAD_DECRYPT_FAILED, ck.CodeOf(err))
		for _, p := range []ck.Parameter{nil, v.p.Plain(), ck.RawParameter("12 bytes ...")} {
			_, err = d.Wrap(k, p, plain) // the caller's own nonce
			require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
		}
	}
}

// The length of CCM's data is that of the key, or left out.
func TestCCMWrapLength(t *testing.T) {
	d, k := lookup(t, ck.CKM_AES_CCM), secretKey(t, ck.CKK_AES, random(16))
	p := &ck.WrapParams{MessageParams: ck.MessageParams{Mechanism: ck.CKM_AES_CCM, TagBits: 128, Nonce: random(12), DataLen: 16}}
	wrapped, err := d.Wrap(k, p, random(16))
	require.NoError(t, err, "%d bytes", len(wrapped))
	require.Len(t, wrapped, 32, "%d bytes", len(wrapped))
	_, err = d.Wrap(k, p, random(17))
	require.Equal(t, ck.CKR_KEY_SIZE_RANGE, ck.CodeOf(err))
	p.DataLen = 15
	_, err = d.Unwrap(k, p, wrapped)
	require.Equal(t, ck.CKR_WRAPPED_KEY_LEN_RANGE, ck.CodeOf(err))
}

// A wrapped key has a tag that nobody finds by trying.
func TestCCMWrapTag(t *testing.T) {
	d, k := lookup(t, ck.CKM_AES_CCM), secretKey(t, ck.CKK_AES, random(16))
	for bits := uint64(32); bits <= 128; bits += 16 {
		p := &ck.WrapParams{MessageParams: ck.MessageParams{Mechanism: ck.CKM_AES_CCM, TagBits: bits, Nonce: random(12), DataLen: 16}}
		code := ck.CKR_OK
		if bits < 96 {
			code = ck.CKR_MECHANISM_PARAM_INVALID
		}
		_, err := d.Wrap(k, p, random(16))
		require.Equal(t, code, ck.CodeOf(err))
		enc := mustRun(t, d.Encrypt, k, p.Plain(), random(16))
		_, err = d.Unwrap(k, p.Plain(), enc)
		require.Equal(t, code, ck.CodeOf(err))
	}
}
