package policy

import (
	"slices"
	"strings"

	"vtoken/vtoken/ck"
)

// Name is which policy it is.
type Name string

// The policies. The empty name is the default of whoever is asked next: of the
// tenant for a new token, of this package in the end.
const (
	Modern Name = "modern"
	Legacy Name = "legacy"
	List   Name = "list"
)

// Policy is what a token offers. The zero value is the default, [Modern].
// Policies are values that nobody changes.
type Policy struct {
	Name       Name
	Mechanisms []ck.MechanismType // of [List], ascending
}

// Set reports whether the policy is chosen, rather than the default.
func (p Policy) Set() bool { return p.Name != "" }

// Clone is a copy that shares no memory with p.
func (p Policy) Clone() Policy {
	return Policy{p.Name, slices.Clone(p.Mechanisms)}
}

// maxList bounds the mechanisms on a list.
const maxList = 512

// Parse reads what [Policy.String] writes: "modern", "legacy", or mechanisms by
// name with commas between them, such as "CKM_ECDSA,CKM_AES_GCM". The empty text
// is the zero value.
func Parse(text string) (Policy, error) {
	switch n := Name(text); n {
	case "", Modern, Legacy:
		return Policy{Name: n}, nil
	}
	p := Policy{Name: List}
	for name := range strings.SplitSeq(text, ",") {
		m, ok := ck.MechanismNamed(strings.TrimSpace(name))
		if !ok || len(p.Mechanisms) == maxList {
			return Policy{}, ck.Errorf(ck.CKR_ARGUMENTS_BAD,
				"%.40q is no algorithm policy; give modern, legacy, or up to %d mechanisms such as CKM_ECDSA,CKM_AES_GCM", name, maxList)
		}
		p.Mechanisms = append(p.Mechanisms, m)
	}
	slices.Sort(p.Mechanisms)
	p.Mechanisms = slices.Compact(p.Mechanisms)
	return p, nil
}

// String is the policy as [Parse] reads it. The default is "modern".
func (p Policy) String() string {
	switch p.Name {
	case "":
		return string(Modern)
	case List:
		names := make([]string, len(p.Mechanisms))
		for i, m := range p.Mechanisms {
			names[i] = m.String()
		}
		return strings.Join(names, ",")
	}
	return string(p.Name)
}

// everything is every use of a mechanism.
const everything = ^ck.Flags(0)

// Uses are the uses (CKF_SIGN and its like) that the policy leaves of a
// mechanism; 0 is none, and then the mechanism is not in the list either.
func (p Policy) Uses(m ck.MechanismType) ck.Flags {
	switch p.Name {
	case Legacy:
		return everything
	case List:
		if _, listed := slices.BinarySearch(p.Mechanisms, m); listed {
			return everything
		}
		return 0
	}
	if left, weak := weak[m]; weak {
		return left
	}
	return everything
}

// Check refuses a mechanism, or its parameter, for a use: CKR_MECHANISM_INVALID,
// CKR_MECHANISM_PARAM_INVALID.
func (p Policy) Check(m ck.Mechanism, use ck.Flags) error {
	if p.Uses(m.Type)&use != use {
		return ck.Errorf(ck.CKR_MECHANISM_INVALID, "the token's algorithm policy (%.40s) does not offer %v for this", p, m.Type)
	}
	pss, ok := m.Parameter.(ck.RSAPkcsPssParams)
	if ok && use == ck.CKF_SIGN && p.Uses(ck.CKM_SHA1_RSA_PKCS_PSS)&use == 0 && pss.HashAlg == ck.CKM_SHA_1 {
		return ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "the token's algorithm policy (%.40s) does not sign with SHA-1", p)
	}
	return nil
}

// The sizes of the smallest RSA keys, in bits.
const (
	minRSABits     = 2048
	minWeakRSABits = 1024
)

// MinRSABits is the size of the smallest RSA key that the policy lets be made
// and used; of one that only verifies where verify is set.
func (p Policy) MinRSABits(verify bool) uint64 {
	if verify || p.Name == Legacy {
		return minWeakRSABits
	}
	return minRSABits
}

// Limit is the mechanism info with the flags of those uses that the policy
// leaves.
func (p Policy) Limit(m ck.MechanismType, info ck.MechanismInfo) ck.MechanismInfo {
	left := p.Uses(m)
	for use, ofMessages := range messageUses {
		if left.Has(use) {
			left |= ofMessages
		}
	}
	info.Flags &= left | ^uses
	return info
}

// messageUses are the uses that messages have where a mechanism has the other.
var messageUses = map[ck.Flags]ck.Flags{
	ck.CKF_SIGN:    ck.CKF_MESSAGE_SIGN,
	ck.CKF_VERIFY:  ck.CKF_MESSAGE_VERIFY,
	ck.CKF_ENCRYPT: ck.CKF_MESSAGE_ENCRYPT,
	ck.CKF_DECRYPT: ck.CKF_MESSAGE_DECRYPT,
}

// uses are the flags of CK_MECHANISM_INFO that are uses of a mechanism.
const uses = ck.CKF_ENCRYPT | ck.CKF_DECRYPT | ck.CKF_DIGEST | ck.CKF_SIGN | ck.CKF_SIGN_RECOVER |
	ck.CKF_VERIFY | ck.CKF_VERIFY_RECOVER | ck.CKF_GENERATE | ck.CKF_GENERATE_KEY_PAIR |
	ck.CKF_WRAP | ck.CKF_UNWRAP | ck.CKF_DERIVE | ck.CKF_ENCAPSULATE | ck.CKF_DECAPSULATE |
	ck.CKF_MESSAGE_ENCRYPT | ck.CKF_MESSAGE_DECRYPT | ck.CKF_MESSAGE_SIGN | ck.CKF_MESSAGE_VERIFY
