package vtoken_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// The engine does the same for every PKCS #1 v1.5 ciphertext, whatever its padding
// and however long its message: a copy of the message took 50 ns that a message
// of no bytes did not take. How long it takes is measured in tests/timing.
func TestDecryptionAllocatesTheSame(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	m := ck.Mechanism{Type: ck.CKM_RSA_PKCS}
	pub, priv, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048)), flag(ck.CKA_ENCRYPT, true)}, ck.Template{flag(ck.CKA_DECRYPT, true)})
	require.NoError(w.t, err)
	allocations := func(ciphertext []byte) float64 {
		least := math.Inf(1)
		for range 3 { // what else allocates meanwhile adds to it
			least = min(least, testing.AllocsPerRun(20, func() {
				require.NoError(w.t, c.DecryptInit(h, m, priv))
				_, err := c.Decrypt(h, ciphertext, big1K)
				require.NoError(w.t, err)
			}))
		}
		return least
	}
	bad := make([]byte, 256)
	bad[255] = 2
	want := allocations(bad)
	for _, n := range []int{0, 1, 48, 245} {
		if got := allocations(w.encryptedWith(c, m, pub, make([]byte, n))); got != want {
			t.Errorf("%v allocations for a message of %d bytes, %v for a wrong padding", got, n, want)
		}
	}
}
