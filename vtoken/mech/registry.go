package mech

import (
	"slices"

	"vtoken/vtoken/ck"
)

// Lookup finds a mechanism; ok is false for one that is not supported, which
// is CKR_MECHANISM_INVALID to the application.
func Lookup(t ck.MechanismType) (d *Descriptor, ok bool) {
	d, ok = registry.byType[t]
	return d, ok
}

// List is every supported mechanism, by number (C_GetMechanismList). The caller
// may change the slice.
func List() []ck.MechanismType { return slices.Clone(registry.list) }

// Info is CK_MECHANISM_INFO: the sizes of keys, and flags that follow from what
// the descriptor can do.
func (d *Descriptor) Info() ck.MechanismInfo {
	flags := d.Flags
	for _, f := range []struct {
		can  bool
		flag ck.Flags
	}{
		{d.Sign != nil, ck.CKF_SIGN},
		{d.Verify != nil, ck.CKF_VERIFY},
		{d.Sign != nil && !d.Stateful && !d.OneMessage, ck.CKF_MESSAGE_SIGN | ck.CKF_MULTI_MESSAGE},
		{d.Verify != nil && !d.Stateful && !d.OneMessage, ck.CKF_MESSAGE_VERIFY | ck.CKF_MULTI_MESSAGE},
		{d.Message != nil, ck.CKF_MESSAGE_ENCRYPT | ck.CKF_MESSAGE_DECRYPT | ck.CKF_MULTI_MESSAGE},
		{d.SignRecover != nil, ck.CKF_SIGN_RECOVER},
		{d.VerifyRecover != nil, ck.CKF_VERIFY_RECOVER},
		{d.Encrypt != nil, ck.CKF_ENCRYPT},
		{d.Decrypt != nil, ck.CKF_DECRYPT},
		{d.Digest != nil, ck.CKF_DIGEST},
		{d.GenerateKey != nil, ck.CKF_GENERATE},
		{d.GenerateKeyPair != nil, ck.CKF_GENERATE_KEY_PAIR},
		{d.Wrap != nil, ck.CKF_WRAP},
		{d.Unwrap != nil, ck.CKF_UNWRAP},
		{d.Derive != nil, ck.CKF_DERIVE},
		{d.Encapsulate != nil, ck.CKF_ENCAPSULATE},
		{d.Decapsulate != nil, ck.CKF_DECAPSULATE},
	} {
		if f.can {
			flags |= f.flag
		}
	}
	return ck.MechanismInfo{MinKeySize: d.MinKeySize, MaxKeySize: d.MaxKeySize, Flags: flags}
}

// registry is made of the one list in all.go, and never changed.
var registry = func() (r struct {
	byType map[ck.MechanismType]*Descriptor
	list   []ck.MechanismType
}) {
	r.byType = make(map[ck.MechanismType]*Descriptor)
	for _, d := range all() {
		r.byType[d.Type] = d
		r.list = append(r.list, d.Type)
	}
	slices.Sort(r.list)
	return r
}()
