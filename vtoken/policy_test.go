package vtoken_test

import (
	"regexp"
	"slices"
	"testing"

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
		w.ok(err)
		return i.Flags
	}
	want(t, c.SignInit(h, sha1, priv), ck.CKR_MECHANISM_INVALID)
	w.ok(c.VerifyInit(h, sha1, pub))
	if f := info(ck.CKM_ECDSA_SHA1); f.Has(ck.CKF_SIGN) || !f.Has(ck.CKF_VERIFY|ck.CKF_EC_F_P) {
		t.Errorf("modern: flags 0x%x", f)
	}
	w.setPolicy(policy.Policy{Name: policy.Legacy})
	w.ok(c.SignInit(h, sha1, priv))
	if f := info(ck.CKM_ECDSA_SHA1); !f.Has(ck.CKF_SIGN | ck.CKF_VERIFY) {
		t.Errorf("legacy: flags 0x%x", f)
	}
	list, err := policy.Parse("CKM_SHA512,CKM_ECDSA")
	w.ok(err)
	w.setPolicy(list)
	want(t, c.DigestInit(h, ck.Mechanism{Type: ck.CKM_SHA256}), ck.CKR_MECHANISM_INVALID)
	w.ok(c.DigestInit(h, ck.Mechanism{Type: ck.CKM_SHA512}))
	offered, err := c.GetMechanismList(w.alice.Slot)
	w.ok(err)
	if !slices.Equal(offered, []ck.MechanismType{ck.CKM_SHA512, ck.CKM_ECDSA}) {
		t.Errorf("offered: %v", offered)
	}
	_, err = c.GetMechanismInfo(w.alice.Slot, ck.CKM_SHA256)
	want(t, err, ck.CKR_MECHANISM_INVALID)
	_, err = c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))})
	want(t, err, ck.CKR_MECHANISM_INVALID)
	_, _, err = c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, p256)}, nil)
	want(t, err, ck.CKR_MECHANISM_INVALID)
}

func (w *world) setPolicy(p policy.Policy) {
	w.t.Helper()
	w.ok(w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.Policy = p }))
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
	want(t, err, ck.CKR_KEY_SIZE_RANGE)
	w.setPolicy(policy.Policy{Name: policy.Legacy})
	pub, priv, err := pair()
	w.ok(err)
	m := ck.Mechanism{Type: ck.CKM_RSA_PKCS}
	for _, p := range []struct {
		policy      policy.Name
		code        ck.Error
		least, make uint64
	}{{policy.Legacy, ck.CKR_OK, 1024, 1024}, {policy.Modern, ck.CKR_KEY_SIZE_RANGE, 1024, 2048}} {
		w.setPolicy(policy.Policy{Name: p.policy})
		want(t, c.SignInit(h, m, priv), p.code)
		want(t, c.DecryptInit(h, m, priv), p.code)
		want(t, c.EncryptInit(h, m, pub), p.code)
		want(t, c.VerifyInit(h, m, pub), ck.CKR_OK)
		w.ok(c.SessionCancel(h, everyOperation))
		for m, least := range map[ck.MechanismType]uint64{ck.CKM_RSA_PKCS: p.least, ck.CKM_RSA_PKCS_KEY_PAIR_GEN: p.make, ck.CKM_RSA_PKCS_OAEP: p.make} {
			info, err := c.GetMechanismInfo(w.alice.Slot, m)
			w.ok(err)
			if info.MinKeySize != least {
				t.Errorf("%s, %v: keys of %d bits and more, want %d", p.policy, m, info.MinKeySize, least)
			}
		}
	}
}
