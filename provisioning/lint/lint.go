package lint

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"vtoken/provisioning/text"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// Rule is one thing that some applications do not get along with.
type Rule struct {
	// Name is short, such as "shared-certificate-id".
	Name string
	// Problem says what it is, and Advice what to do about it.
	Problem, Advice string
	// Affects are the applications, and what they do then.
	Affects []Effect

	// find returns the objects of each finding.
	find func(*inventory) [][]*object.Object
}

// Effect is what an application does with a token that has a finding.
type Effect struct {
	// Consumer is Java, OpenSSH, NSS, GnuTLS or OpenSSL, which is its engine and what
	// uses that, such as nginx.
	Consumer string
	Effect   string
}

// Finding is a rule that a token breaks, and the objects that break it.
type Finding struct {
	Rule    Rule
	Objects []*object.Object
}

// Report is what was found on a token.
type Report struct {
	Findings []Finding
	// Unseen says what could not be checked, one sentence each.
	Unseen []string
}

// Check applies all rules to the objects of a token. pinBound says that its PINs encrypt
// its keys. Certificates expire by the time now.
func Check(all []*object.Object, pinBound bool, now time.Time) Report {
	v := newInventory(all, now)
	report := Report{Unseen: v.unseen(pinBound)}
	for _, r := range rules {
		for _, objects := range r.find(v) {
			report.Findings = append(report.Findings, Finding{r, objects})
		}
	}
	return report
}

// inventory is the objects of a token, prepared for the rules.
type inventory struct {
	all   []*object.Object
	certs map[*object.Object]*x509.Certificate // those that parse
	now   time.Time
}

func newInventory(all []*object.Object, now time.Time) *inventory {
	v := &inventory{all: all, certs: map[*object.Object]*x509.Certificate{}, now: now}
	for _, o := range all {
		if o.Class() != ck.CKO_CERTIFICATE {
			continue
		}
		if cert, err := x509.ParseCertificate(o.Attrs.Get(ck.CKA_VALUE)); err == nil {
			v.certs[o] = cert
		}
	}
	return v
}

// isAuthority reports whether a certificate is that of a CA.
func (v *inventory) isAuthority(o *object.Object) bool {
	cert := v.certs[o]
	category, _ := o.Attrs.Ulong(ck.CKA_CERTIFICATE_CATEGORY)
	return cert != nil && cert.IsCA || category == object.CategoryAuthority
}

// partners returns the objects of a class with the CKA_ID of o, none where o has no
// CKA_ID.
func (v *inventory) partners(o *object.Object, class ck.ObjectClass) []*object.Object {
	if len(o.KeyID()) == 0 {
		return nil
	}
	return object.WithKeyID(v.all, class, o.KeyID())
}

// publicKey returns the public key of an object as far as it is visible without a PIN,
// else nil: applications need not store the public half of a private key.
func (v *inventory) publicKey(o *object.Object) crypto.PublicKey {
	info := o.Attrs.Get(ck.CKA_PUBLIC_KEY_INFO)
	if cert := v.certs[o]; cert != nil {
		info = cert.RawSubjectPublicKeyInfo
	}
	key, err := object.ParsePublic(info)
	if err != nil {
		return nil
	}
	return key
}

// unseen says what the rules cannot know.
func (v *inventory) unseen(pinBound bool) []string {
	var out []string
	if pinBound {
		out = append(out, "the token is PIN-bound: whether its private and secret keys open with the PIN is not seen, only what is stored beside them")
	}
	for _, o := range v.all {
		if o.Class() == ck.CKO_PRIVATE_KEY && v.publicKey(o) == nil && len(v.partners(o, ck.CKO_PUBLIC_KEY)) == 0 &&
			len(v.partners(o, ck.CKO_CERTIFICATE)) > 0 {
			out = append(out, fmt.Sprintf("whether the certificate of the private key %q (CKA_ID %x) fits is not seen: the key has no public key beside it",
				text.Clip(o.Label()), o.KeyID()))
		}
	}
	return out
}
