package mech_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// PBKDF2 makes each block of a key with all of the iterations: what is bounded is their
// product, and a call over it is refused before it begins.
func TestPBKDF2Work(t *testing.T) {
	for _, c := range []struct {
		iterations, size uint64
		salt             int
		good             bool
	}{
		{1000, 4096, 8, true}, {1, 32, 4096, true}, {48_780, 4096, 8, true}, // 205 blocks of SHA-1
		{48_781, 4096, 8, false}, {10_000_000, 21, 8, false}, {10_000_001, 20, 8, false},
		{math.MaxUint64, 20, 8, false}, {math.MaxInt64, 4096, 8, false}, {1 << 32, 1, 8, false}, {0, 20, 8, false}, {1, 32, 4097, false},
	} {
		if c.good && c.iterations > 40_000 {
			c.iterations /= 1000 // which is as good, and quick
		}
		p := ck.PBKD2Params{SaltSource: ck.CKZ_SALT_SPECIFIED, Salt: make([]byte, c.salt), Iterations: c.iterations, PRF: ck.CKP_PKCS5_PBKD2_HMAC_SHA1, Password: []byte("p")}
		_, err := lookup(t, ck.CKM_PKCS5_PBKD2).GenerateKey(p, generic(c.size), noPause)
		if c.good {
			require.NoError(t, err, "%+v", c)
		} else {
			require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err), "%+v: %v", c, err)
		}
	}
}

// What goes into each block of a key is bounded for every derivation that has blocks.
func TestDerivationInfo(t *testing.T) {
	much := bytes.Repeat([]byte{1}, 64<<10+1)
	secret := secretKey(t, ck.CKK_GENERIC_SECRET, bytes.Repeat([]byte{7}, 32))
	for name, derive := range map[string]func(info []byte) error{
		"HKDF": func(info []byte) error {
			p := ck.HKDFParams{Expand: true, PRF: ck.CKM_SHA256, Info: info}
			_, err := lookup(t, ck.CKM_HKDF_DERIVE).Derive(secret, p, generic(4096))
			return err
		},
		"SP 800-108": func(info []byte) error {
			parts := []ck.PRFData{{Type: ck.SP800108IterationVariable, WidthBits: 32}, {Type: ck.SP800108ByteArray, Value: info}}
			_, err := lookup(t, ck.CKM_SP800_108_COUNTER_KDF).Derive(secret, ck.SP800108Params{PRF: ck.CKM_SHA256_HMAC, Data: parts}, generic(4096))
			return err
		},
	} {
		require.NoError(t, derive(much[:60<<10]), name)
		require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(derive(much)), name)
	}
}

// noPause lets work go on.
func noPause() error { return nil }

// PBKDF2 pauses on its way, and ends where a pause says so.
func TestPBKDF2Pauses(t *testing.T) {
	p := ck.PBKD2Params{SaltSource: ck.CKZ_SALT_SPECIFIED, Salt: []byte("salt"), Iterations: 10_000_000, PRF: ck.CKP_PKCS5_PBKD2_HMAC_SHA512, Password: []byte("password")}
	gone, pauses := errors.New("the client is gone"), 0
	_, err := lookup(t, ck.CKM_PKCS5_PBKD2).GenerateKey(p, generic(16), func() error {
		if pauses++; pauses == 3 {
			return gone
		}
		return nil
	})
	require.ErrorIs(t, err, gone)
	require.Equal(t, 3, pauses)
}
