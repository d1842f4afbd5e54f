package object

import (
	"bytes"
	"encoding/asn1"

	"github.com/cloudflare/circl/sign"
	"github.com/cloudflare/circl/sign/slhdsa"

	"vtoken/vtoken/ck"
)

// slhdsaSets are the sets of SLH-DSA (FIPS 205 section 11), which have their
// identifiers from RFC 9909.
func slhdsaSets() (list []ParameterSet) {
	for _, row := range []struct {
		id     slhdsa.ID
		number uint64
		arc    int
	}{
		{slhdsa.SHA2_128s, ck.CKP_SLH_DSA_SHA2_128S, 20},
		{slhdsa.SHA2_128f, ck.CKP_SLH_DSA_SHA2_128F, 21},
		{slhdsa.SHA2_192s, ck.CKP_SLH_DSA_SHA2_192S, 22},
		{slhdsa.SHA2_192f, ck.CKP_SLH_DSA_SHA2_192F, 23},
		{slhdsa.SHA2_256s, ck.CKP_SLH_DSA_SHA2_256S, 24},
		{slhdsa.SHA2_256f, ck.CKP_SLH_DSA_SHA2_256F, 25},
		{slhdsa.SHAKE_128s, ck.CKP_SLH_DSA_SHAKE_128S, 26},
		{slhdsa.SHAKE_128f, ck.CKP_SLH_DSA_SHAKE_128F, 27},
		{slhdsa.SHAKE_192s, ck.CKP_SLH_DSA_SHAKE_192S, 28},
		{slhdsa.SHAKE_192f, ck.CKP_SLH_DSA_SHAKE_192F, 29},
		{slhdsa.SHAKE_256s, ck.CKP_SLH_DSA_SHAKE_256S, 30},
		{slhdsa.SHAKE_256f, ck.CKP_SLH_DSA_SHAKE_256F, 31},
	} {
		scheme := row.id.Scheme()
		list = append(list, ParameterSet{
			scheme.Name(), ck.CKK_SLH_DSA, row.number, scheme.PublicKeySize(),
			asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, row.arc}, slhDSA{scheme, row.id},
		})
	}
	return list
}

// slhDSA is SLH-DSA. A private key is SK.seed, SK.prf, PK.seed and PK.root, all
// of one length; the first three are random.
type slhDSA struct {
	sign.Scheme
	id slhdsa.ID
}

func (s slhDSA) seedLen() int                        { return s.PrivateKeySize() / 4 * 3 }
func (s slhDSA) decodePublic(v []byte) (any, error)  { return s.UnmarshalBinaryPublicKey(v) }
func (s slhDSA) decodePrivate(v []byte) (any, error) { return s.UnmarshalBinaryPrivateKey(v) }

func (s slhDSA) fromSeed(seed []byte) any {
	_, priv, _ := slhdsa.GenerateKey(bytes.NewReader(seed), s.id) // reads no more than there is
	return priv
}

// public makes the key again: that is much quicker than to try a signature.
func (s slhDSA) public(priv any) (any, error) {
	v := encoded(priv)
	defer clear(v)
	again := s.fromSeed(v[:s.seedLen()]).(slhdsa.PrivateKey)
	if !again.Equal(priv) {
		return nil, errValue
	}
	return again.PublicKey(), nil
}
