package policy_test

import (
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/policy"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for text, wanted := range map[string]string{
		"": "modern", "modern": "modern", "legacy": "legacy",
		"CKM_SHA256":                       "CKM_SHA256",
		"CKM_AES_GCM, CKM_ECDSA,CKM_ECDSA": "CKM_ECDSA,CKM_AES_GCM",
		"CKM_0x80000001,CKM_RSA_PKCS_OAEP": "CKM_RSA_PKCS_OAEP,CKM_0x80000001",
	} {
		p, err := policy.Parse(text)
		if err != nil || p.String() != wanted {
			t.Errorf("%q is %q, %v; want %q", text, p, err, wanted)
		}
		again, err := policy.Parse(p.String())
		if err != nil || again.String() != p.String() {
			t.Errorf("%q is %q when read again, %v", p, again, err)
		}
	}
	for _, text := range []string{"Modern", "CKM_", "CKM_ECDSA,", "CKM_ECDSA,legacy", "CKM_0x", "CKM_0x1ffffffff", "CKM_0x-1", "list"} {
		if p, err := policy.Parse(text); ck.CodeOf(err) != ck.CKR_ARGUMENTS_BAD {
			t.Errorf("%q is %q, %v", text, p, err)
		}
	}
}

func TestUses(t *testing.T) {
	list, err := policy.Parse("CKM_ECDSA,CKM_SHA1_RSA_PKCS")
	require.NoError(t, err)
	modern, legacy := policy.Policy{}, policy.Policy{Name: policy.Legacy}
	for _, c := range []struct {
		policy policy.Policy
		m      ck.MechanismType
		use    ck.Flags
		code   ck.Error
	}{
		{modern, ck.CKM_ECDSA, ck.CKF_SIGN, ck.CKR_OK},
		{modern, ck.CKM_SHA1_RSA_PKCS, ck.CKF_SIGN, ck.CKR_MECHANISM_INVALID},
		{modern, ck.CKM_SHA1_RSA_PKCS, ck.CKF_VERIFY, ck.CKR_OK},
		{modern, ck.CKM_SHA_1, ck.CKF_DIGEST, ck.CKR_OK},
		{modern, ck.CKM_MD5, ck.CKF_DIGEST, ck.CKR_MECHANISM_INVALID},
		{modern, ck.CKM_DES3_CBC, ck.CKF_DECRYPT, ck.CKR_MECHANISM_INVALID},
		{policy.Policy{Name: policy.Modern}, ck.CKM_MD5, ck.CKF_DIGEST, ck.CKR_MECHANISM_INVALID},
		{legacy, ck.CKM_SHA1_RSA_PKCS, ck.CKF_SIGN, ck.CKR_OK},
		{legacy, ck.CKM_DES3_CBC, ck.CKF_DECRYPT, ck.CKR_OK},
		{list, ck.CKM_ECDSA, ck.CKF_SIGN, ck.CKR_OK},
		{list, ck.CKM_SHA1_RSA_PKCS, ck.CKF_SIGN, ck.CKR_OK},
		{list, ck.CKM_SHA256, ck.CKF_DIGEST, ck.CKR_MECHANISM_INVALID},
	} {
		if err := c.policy.Check(ck.Mechanism{Type: c.m}, c.use); ck.CodeOf(err) != c.code {
			t.Errorf("%v, %v for 0x%x: %v, want %v", c.policy, c.m, c.use, err, c.code)
		}
		info := c.policy.Limit(c.m, ck.MechanismInfo{Flags: c.use | ck.CKF_EC_F_P})
		if info.Flags.Has(c.use) != (c.code == ck.CKR_OK) || !info.Flags.Has(ck.CKF_EC_F_P) {
			t.Errorf("%v, %v for 0x%x: flags 0x%x", c.policy, c.m, c.use, info.Flags)
		}
	}
}

// The hash of a PSS signature stands in the parameter.
func TestPSSWithSHA1(t *testing.T) {
	for hash, code := range map[ck.MechanismType]ck.Error{ck.CKM_SHA_1: ck.CKR_MECHANISM_PARAM_INVALID, ck.CKM_SHA256: ck.CKR_OK} {
		m := ck.Mechanism{Type: ck.CKM_RSA_PKCS_PSS, Parameter: ck.RSAPkcsPssParams{HashAlg: hash}}
		if err := (policy.Policy{}).Check(m, ck.CKF_SIGN); ck.CodeOf(err) != code {
			t.Errorf("%v: %v, want %v", hash, err, code)
		}
		if err := (policy.Policy{}).Check(m, ck.CKF_VERIFY); err != nil {
			t.Errorf("%v: verify: %v", hash, err)
		}
		if err := (policy.Policy{Name: policy.Legacy}).Check(m, ck.CKF_SIGN); err != nil {
			t.Errorf("%v: legacy: %v", hash, err)
		}
	}
}
