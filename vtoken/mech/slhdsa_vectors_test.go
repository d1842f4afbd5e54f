//go:build !race

// The race detector makes this arithmetic fifty times slower and has nothing to
// see in it: nothing here is shared.

package mech_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"

	"github.com/stretchr/testify/require"
)

// A private key is taken where the root in it is the one that its secrets make,
// which generates the key again.
func TestSLHDSAKeyVectors(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range vectors(t, "slhdsa-keys.txt") {
		if v["set"] == "" {
			continue
		}
		s, value := setNamed(t, v["set"]), unhex(t, v["private"])
		o, err := slhdsaKey(s, value)
		require.NoError(t, err, "%s", s.Name)
		pub, err := o.PublicKey()
		require.NoError(t, err)
		tpl, err := object.PublicTemplate(pub)
		require.NoError(t, err)
		if a, _ := tpl.Find(ck.CKA_VALUE); hex.EncodeToString(a.Value) != v["public"] || len(a.Value) != s.PublicLen {
			t.Errorf("%s: another public key", s.Name)
		}
		if !seen[s.Name] { // once, as it takes long for some
			bad := bytes.Clone(value)
			bad[0] ^= 1
			_, err = slhdsaKey(s, bad)
			require.Equal(t, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CodeOf(err))
			for _, v := range [][]byte{value[1:], append(value[:len(value):len(value)], 0)} {
				_, err = slhdsaKey(s, v)
				require.Equal(t, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CodeOf(err))
			}
		}
		seen[s.Name] = true
	}
	require.Len(t, seen, 12, "vectors of %d sets only", len(seen))
}

func TestSLHDSAVectors(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range vectors(t, "slhdsa.txt") {
		if v["set"] == "" {
			continue
		}
		seen[v["set"]] = true
		o, err := slhdsaKey(setNamed(t, v["set"]), unhex(t, v["private"]))
		require.NoError(t, err, "%s", v["set"])
		priv, pub := pairOf(t, o)
		message, signature := unhex(t, v["message"]), unhex(t, v["signature"])
		p := ck.SignContext{Hedge: uint64(ck.CKH_DETERMINISTIC_REQUIRED), Context: unhex(t, v["context"])}
		if len(signature) == 0 {
			signature = sign(t, ck.CKM_SLH_DSA, priv, p, pieces(message)...)
		}
		if hash := sha256.Sum256(signature); hex.EncodeToString(hash[:]) != v["hash"] {
			t.Errorf("%s: another signature", v["set"])
		}
		if err := verify(t, ck.CKM_SLH_DSA, pub, p, signature, pieces(message)...); err != nil {
			t.Errorf("%s: %v", v["set"], err)
		}
		err = verify(t, ck.CKM_SLH_DSA, pub, ck.SignContext{Context: []byte("another")}, signature, message)
		require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(err))
		err = verify(t, ck.CKM_SLH_DSA, pub, p, signature[1:], message)
		require.Equal(t, ck.CKR_SIGNATURE_LEN_RANGE, ck.CodeOf(err))
		signature[len(signature)/2] ^= 1
		require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(verify(t, ck.CKM_SLH_DSA, pub, p, signature, message)))
	}
	require.Len(t, seen, 12, "vectors of %d sets only", len(seen))
}

// Keys are generated in every set; those of the small ones take a while.
func TestSLHDSAGenerate(t *testing.T) {
	d, n := lookup(t, ck.CKM_SLH_DSA_KEY_PAIR_GEN), 0
	for _, s := range object.ParameterSets() {
		if s.KeyType != ck.CKK_SLH_DSA {
			continue
		}
		n++
		pub, priv, err := d.GenerateKeyPair(nil, ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, s.Number)}, nil, nil)
		require.NoError(t, err)
		public, _ := pub.Find(ck.CKA_VALUE)
		private, _ := priv.Find(ck.CKA_VALUE)
		if len(public.Value) != s.PublicLen || !bytes.HasSuffix(private.Value, public.Value) || len(private.Value) != 2*s.PublicLen {
			t.Errorf("%s: keys of %d and %d bytes", s.Name, len(public.Value), len(private.Value))
		}
	}
	require.Equal(t, 12, n, "%d sets", n)
}

// One set for each hash; the small sets sign as the others do.
func TestHashSLHDSAVectors(t *testing.T) {
	seen := map[ck.MechanismType]bool{}
	for _, v := range vectors(t, "slhdsa-hash.txt") {
		if v["set"] == "" {
			continue
		}
		m, ok := ck.MechanismNamed(v["hash"])
		require.True(t, ok, v["hash"])
		seen[m] = true
		o, err := slhdsaKey(setNamed(t, v["set"]), unhex(t, v["private"]))
		require.NoError(t, err)
		priv, pub := pairOf(t, o)
		message := unhex(t, v["message"])
		p := ck.SignContext{Hedge: uint64(ck.CKH_DETERMINISTIC_REQUIRED), Context: unhex(t, v["context"])}
		signature := sign(t, m, priv, p, pieces(message)...)
		if hash := sha256.Sum256(signature); hex.EncodeToString(hash[:]) != v["signature"] {
			t.Errorf("%v, %s: another signature", m, v["set"])
		}
		if err := verify(t, m, pub, p, signature, pieces(message)...); err != nil {
			t.Errorf("%v, %s: %v", m, v["set"], err)
		}
		require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(verify(t, ck.CKM_SLH_DSA, pub, p, signature, message)))
		require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(verify(t, m, pub, p, signature, append(message, 0))))
		require.Equal(t, ck.CKR_SIGNATURE_LEN_RANGE, ck.CodeOf(verify(t, m, pub, p, signature[1:], message)))
	}
	require.Len(t, seen, 10, "vectors of %d hashes only", len(seen))
}
