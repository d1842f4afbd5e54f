package object_test

import (
	"crypto/rand"
	"errors"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// A modulus that is a prime has no factors to be found, which takes as long as is tried. That
// ends with an error of Pause.
func TestPrimeModulusEndsWithPause(t *testing.T) {
	n, err := rand.Prime(rand.Reader, 2048)
	require.NoError(t, err)
	d := new(big.Int).ModInverse(big.NewInt(65537), new(big.Int).Sub(n, big.NewInt(1)))
	require.NotNil(t, d)
	key := ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA), ck.Bytes(ck.CKA_MODULUS, n.Bytes()),
		ck.Bytes(ck.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}), ck.Bytes(ck.CKA_PRIVATE_EXPONENT, d.Bytes()),
	}
	enough, pauses := errors.New("enough"), 0
	src := object.Source{Origin: object.Create, Pause: func() error {
		if pauses++; pauses > 3 {
			return enough
		}
		return nil
	}}
	require.True(t, src.TakesLong(key))
	_, err = object.Build(src, key)
	require.ErrorIs(t, err, enough)
	require.Equal(t, 4, pauses)
	_, err = object.Build(object.Source{Origin: object.Create}, key)
	require.Equal(t, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CodeOf(err))
}
