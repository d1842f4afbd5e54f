package vtoken

import (
	"fmt"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

// builtinBit marks the handles of the objects that nobody made: profiles, the
// mechanisms, the clock. The bits below say which one it is.
const (
	builtinBit     ck.ObjectHandle = 1 << 61
	builtinProfile                 = builtinBit | 1<<40
	builtinMech                    = builtinBit | 2<<40
	builtinClock                   = builtinBit | 3<<40
	builtinNumber  ck.ObjectHandle = 1<<40 - 1
)

// profiles returns the profiles that a token can follow, and whether this one does.
func (s *session) profiles() map[uint64]bool {
	return map[uint64]bool{
		ck.CKP_BASELINE_PROVIDER:         true,
		ck.CKP_EXTENDED_PROVIDER:         true,
		ck.CKP_AUTHENTICATION_TOKEN:      s.authenticates(),
		ck.CKP_PUBLIC_CERTIFICATES_TOKEN: s.publicCertificates(),
	}
}

// publicCertificates reports whether all certificates of the token are visible without login.
// NSS lists certificates without asking for a PIN only if the token has that profile
// (OpenSC/OpenSC#2681).
func (s *session) publicCertificates() bool {
	private := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_CERTIFICATE), ck.Bool(ck.CKA_PRIVATE, true)}
	return len(s.token().find(private, everyObject)) == 0
}

// authenticates reports whether the token has a certificate and a private key for it that
// signs.
func (s *session) authenticates() bool {
	t := s.token()
	for _, h := range t.find(ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_CERTIFICATE)}, everyObject) {
		cert := t.get(h)
		if cert == nil || len(cert.KeyID()) == 0 {
			continue
		}
		signer := ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Bytes(ck.CKA_ID, cert.KeyID()), ck.Bool(ck.CKA_SIGN, true),
		}
		if len(t.find(signer, everyObject)) > 0 {
			return true
		}
	}
	return false
}

func everyObject(*object.Object) bool { return true }

// builtin returns the built-in object with the handle, or nil.
func (s *session) builtin(h ck.ObjectHandle) *object.Object {
	n := uint64(h & builtinNumber)
	unique := fmt.Sprintf("%s-%x", s.token().record().Serial, uint64(h&^builtinBit))
	switch {
	case h == builtinClock:
		return object.Clock(s.engine().opts.Now(), unique)
	case h&^builtinNumber == builtinProfile && s.profiles()[n]:
		return object.Profile(n, unique)
	case h&^builtinNumber == builtinMech && s.offers(ck.MechanismType(n)):
		return object.Mechanism(ck.MechanismType(n), unique)
	}
	return nil
}

// offers reports whether the mechanism exists and the token's policy offers it.
func (s *session) offers(m ck.MechanismType) bool {
	_, ok := mech.Lookup(m)
	return ok && s.token().record().Policy.Uses(m) != 0
}

// findBuiltin finds built-in objects. Only a search for their class does.
func (s *session) findBuiltin(t ck.Template) (found []ck.ObjectHandle) {
	class, ok := classOf(t)
	if !ok || !object.Builtin(class) {
		return nil
	}
	for _, h := range s.builtinHandles(class) {
		if o := s.builtin(h); o != nil && o.Match(t) {
			found = append(found, h)
		}
	}
	return found
}

// builtinHandles returns the handles that built-in objects of the class can have.
func (s *session) builtinHandles(class ck.ObjectClass) (list []ck.ObjectHandle) {
	switch class {
	case ck.CKO_HW_FEATURE:
		return []ck.ObjectHandle{builtinClock}
	case ck.CKO_PROFILE:
		for id := ck.CKP_BASELINE_PROVIDER; id <= ck.CKP_PUBLIC_CERTIFICATES_TOKEN; id++ {
			list = append(list, builtinProfile|ck.ObjectHandle(id))
		}
	case ck.CKO_MECHANISM:
		for _, m := range mech.List() {
			list = append(list, builtinMech|ck.ObjectHandle(m))
		}
	}
	return list
}
