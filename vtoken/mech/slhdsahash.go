package mech

import (
	"crypto"
	"crypto/rand"

	"github.com/cloudflare/circl/sign/slhdsa"
	"github.com/cloudflare/circl/xof"

	"vtoken/vtoken/ck"
)

// slhdsaHashMechanisms is HashSLH-DSA (section 6.70 of PKCS#11 3.2; FIPS 205
// section 10.2.2), where the token hashes. CKM_HASH_SLH_DSA, which takes a hash
// that the caller made, is none of them: the library takes messages only.
func slhdsaHashMechanisms() (list []*Descriptor) {
	hash := func(h crypto.Hash) func() (*slhdsa.PreHash, error) {
		return func() (*slhdsa.PreHash, error) { return slhdsa.NewPreHashWithHash(h) }
	}
	shake := func(id xof.ID) func() (*slhdsa.PreHash, error) {
		return func() (*slhdsa.PreHash, error) { return slhdsa.NewPreHashWithXof(id) }
	}
	for _, row := range []struct {
		m   ck.MechanismType
		new func() (*slhdsa.PreHash, error)
	}{
		{ck.CKM_HASH_SLH_DSA_SHA224, hash(crypto.SHA224)}, {ck.CKM_HASH_SLH_DSA_SHA256, hash(crypto.SHA256)},
		{ck.CKM_HASH_SLH_DSA_SHA384, hash(crypto.SHA384)}, {ck.CKM_HASH_SLH_DSA_SHA512, hash(crypto.SHA512)},
		{ck.CKM_HASH_SLH_DSA_SHA3_224, hash(crypto.SHA3_224)}, {ck.CKM_HASH_SLH_DSA_SHA3_256, hash(crypto.SHA3_256)},
		{ck.CKM_HASH_SLH_DSA_SHA3_384, hash(crypto.SHA3_384)}, {ck.CKM_HASH_SLH_DSA_SHA3_512, hash(crypto.SHA3_512)},
		{ck.CKM_HASH_SLH_DSA_SHAKE128, shake(xof.SHAKE128)}, {ck.CKM_HASH_SLH_DSA_SHAKE256, shake(xof.SHAKE256)},
	} {
		list = append(list, &Descriptor{
			Type: row.m, KeyTypes: []ck.KeyType{ck.CKK_SLH_DSA}, MinKeySize: minSLHDSA, MaxKeySize: maxSLHDSA,
			Sign:   func(k *Key, p ck.Parameter) (Signer, error) { return signHashSLHDSA(k, p, row.new) },
			Verify: func(k *Key, p ck.Parameter) (Verifier, error) { return verifyHashSLHDSA(k, p, row.new) },
		})
	}
	return list
}

// preHashSink hashes the data; the library takes the hash out of it. The library tells the
// state of its hash to nobody, so the data is kept, too, as long as it is short and there is
// memory for it: then another sink can be given the same data.
type preHashSink struct {
	*slhdsa.PreHash
	kept collector
	long bool // not all is kept
}

// maxKeptPreHash bounds the data that is kept of one operation.
const maxKeptPreHash = 1 << 20

func newPreHashSink(h *slhdsa.PreHash) *preHashSink {
	return &preHashSink{PreHash: h, kept: collector{max: maxKeptPreHash, code: ck.CKR_STATE_UNSAVEABLE}}
}

func (s *preHashSink) Update(data []byte) error {
	if !s.long && s.kept.Update(data) != nil {
		clear(s.kept.data)
		s.kept.data, s.long = nil, true
	}
	_, err := s.Write(data) // never fails (hash.Hash)
	return err
}

func (*preHashSink) sum() []byte { return nil }

// Meter is of [Gatherer].
func (s *preHashSink) Meter(m Meter) { s.kept.Meter(m) }

// Held is of [Gatherer].
func (s *preHashSink) Held() int { return s.kept.Held() }

func (s *preHashSink) save() ([]byte, error) {
	if s.long {
		return nil, ck.Errorf(ck.CKR_STATE_UNSAVEABLE, "HashSLH-DSA on more than %d bytes cannot be saved", maxKeptPreHash)
	}
	return s.kept.save()
}

func (s *preHashSink) restore(state []byte) error { return s.Update(state) }

func (*preHashSink) confined() bool { return true }

func signHashSLHDSA(k *Key, p ck.Parameter, newHash func() (*slhdsa.PreHash, error)) (Signer, error) {
	held, _ := latticeKey(k.Private)
	key, ok := held.(slhdsa.PrivateKey)
	if !ok {
		return nil, wrongKey(k, "private key of CKK_SLH_DSA")
	}
	v, err := signParameter(p)
	if err != nil {
		return nil, err
	}
	pre, err := newHash()
	if err != nil {
		return nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "set up HashSLH-DSA: %w", err)
	}
	return &signer{newPreHashSink(pre), key.Scheme().SignatureSize(), func([]byte) (signature []byte, err error) {
		message, err := pre.BuildMessage()
		if err == nil && v.Hedge == uint64(ck.CKH_DETERMINISTIC_REQUIRED) {
			signature, err = slhdsa.SignDeterministic(&key, message, v.Context)
		} else if err == nil {
			signature, err = slhdsa.SignRandomized(&key, rand.Reader, message, v.Context)
		}
		if err != nil {
			return nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "sign with HashSLH-DSA: %w", err)
		}
		return signature, nil
	}}, nil
}

func verifyHashSLHDSA(k *Key, p ck.Parameter, newHash func() (*slhdsa.PreHash, error)) (Verifier, error) {
	held, _ := latticeKey(k.Public)
	key, ok := held.(slhdsa.PublicKey)
	if !ok {
		return nil, wrongKey(k, "public key of CKK_SLH_DSA")
	}
	v, err := signParameter(p)
	if err != nil {
		return nil, err
	}
	pre, err := newHash()
	if err != nil {
		return nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "set up HashSLH-DSA: %w", err)
	}
	return &verifier{newPreHashSink(pre), key.Scheme().SignatureSize(), func(_, signature []byte) error {
		message, err := pre.BuildMessage()
		if err != nil {
			return ck.Errorf(ck.CKR_FUNCTION_FAILED, "verify with HashSLH-DSA: %w", err)
		}
		return valid(slhdsa.Verify(&key, message, signature, v.Context))
	}}, nil
}
