package mech_test

import (
	"bytes"
	"encoding/base64"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"

	"github.com/stretchr/testify/require"
)

// slhdsaKey is the private key of a value.
func slhdsaKey(s object.ParameterSet, value []byte) (*object.Object, error) {
	return object.Build(object.Source{}, ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_SLH_DSA),
		ck.Ulong(ck.CKA_PARAMETER_SET, s.Number), ck.Bytes(ck.CKA_VALUE, value),
	})
}

// slhdsaPair is a new pair in one of the quick sets.
func slhdsaPair(t testing.TB) (priv, pub *mech.Key) {
	t.Helper()
	key := setNamed(t, "SLH-DSA-SHA2-128f").Generate()
	public, err := key.Public()
	require.NoError(t, err)
	return privateKey(t, key), publicKey(t, public)
}

func TestSLHDSAHedges(t *testing.T) {
	priv, pub := slhdsaPair(t)
	fixed := sign(t, ck.CKM_SLH_DSA, priv, ck.SignContext{Hedge: uint64(ck.CKH_DETERMINISTIC_REQUIRED)}, []byte("data"))
	for _, p := range []ck.Parameter{nil, ck.SignContext{}, ck.SignContext{Hedge: uint64(ck.CKH_HEDGE_REQUIRED)}} {
		hedged := sign(t, ck.CKM_SLH_DSA, priv, p, []byte("data"))
		if bytes.Equal(fixed, hedged) {
			t.Errorf("%v: the hedged signature is the deterministic one", p)
		}
		if err := verify(t, ck.CKM_SLH_DSA, pub, nil, hedged, []byte("data")); err != nil {
			t.Errorf("%v: %v", p, err)
		}
	}
}

// The keys of ML-DSA and SLH-DSA are not taken one for the other.
func TestSLHDSARefuses(t *testing.T) {
	priv, pub := slhdsaPair(t)
	lattice, latticePub := pairOf(t, fromSeed(t, setNamed(t, "ML-DSA-44"), random(32)))
	d, ml := lookup(t, ck.CKM_SLH_DSA), lookup(t, ck.CKM_ML_DSA)
	for _, p := range []ck.Parameter{ck.SignContext{Context: make([]byte, 256)}, ck.SignContext{Hedge: 3}, ck.RawParameter{1}} {
		_, err := d.Sign(priv, p)
		require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
	}
	for _, c := range []struct {
		d *mech.Descriptor
		k *mech.Key
	}{{d, pub}, {d, lattice}, {d, latticePub}, {ml, priv}, {ml, pub}} {
		_, err := c.d.Sign(c.k, nil)
		require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
	}
	for _, c := range []struct {
		d *mech.Descriptor
		k *mech.Key
	}{{d, priv}, {d, latticePub}, {ml, pub}} {
		_, err := c.d.Verify(c.k, nil)
		require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
	}
}

// The example of RFC 9909, sections C.1 and C.2: no encoding around the value.
func TestSLHDSAKeyInfo(t *testing.T) {
	der, err := base64.StdEncoding.DecodeString("MFICAQAwCwYJYIZIAWUDBAMUBECiJjvKRYYINlIxYASVI9YhZ3+tkNUetgZ6Mn4N" +
		"HmSlASuBCex3fKpOHwJMz8+Ul9mRgFCSgPQlavKwevgCibSU")
	require.NoError(t, err)
	key, err := object.ParsePrivate(der)
	require.NoError(t, err)
	lattice := key.(*object.LatticePrivate)
	require.Equal(t, "SLH-DSA-SHA2-128s", lattice.Set.Name,
		"a key of %s with the seed %x", lattice.Set.Name, lattice.Seed)
	require.Nil(t, lattice.Seed, "a key of %s with the seed %x", lattice.Set.Name, lattice.Seed)
	again, err := object.MarshalPrivate(key)
	require.NoError(t, err)
	require.Equal(t, der, again, "the private key changes")
	pub, err := lattice.Public()
	require.NoError(t, err)
	info, err := object.MarshalPublic(pub)
	require.NoError(t, err)
	want := append(unhex(t, "3030300b0609608648016503040314032100"), der[len(der)-32:]...)
	require.Equal(t, want, info, "the public key is %x, want %x", info, want)
}

// A seed is no attribute of these keys.
func TestSLHDSANoSeed(t *testing.T) {
	_, err := object.Build(object.Source{}, ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_SLH_DSA),
		ck.Ulong(ck.CKA_PARAMETER_SET, ck.CKP_SLH_DSA_SHA2_128F), ck.Bytes(ck.CKA_SEED, make([]byte, 48)),
	})
	require.Equal(t, ck.CKR_ATTRIBUTE_TYPE_INVALID, ck.CodeOf(err))
}
