package provisioning

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// Lint is what applications stumble over on a token.
type Lint struct {
	Findings []Finding
	// Unseen says what could not be looked at, a sentence each.
	Unseen []string
}

// Finding is one thing that some application does not get along with.
type Finding struct {
	// Rule is its short name, such as "shared-certificate-id".
	Rule string
	// Problem says what it is, and Advice what to do about it.
	Problem, Advice string
	// Affects are the applications, and what they do then.
	Affects []Effect
	Objects []ObjectInfo
}

// Effect is what a consumer does with a token that has a finding.
type Effect struct {
	// Consumer is Java, OpenSSH, NSS, GnuTLS or OpenSSL, which is its engine and what
	// uses that, such as nginx.
	Consumer string
	Effect   string
}

// Lint looks for what makes applications refuse a token, or overlook keys on it. It
// reads what is there without a PIN, and that is all but the keys' secret values.
func (s *Service) Lint(ctx context.Context, c Caller, ref TokenRef) (Lint, error) {
	var token *record.Token
	var all []*object.Object
	err := s.view(ctx, func(tx ReadTx) (err error) {
		if token, err = s.token(tx, c, OpTokenObjects, ref); err != nil {
			return err
		}
		all, err = tx.Objects(token.ID)
		return err
	})
	if err != nil {
		return Lint{}, err
	}
	l := newLinted(all, s.now())
	found := Lint{Unseen: l.unseen(token)}
	for _, r := range lintRules {
		for _, objects := range r.find(l) {
			f := Finding{Rule: r.name, Problem: r.problem, Advice: r.advice, Affects: r.affects}
			for _, o := range objects {
				f.Objects = append(f.Objects, objectInfo(o))
			}
			found.Findings = append(found.Findings, f)
		}
	}
	return found, nil
}

// linted is a token's objects as the rules look at them.
type linted struct {
	all   []*object.Object
	certs map[*object.Object]*x509.Certificate // those that parse
	now   time.Time
}

func newLinted(all []*object.Object, now time.Time) *linted {
	l := &linted{all: all, certs: map[*object.Object]*x509.Certificate{}, now: now}
	for _, o := range all {
		if o.Class() != ck.CKO_CERTIFICATE {
			continue
		}
		if cert, err := x509.ParseCertificate(o.Attrs.Get(ck.CKA_VALUE)); err == nil {
			l.certs[o] = cert
		}
	}
	return l
}

// authority reports whether a certificate is that of a CA.
func (l *linted) authority(o *object.Object) bool {
	cert := l.certs[o]
	category, _ := o.Attrs.Ulong(ck.CKA_CERTIFICATE_CATEGORY)
	return cert != nil && cert.IsCA || category == categoryAuthority
}

// partners are the objects of a class with the CKA_ID of another one, none where it
// has no CKA_ID.
func (l *linted) partners(o *object.Object, class ck.ObjectClass) []*object.Object {
	if len(o.KeyID()) == 0 {
		return nil
	}
	return withID(l.all, class, o.KeyID())
}

// publicKey is the public key of an object as far as it is seen without a PIN, else
// nil: applications need not give the public half of a private key.
func (l *linted) publicKey(o *object.Object) crypto.PublicKey {
	info := o.Attrs.Get(ck.CKA_PUBLIC_KEY_INFO)
	if cert := l.certs[o]; cert != nil {
		info = cert.RawSubjectPublicKeyInfo
	}
	key, err := object.ParsePublic(info)
	if err != nil {
		return nil
	}
	return key
}

// unseen says what the rules cannot know.
func (l *linted) unseen(t *record.Token) []string {
	var out []string
	if len(t.BoundKey) > 0 {
		out = append(out, "the token is PIN-bound: whether its private and secret keys open with the PIN is not seen, only what is stored beside them")
	}
	for _, o := range l.all {
		if o.Class() == ck.CKO_PRIVATE_KEY && l.publicKey(o) == nil && len(l.partners(o, ck.CKO_PUBLIC_KEY)) == 0 &&
			len(l.partners(o, ck.CKO_CERTIFICATE)) > 0 {
			out = append(out, "whether the certificate of the private key "+nameOf(o)+" fits is not seen: the key has no public key beside it")
		}
	}
	return out
}

// nameOf is how a sentence names an object.
func nameOf(o *object.Object) string {
	return fmt.Sprintf("%q (CKA_ID %x)", clip(o.Label()), o.KeyID())
}
