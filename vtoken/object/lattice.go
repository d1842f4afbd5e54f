package object

import (
	"bytes"
	"crypto/rand"
	"encoding/asn1"

	"github.com/cloudflare/circl/kem"
	"github.com/cloudflare/circl/kem/mlkem/mlkem1024"
	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
	"github.com/cloudflare/circl/kem/mlkem/mlkem768"
	"github.com/cloudflare/circl/sign"
	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
	"github.com/cloudflare/circl/sign/mldsa/mldsa87"

	"vtoken/vtoken/ck"
)

// ParameterSet is a size of ML-DSA (FIPS 204), ML-KEM (FIPS 203) or SLH-DSA
// (FIPS 205), which is no lattice scheme but has keys of the same form.
type ParameterSet struct {
	Name    string
	KeyType ck.KeyType // CKK_ML_DSA, CKK_ML_KEM, CKK_SLH_DSA
	// Number is CKA_PARAMETER_SET.
	Number uint64
	// PublicLen is the length of a public key in bytes.
	PublicLen int

	oid asn1.ObjectIdentifier
	lattice
}

// lattice is the arithmetic of a parameter set; a value that is no key is an
// error of any kind. A seed is everything random that a key is made of.
type lattice interface {
	seedLen() int
	fromSeed(seed []byte) any
	decodePublic(v []byte) (any, error)
	decodePrivate(v []byte) (any, error)
	// public checks that the parts of a private key fit together.
	public(priv any) (any, error)
}

// LatticePublic is a public key of ML-DSA or SLH-DSA (a circl sign.PublicKey) or
// of ML-KEM (a circl kem.PublicKey).
type LatticePublic struct {
	Set ParameterSet
	Key any
}

// LatticePrivate is a private key, and the seed that it was made of, nil where
// nobody knows it and for SLH-DSA, which has no seeds in PKCS#11.
type LatticePrivate struct {
	Set  ParameterSet
	Seed []byte
	Key  any
}

// ParameterSets are those that are supported.
func ParameterSets() []ParameterSet {
	oid := func(family, n int) asn1.ObjectIdentifier {
		return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, family, n}
	}
	return append([]ParameterSet{
		{"ML-DSA-44", ck.CKK_ML_DSA, ck.CKP_ML_DSA_44, mldsa44.PublicKeySize, oid(3, 17), mldsa{mldsa44.Scheme()}},
		{"ML-DSA-65", ck.CKK_ML_DSA, ck.CKP_ML_DSA_65, mldsa65.PublicKeySize, oid(3, 18), mldsa{mldsa65.Scheme()}},
		{"ML-DSA-87", ck.CKK_ML_DSA, ck.CKP_ML_DSA_87, mldsa87.PublicKeySize, oid(3, 19), mldsa{mldsa87.Scheme()}},
		{"ML-KEM-512", ck.CKK_ML_KEM, ck.CKP_ML_KEM_512, mlkem512.PublicKeySize, oid(4, 1), mlkem{mlkem512.Scheme()}},
		{"ML-KEM-768", ck.CKK_ML_KEM, ck.CKP_ML_KEM_768, mlkem768.PublicKeySize, oid(4, 2), mlkem{mlkem768.Scheme()}},
		{"ML-KEM-1024", ck.CKK_ML_KEM, ck.CKP_ML_KEM_1024, mlkem1024.PublicKeySize, oid(4, 3), mlkem{mlkem1024.Scheme()}},
	}, slhdsaSets()...)
}

// ParameterSetOf finds the set of a type of key by its number; one that is not
// known is CKR_PARAMETER_SET_NOT_SUPPORTED.
func ParameterSetOf(t ck.KeyType, number uint64) (ParameterSet, error) {
	for _, s := range ParameterSets() {
		if s.KeyType == t && s.Number == number {
			return s, nil
		}
	}
	return ParameterSet{}, ck.Errorf(ck.CKR_PARAMETER_SET_NOT_SUPPORTED, "CKA_PARAMETER_SET %d of keys of type %v is not known", number, t)
}

// Generate makes a private key of a new seed.
func (s ParameterSet) Generate() *LatticePrivate {
	seed := make([]byte, s.seedLen())
	_, _ = rand.Read(seed) // never fails (crypto/rand)
	key := &LatticePrivate{s, seed, s.fromSeed(seed)}
	if !s.seeded() {
		clear(seed)
		key.Seed = nil
	}
	return key
}

// seeded reports whether private keys may be told by a seed.
func (s ParameterSet) seeded() bool { return s.KeyType != ck.CKK_SLH_DSA }

// private reads a private key: its seed, its value, or both. Two that do not fit
// together are an error.
func (s ParameterSet) private(seed, value []byte) (*LatticePrivate, error) {
	bad := func(why string) error {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "the private key of %s: %s", s.Name, why)
	}
	if len(seed) > 0 {
		if len(seed) != s.seedLen() {
			return nil, bad("CKA_SEED has another length")
		}
		key := &LatticePrivate{s, bytes.Clone(seed), s.fromSeed(seed)}
		if len(value) > 0 && !bytes.Equal(value, encoded(key.Key)) {
			return nil, bad("CKA_VALUE is not what CKA_SEED makes")
		}
		return key, nil
	}
	if len(value) == 0 {
		return nil, ck.Errorf(ck.CKR_TEMPLATE_INCOMPLETE, "the template gives neither CKA_SEED nor CKA_VALUE")
	}
	key, err := s.decodePrivate(value)
	if err != nil {
		return nil, bad("CKA_VALUE is none")
	}
	return &LatticePrivate{Set: s, Key: key}, nil
}

// Public is the public half; CKR_ATTRIBUTE_VALUE_INVALID for a private key whose
// parts do not fit together.
func (k *LatticePrivate) Public() (*LatticePublic, error) {
	pub, err := k.Set.public(k.Key)
	if err != nil {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "the parts of the private key of %s do not fit together", k.Set.Name)
	}
	return &LatticePublic{k.Set, pub}, nil
}

// encoded is the bytes of a key, which all these have.
func encoded(key any) []byte {
	v, _ := key.(interface{ MarshalBinary() ([]byte, error) }).MarshalBinary() // into memory of its own
	return v
}

// mldsa is ML-DSA.
type mldsa struct{ sign.Scheme }

func (m mldsa) seedLen() int                        { return m.SeedSize() }
func (m mldsa) decodePublic(v []byte) (any, error)  { return m.UnmarshalBinaryPublicKey(v) }
func (m mldsa) decodePrivate(v []byte) (any, error) { return m.UnmarshalBinaryPrivateKey(v) }

func (m mldsa) fromSeed(seed []byte) any {
	_, priv := m.DeriveKey(seed)
	return priv
}

// public tries the key: a signature that it makes verifies.
func (m mldsa) public(priv any) (any, error) {
	key := priv.(sign.PrivateKey)
	pub, err := m.UnmarshalBinaryPublicKey(encoded(key.Public())) // without what the private key has cached
	if err != nil {
		return nil, err
	}
	if !m.Verify(pub, nil, m.Sign(key, nil, nil), nil) {
		return nil, errValue
	}
	return pub, nil
}

// mlkem is ML-KEM.
type mlkem struct{ kem.Scheme }

func (m mlkem) seedLen() int                        { return m.SeedSize() }
func (m mlkem) decodePublic(v []byte) (any, error)  { return m.UnmarshalBinaryPublicKey(v) }
func (m mlkem) decodePrivate(v []byte) (any, error) { return m.UnmarshalBinaryPrivateKey(v) }

func (m mlkem) fromSeed(seed []byte) any {
	_, priv := m.DeriveKeyPair(seed)
	return priv
}

// public tries the key: it finds the secret that is made for it.
func (m mlkem) public(priv any) (any, error) {
	key := priv.(kem.PrivateKey)
	pub := key.Public()
	ciphertext, secret, err := m.Encapsulate(pub)
	if err != nil {
		return nil, err
	}
	back, err := m.Decapsulate(key, ciphertext)
	if err != nil || !bytes.Equal(back, secret) {
		return nil, errValue
	}
	return pub, nil
}
