package mech

import (
	"crypto/rand"

	"github.com/cloudflare/circl/sign/slhdsa"

	"vtoken/vtoken/ck"
)

// The lengths of public keys of SLH-DSA in bytes.
const minSLHDSA, maxSLHDSA = 32, 64

// slhdsaMechanisms is SLH-DSA (section 6.69 of PKCS#11 3.2; FIPS 205), the pure
// scheme. Key sizes are the lengths of public keys in bytes.
func slhdsaMechanisms() []*Descriptor {
	return []*Descriptor{
		latticeGenerator(ck.CKM_SLH_DSA_KEY_PAIR_GEN, ck.CKK_SLH_DSA, minSLHDSA, maxSLHDSA),
		{Type: ck.CKM_SLH_DSA, KeyTypes: []ck.KeyType{ck.CKK_SLH_DSA}, MinKeySize: minSLHDSA, MaxKeySize: maxSLHDSA,
			Sign: latticeSigner(ck.CKK_SLH_DSA), Verify: latticeVerifier(ck.CKK_SLH_DSA)},
	}
}

func signSLHDSA(key *slhdsa.PrivateKey, message, context []byte, hedged bool) ([]byte, error) {
	if hedged {
		return slhdsa.SignRandomized(key, rand.Reader, slhdsa.NewMessage(message), context)
	}
	return slhdsa.SignDeterministic(key, slhdsa.NewMessage(message), context)
}
