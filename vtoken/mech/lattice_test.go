package mech_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

func setNamed(t testing.TB, name string) object.ParameterSet {
	t.Helper()
	for _, s := range object.ParameterSets() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no parameter set %s", name)
	return object.ParameterSet{}
}

// seededSets are those whose private keys may be told by a seed.
func seededSets() (list []object.ParameterSet) {
	for _, s := range object.ParameterSets() {
		if s.KeyType != ck.CKK_SLH_DSA {
			list = append(list, s)
		}
	}
	return list
}

// quickSets are those whose keys are made in no time: not the small sets of
// SLH-DSA, which have tests of their own.
func quickSets() (list []object.ParameterSet) {
	for _, s := range object.ParameterSets() {
		if s.KeyType != ck.CKK_SLH_DSA || strings.HasSuffix(s.Name, "f") {
			list = append(list, s)
		}
	}
	return list
}

// fromSeed is the private key of a seed.
func fromSeed(t testing.TB, s object.ParameterSet, seed []byte) *object.Object {
	t.Helper()
	o, err := object.Build(object.Source{}, ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, s.KeyType),
		ck.Ulong(ck.CKA_PARAMETER_SET, s.Number), ck.Bytes(ck.CKA_SEED, seed),
	})
	require.NoError(t, err)
	return o
}

// pairOf is the keys of a private key object, for mechanisms.
func pairOf(t testing.TB, o *object.Object) (priv, pub *mech.Key) {
	t.Helper()
	priv, err := mech.ParseKey(o, provider(t))
	require.NoError(t, err)
	public, err := o.PublicKey()
	require.NoError(t, err)
	return priv, publicKey(t, public)
}

func TestLatticeKeyVectors(t *testing.T) {
	seen := map[string]int{}
	for _, v := range vectors(t, "lattice-keys.txt") {
		if v["set"] == "" {
			continue
		}
		s := setNamed(t, v["set"])
		o := fromSeed(t, s, unhex(t, v["seed"]))
		if hash := sha256.Sum256(o.Secret.Get(ck.CKA_VALUE)); hex.EncodeToString(hash[:]) != v["private"] {
			t.Errorf("%s: another private key of %s", v["set"], v["seed"])
		}
		pub, err := o.PublicKey()
		require.NoError(t, err)
		tpl, err := object.PublicTemplate(pub)
		require.NoError(t, err)
		a, _ := tpl.Find(ck.CKA_VALUE)
		if hash := sha256.Sum256(a.Value); hex.EncodeToString(hash[:]) != v["public"] || len(a.Value) != s.PublicLen {
			t.Errorf("%s: another public key of %s", v["set"], v["seed"])
		}
		seen[v["set"]]++
	}
	require.Len(t, seen, len(seededSets()), "vectors of %v only", seen)
}

func TestMLDSAVectors(t *testing.T) {
	n := 0
	for _, v := range vectors(t, "mldsa.txt") {
		if v["set"] == "" {
			continue
		}
		n++
		priv, pub := pairOf(t, fromSeed(t, setNamed(t, v["set"]), unhex(t, v["seed"])))
		message, signature := unhex(t, v["message"]), unhex(t, v["signature"])
		p := ck.SignContext{Hedge: uint64(ck.CKH_DETERMINISTIC_REQUIRED), Context: unhex(t, v["context"])}
		if err := verify(t, ck.CKM_ML_DSA, pub, p, signature, pieces(message)...); err != nil {
			t.Errorf("%s: %v", v["set"], err)
		}
		if len(p.Context) == 0 {
			if err := verify(t, ck.CKM_ML_DSA, pub, nil, signature, message); err != nil {
				t.Errorf("%s without a parameter: %v", v["set"], err)
			}
		}
		wantCode(t, verify(t, ck.CKM_ML_DSA, pub, ck.SignContext{Context: []byte("another")}, signature, message), ck.CKR_SIGNATURE_INVALID)
		ours := sign(t, ck.CKM_ML_DSA, priv, p, pieces(message)...)
		if again := sign(t, ck.CKM_ML_DSA, priv, p, message); !bytes.Equal(ours, again) {
			t.Errorf("%s: the deterministic signature changes", v["set"])
		}
		if hedged := sign(t, ck.CKM_ML_DSA, priv, nil, message); bytes.Equal(ours, hedged) {
			t.Errorf("%s: the hedged signature is the deterministic one", v["set"])
		}
	}
	require.NotEqual(t, 0, n, "no vectors")
}

func TestMLDSARefuses(t *testing.T) {
	priv, pub := pairOf(t, fromSeed(t, setNamed(t, "ML-DSA-44"), make([]byte, 32)))
	kem, _ := pairOf(t, fromSeed(t, setNamed(t, "ML-KEM-512"), make([]byte, 64)))
	d := lookup(t, ck.CKM_ML_DSA)
	for _, p := range []ck.Parameter{
		ck.SignContext{Context: make([]byte, 256)}, ck.SignContext{Hedge: 3}, ck.RawParameter{1}, ck.EdDSAParams{},
	} {
		_, err := d.Sign(priv, p)
		wantCode(t, err, ck.CKR_MECHANISM_PARAM_INVALID)
	}
	for _, k := range []*mech.Key{pub, kem, secretKey(t, ck.CKK_AES, random(16))} {
		_, err := d.Sign(k, nil)
		wantCode(t, err, ck.CKR_KEY_TYPE_INCONSISTENT)
	}
	_, err := d.Verify(priv, nil)
	wantCode(t, err, ck.CKR_KEY_TYPE_INCONSISTENT)
}

// Private keys come as a seed, as a value or as both. What does not fit together is refused.
func TestLatticeKeysAreChecked(t *testing.T) {
	for _, s := range seededSets() {
		o := fromSeed(t, s, random(map[ck.KeyType]int{ck.CKK_ML_DSA: 32, ck.CKK_ML_KEM: 64}[s.KeyType]))
		value, seed := o.Secret.Get(ck.CKA_VALUE), o.Secret.Get(ck.CKA_SEED)
		other := bytes.Clone(seed)
		other[0] ^= 1
		bad := bytes.Clone(value)
		bad[map[ck.KeyType]int{ck.CKK_ML_DSA: 70, ck.CKK_ML_KEM: len(bad) - 70}[s.KeyType]] ^= 0x55
		for _, c := range []struct {
			name string
			tpl  ck.Template
			want ck.Error
		}{
			{"value", ck.Template{ck.Bytes(ck.CKA_VALUE, value)}, ck.CKR_OK},
			{"both", ck.Template{ck.Bytes(ck.CKA_VALUE, value), ck.Bytes(ck.CKA_SEED, seed)}, ck.CKR_OK},
			{"another seed", ck.Template{ck.Bytes(ck.CKA_VALUE, value), ck.Bytes(ck.CKA_SEED, other)}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
			{"short seed", ck.Template{ck.Bytes(ck.CKA_SEED, seed[1:])}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
			{"short value", ck.Template{ck.Bytes(ck.CKA_VALUE, value[1:])}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
			{"bad value", ck.Template{ck.Bytes(ck.CKA_VALUE, bad)}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
			{"nothing", nil, ck.CKR_TEMPLATE_INCOMPLETE},
		} {
			tpl := append(ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, s.KeyType),
				ck.Ulong(ck.CKA_PARAMETER_SET, s.Number)}, c.tpl...)
			if _, err := object.Build(object.Source{}, tpl); ck.CodeOf(err) != c.want {
				t.Errorf("%s, %s: %v, want %v", s.Name, c.name, err, c.want)
			}
		}
	}
}

// Keys go through PKCS #8, with the seed and without, and through
// SubjectPublicKeyInfo, and are generated in every set.
func TestLatticeKeyInfo(t *testing.T) {
	for _, s := range quickSets() {
		key := s.Generate()
		for _, k := range []*object.LatticePrivate{key, {Set: s, Key: key.Key}} {
			der, err := object.MarshalPrivate(k)
			require.NoError(t, err)
			back, err := object.ParsePrivate(der)
			require.NoError(t, err, "%s: %v", s.Name, err)
			if again, err := object.MarshalPrivate(back); err != nil || !bytes.Equal(again, der) {
				t.Errorf("%s: the private key changes: %v", s.Name, err)
			}
		}
		pub, err := key.Public()
		require.NoError(t, err)
		info, err := object.MarshalPublic(pub)
		require.NoError(t, err)
		back, err := object.ParsePublic(info)
		require.NoError(t, err)
		if again, err := object.MarshalPublic(back); err != nil || !bytes.Equal(again, info) {
			t.Errorf("%s: the public key changes: %v", s.Name, err)
		}
	}
}

func TestLatticeGenerate(t *testing.T) {
	generators := map[ck.KeyType]ck.MechanismType{ck.CKK_ML_DSA: ck.CKM_ML_DSA_KEY_PAIR_GEN,
		ck.CKK_ML_KEM: ck.CKM_ML_KEM_KEY_PAIR_GEN, ck.CKK_SLH_DSA: ck.CKM_SLH_DSA_KEY_PAIR_GEN}
	d := lookup(t, ck.CKM_ML_DSA_KEY_PAIR_GEN)
	for _, s := range quickSets() {
		d := lookup(t, generators[s.KeyType])
		tpl := ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, s.Number)}
		pub, priv, err := d.GenerateKeyPair(nil, tpl, nil, nil)
		require.NoError(t, err)
		src := object.Source{Origin: object.Generate, Mechanism: d.Type, Made: pub}
		if _, err := object.Build(src, tpl); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		src.Made = priv
		if _, err := object.Build(src, nil); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
	_, _, err := d.GenerateKeyPair(nil, ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, uint64(4))}, nil, nil)
	wantCode(t, err, ck.CKR_PARAMETER_SET_NOT_SUPPORTED)
	_, _, err = d.GenerateKeyPair(nil, nil, nil, nil)
	wantCode(t, err, ck.CKR_TEMPLATE_INCOMPLETE)
}
