package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/policy"
)

// The default policy leaves no use of broken algorithms, and of SHA-1 no new signatures. It
// holds for mechanisms that no token has yet.
func TestModernLeavesNothingWeak(t *testing.T) {
	modern := policy.Policy{}
	broken := 0
	for m := range ck.MechanismType(0x5000) {
		name := m.String()
		switch {
		case strings.Contains(name, "_ENCRYPT_DATA"), strings.Contains(name, "_KEY_DERIVATION"):
			// derives keys; no token has it
		case strings.HasPrefix(name, "CKM_DES"), strings.HasPrefix(name, "CKM_MD5"), name == "CKM_PKCS5_PBKD2":
			require.Zero(t, modern.Uses(m), name)
			broken++
		case strings.HasPrefix(name, "CKM_SHA1_RSA_PKCS"), name == "CKM_ECDSA_SHA1":
			require.Equal(t, ck.CKF_VERIFY, modern.Uses(m), name)
		}
	}
	require.Greater(t, broken, 20)
	require.Equal(t, ^ck.Flags(0), modern.Uses(ck.CKM_SHA256))
}

// A policy takes uses from the info of a mechanism, nothing else. Signing messages goes with
// signing, and so with the other three.
func TestLimit(t *testing.T) {
	const all = ^ck.Flags(0)
	uses := map[ck.Flags]ck.Flags{
		ck.CKF_ENCRYPT:           ck.CKF_MESSAGE_ENCRYPT,
		ck.CKF_DECRYPT:           ck.CKF_MESSAGE_DECRYPT,
		ck.CKF_SIGN:              ck.CKF_MESSAGE_SIGN,
		ck.CKF_VERIFY:            ck.CKF_MESSAGE_VERIFY,
		ck.CKF_DIGEST:            0,
		ck.CKF_SIGN_RECOVER:      0,
		ck.CKF_VERIFY_RECOVER:    0,
		ck.CKF_GENERATE:          0,
		ck.CKF_GENERATE_KEY_PAIR: 0,
		ck.CKF_WRAP:              0,
		ck.CKF_UNWRAP:            0,
		ck.CKF_DERIVE:            0,
		ck.CKF_ENCAPSULATE:       0,
		ck.CKF_DECAPSULATE:       0,
	}
	none := all
	for use, message := range uses {
		none &^= use | message
	}
	list := policy.Policy{Name: policy.List}
	modern := policy.Policy{}
	for _, c := range []struct {
		policy policy.Policy
		m      ck.MechanismType
		want   ck.Flags
	}{
		{list, ck.CKM_SHA256, none},
		{modern, ck.CKM_MD5, none},
		{modern, ck.CKM_SHA1_RSA_PKCS, none | ck.CKF_VERIFY | ck.CKF_MESSAGE_VERIFY},
		{modern, ck.CKM_SHA256, all},
		{policy.Policy{Name: policy.Legacy}, ck.CKM_MD5, all},
	} {
		info := ck.MechanismInfo{MinKeySize: 1, MaxKeySize: 2, Flags: all}
		want := info
		want.Flags = c.want
		require.Equal(t, want, c.policy.Limit(c.m, info), "%v of %v", c.m, c.policy)
	}
}

// RSA keys have 2048 bits or more, except where they only verify.
func TestMinRSABits(t *testing.T) {
	for _, c := range []struct {
		name   policy.Name
		verify bool
		want   uint64
	}{
		{policy.Modern, false, 2048},
		{policy.Modern, true, 1024},
		{policy.List, false, 2048},
		{policy.Legacy, false, 1024},
		{policy.Legacy, true, 1024},
	} {
		require.Equal(t, c.want, policy.Policy{Name: c.name}.MinRSABits(c.verify), c)
	}
}

// A list has up to 512 mechanisms.
func TestLengthOfAList(t *testing.T) {
	names := strings.Repeat("CKM_ECDSA,", 511) + "CKM_ECDSA"
	_, err := policy.Parse(names)
	require.NoError(t, err)
	_, err = policy.Parse(names + ",CKM_ECDSA")
	require.Equal(t, ck.CKR_ARGUMENTS_BAD, ck.CodeOf(err))
}

// Whether a policy was chosen decides whether that of the tenant counts.
func TestSet(t *testing.T) {
	require.False(t, policy.Policy{}.Set())
	require.True(t, policy.Policy{Name: policy.Modern}.Set())
}

// A copy can be changed.
func TestClone(t *testing.T) {
	p, err := policy.Parse("CKM_ECDSA,CKM_SHA256")
	require.NoError(t, err)
	c := p.Clone()
	require.Equal(t, p, c)
	c.Mechanisms[0] = ck.CKM_MD5
	require.Equal(t, ck.CKM_SHA256, p.Mechanisms[0])
}
