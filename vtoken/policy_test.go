package vtoken_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/policy"
	"vtoken/vtoken/record"
)

// The algorithm policy decides the list, the info and each init call, also of
// operations that go on in sessions that were open before.
func TestAlgorithmPolicy(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, priv := w.ecPair(c, h, true)
	sha1 := ck.Mechanism{Type: ck.CKM_ECDSA_SHA1}
	info := func(m ck.MechanismType) ck.Flags {
		i, err := c.GetMechanismInfo(w.alice.Slot, m)
		require.NoError(w.t, err)
		return i.Flags
	}
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(c.SignInit(h, sha1, priv)))
	require.NoError(w.t, c.VerifyInit(h, sha1, pub))
	if f := info(ck.CKM_ECDSA_SHA1); f.Has(ck.CKF_SIGN) || !f.Has(ck.CKF_VERIFY|ck.CKF_EC_F_P) {
		t.Errorf("modern: flags 0x%x", f)
	}
	w.setPolicy(policy.Policy{Name: policy.Legacy})
	require.NoError(w.t, c.SignInit(h, sha1, priv))
	if f := info(ck.CKM_ECDSA_SHA1); !f.Has(ck.CKF_SIGN | ck.CKF_VERIFY) {
		t.Errorf("legacy: flags 0x%x", f)
	}
	list, err := policy.Parse("CKM_SHA512,CKM_ECDSA")
	require.NoError(w.t, err)
	w.setPolicy(list)
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(c.DigestInit(h, ck.Mechanism{Type: ck.CKM_SHA256})))
	require.NoError(w.t, c.DigestInit(h, ck.Mechanism{Type: ck.CKM_SHA512}))
	offered, err := c.GetMechanismList(w.alice.Slot)
	require.NoError(w.t, err)
	require.Equal(t, []ck.MechanismType{ck.CKM_SHA512, ck.CKM_ECDSA}, offered, "offered: %v", offered)
	_, err = c.GetMechanismInfo(w.alice.Slot, ck.CKM_SHA256)
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(err))
	_, err = c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))})
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(err))
	_, _, err = c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, p256)}, nil)
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(err))
}

func (w *world) setPolicy(p policy.Policy) {
	w.t.Helper()
	require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.Policy = p }))
}

// No mechanism of a broken algorithm is offered by default, whatever is built in.
func TestModernHasNothingBroken(t *testing.T) {
	broken, sha1 := regexp.MustCompile(`_(MD5|DES|DES2|DES3)(_|$)`), regexp.MustCompile(`_SHA1_(RSA|ECDSA)|ECDSA_SHA1`)
	for _, m := range mech.List() {
		uses := policy.Policy{}.Uses(m)
		switch name := m.String(); {
		case broken.MatchString(name) && uses != 0:
			t.Errorf("%s is offered for 0x%x", name, uses)
		case sha1.MatchString(name) && uses != ck.CKF_VERIFY:
			t.Errorf("%s is offered for 0x%x", name, uses)
		}
	}
}

// RSA keys of 1024 bits only verify, but where the policy is legacy.
func TestSmallRSAKeys(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pair := func() (pub, priv ck.ObjectHandle, err error) {
		return c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}, ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, uint64(1024))}, nil)
	}
	_, _, err := pair()
	require.Equal(t, ck.CKR_KEY_SIZE_RANGE, ck.CodeOf(err))
	w.setPolicy(policy.Policy{Name: policy.Legacy})
	pub, priv, err := pair()
	require.NoError(w.t, err)
	m := ck.Mechanism{Type: ck.CKM_RSA_PKCS}
	for _, p := range []struct {
		policy      policy.Name
		code        ck.Error
		least, make uint64
	}{{policy.Legacy, ck.CKR_OK, 1024, 1024}, {policy.Modern, ck.CKR_KEY_SIZE_RANGE, 1024, 2048}} {
		w.setPolicy(policy.Policy{Name: p.policy})
		require.Equal(t, p.code, ck.CodeOf(c.SignInit(h, m, priv)))
		require.Equal(t, p.code, ck.CodeOf(c.DecryptInit(h, m, priv)))
		require.Equal(t, p.code, ck.CodeOf(c.EncryptInit(h, m, pub)))
		require.Equal(t, ck.CKR_OK, ck.CodeOf(c.VerifyInit(h, m, pub)))
		require.NoError(w.t, c.SessionCancel(h, everyOperation))
		for m, least := range map[ck.MechanismType]uint64{ck.CKM_RSA_PKCS: p.least, ck.CKM_RSA_PKCS_KEY_PAIR_GEN: p.make, ck.CKM_RSA_PKCS_OAEP: p.make} {
			info, err := c.GetMechanismInfo(w.alice.Slot, m)
			require.NoError(w.t, err)
			require.Equal(t, least, info.MinKeySize,
				"%s, %v: keys of %d bits and more, want %d", p.policy, m, info.MinKeySize, least)
		}
	}
}
