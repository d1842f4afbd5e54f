package lint

import (
	"bytes"
	"crypto"
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// each makes a finding of every object of the classes that is wrong.
func (v *inventory) each(wrong func(*object.Object) bool, classes ...ck.ObjectClass) [][]*object.Object {
	var found [][]*object.Object
	for _, o := range v.all {
		if slices.Contains(classes, o.Class()) && wrong(o) {
			found = append(found, []*object.Object{o})
		}
	}
	return found
}

// shared makes a finding of all objects of a class whose name is the same, and not
// empty.
func (v *inventory) shared(class ck.ObjectClass, name func(*object.Object) string) [][]*object.Object {
	var names []string
	by := map[string][]*object.Object{}
	for _, o := range v.all {
		n := name(o)
		if o.Class() != class || n == "" {
			continue
		}
		if by[n] == nil {
			names = append(names, n)
		}
		by[n] = append(by[n], o)
	}
	var found [][]*object.Object
	for _, n := range names {
		if len(by[n]) > 1 {
			found = append(found, by[n])
		}
	}
	return found
}

func idOf(o *object.Object) string { return string(o.KeyID()) }

func (v *inventory) privateKeysThatShareAnID() [][]*object.Object {
	return v.shared(ck.CKO_PRIVATE_KEY, idOf)
}

func (v *inventory) certificatesThatShareAnID() [][]*object.Object {
	return v.shared(ck.CKO_CERTIFICATE, idOf)
}

func (v *inventory) certificatesThatShareALabel() [][]*object.Object {
	return v.shared(ck.CKO_CERTIFICATE, (*object.Object).Label)
}

func (v *inventory) secretKeysThatShareALabel() [][]*object.Object {
	return v.shared(ck.CKO_SECRET_KEY, (*object.Object).Label)
}

func (v *inventory) withoutID() [][]*object.Object {
	return v.each(func(o *object.Object) bool {
		return len(o.KeyID()) == 0 && !v.isAuthority(o)
	}, ck.CKO_PRIVATE_KEY, ck.CKO_PUBLIC_KEY, ck.CKO_CERTIFICATE)
}

// What has no CKA_ID is a finding of withoutID, and none of the following.

func (v *inventory) keysWithoutCertificate() [][]*object.Object {
	return v.each(func(o *object.Object) bool {
		return len(o.KeyID()) > 0 && len(v.partners(o, ck.CKO_CERTIFICATE)) == 0
	}, ck.CKO_PRIVATE_KEY)
}

func (v *inventory) keysWithoutPublicKey() [][]*object.Object {
	return v.each(func(o *object.Object) bool {
		return len(o.KeyID()) > 0 && len(v.partners(o, ck.CKO_CERTIFICATE))+len(v.partners(o, ck.CKO_PUBLIC_KEY)) == 0
	}, ck.CKO_PRIVATE_KEY)
}

func (v *inventory) certificatesWithoutKey() [][]*object.Object {
	return v.each(func(o *object.Object) bool {
		return len(o.KeyID()) > 0 && !v.isAuthority(o) && len(v.partners(o, ck.CKO_PRIVATE_KEY)) == 0
	}, ck.CKO_CERTIFICATE)
}

// wrongCertificates have a key of their CKA_ID on the token, with another public key
// than theirs. A finding is the certificate and those keys.
func (v *inventory) wrongCertificates() [][]*object.Object {
	var found [][]*object.Object
	for _, o := range v.all {
		if o.Class() != ck.CKO_CERTIFICATE || len(v.partners(o, ck.CKO_PRIVATE_KEY)) == 0 {
			continue
		}
		wrong := []*object.Object{o}
		for _, key := range slices.Concat(v.partners(o, ck.CKO_PRIVATE_KEY), v.partners(o, ck.CKO_PUBLIC_KEY)) {
			if differ(v.publicKey(o), v.publicKey(key)) {
				wrong = append(wrong, key)
			}
		}
		if len(wrong) > 1 {
			found = append(found, wrong)
		}
	}
	return found
}

// differ reports whether two public keys are known not to be the same.
func differ(a, b crypto.PublicKey) bool {
	known, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && b != nil && !known.Equal(b)
}

func (v *inventory) expired() [][]*object.Object {
	return v.each(func(o *object.Object) bool {
		cert := v.certs[o]
		return cert != nil && cert.NotAfter.Before(v.now)
	}, ck.CKO_CERTIFICATE)
}

// withoutIssuer are the certificates of keys that neither sign themselves nor find on
// the token who signed them. Whether more of the chain is missing cannot be known: it
// may end at any root.
func (v *inventory) withoutIssuer() [][]*object.Object {
	return v.each(func(o *object.Object) bool {
		cert := v.certs[o]
		if cert == nil || bytes.Equal(cert.RawIssuer, cert.RawSubject) || len(v.partners(o, ck.CKO_PRIVATE_KEY)) == 0 {
			return false
		}
		for _, other := range v.certs {
			if bytes.Equal(other.RawSubject, cert.RawIssuer) {
				return false
			}
		}
		return true
	}, ck.CKO_CERTIFICATE)
}
