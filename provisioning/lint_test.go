package provisioning_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// person is a key pair with a certificate, which somebody issued.
type person struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// issue makes a person whose certificate ends then; by nobody is by itself.
func issue(t testing.TB, name string, by *person, until time.Time) *person {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p := &person{key: key}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: until.AddDate(-1, 0, 0), NotAfter: until,
		BasicConstraintsValid: true, IsCA: name == "CA",
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	p.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return p
}

// thing is an object to be, with a label and a CKA_ID.
type thing struct {
	template  ck.Template
	label, id string
}

func (w *world) private(key crypto.PrivateKey, id string) thing {
	w.t.Helper()
	template, err := object.PrivateTemplate(key)
	require.NoError(w.t, err)
	return thing{template, "key " + id, id}
}

func (w *world) public(key crypto.PublicKey, id string) thing {
	w.t.Helper()
	template, err := object.PublicTemplate(key)
	require.NoError(w.t, err)
	return thing{template, "public key " + id, id}
}

func certificate(p *person, label, id string) thing {
	return thing{object.CertificateTemplate(p.cert.Raw), label, id}
}

func secretKey(label string) thing {
	return thing{ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), ck.Bytes(ck.CKA_VALUE, make([]byte, 32)),
	}, label, ""}
}

// holding is a token with these things on it.
func (w *world) holding(things []thing) provisioning.TokenRef {
	w.t.Helper()
	ref := w.token(4096)
	for _, x := range things {
		template := append(slices.Clone(x.template), ck.Bool(ck.CKA_TOKEN, true), ck.String(ck.CKA_LABEL, x.label), ck.Bytes(ck.CKA_ID, []byte(x.id)))
		if len(x.id) == 0 {
			template = template[:len(template)-1]
		}
		o, err := object.Build(object.Source{}, template)
		require.NoError(w.t, err)
		put := func(tx provisioning.Tx) error {
			fresh := *o // it may run more than once
			return tx.PutObject(ref.ID, &fresh)
		}
		require.NoError(w.t, w.store.Update(put))
	}
	return ref
}

// TestLint: each rule finds what it is for, and nothing else.
func TestLint(t *testing.T) {
	w := newWorld(t)
	until := w.now.AddDate(0, 6, 0)
	ca := issue(t, "CA", nil, until)
	alice, bob := issue(t, "alice", ca, until), issue(t, "bob", ca, until)
	old := issue(t, "old", ca, w.now.Add(-time.Hour))
	alone := issue(t, "alone", nil, until)
	root := certificate(ca, "CA", "ca")
	pair := []thing{w.private(alice.key, "1"), w.public(&alice.key.PublicKey, "1"), certificate(alice, "alice", "1"), root}
	with := func(more ...thing) []thing { return append(slices.Clone(pair), more...) }
	for name, x := range map[string]struct {
		things []thing
		rules  []string
		count  int // of the objects of the first finding
	}{
		"nothing":                             {},
		"a pair with its chain":               {things: pair},
		"a pair without a public key":         {things: []thing{pair[0], pair[2], root}},
		"who signed the own certificate":      {things: []thing{w.private(alone.key, "1"), certificate(alone, "alone", "1")}},
		"a CA's certificate without a CKA_ID": {things: with(certificate(ca, "another CA", ""))},
		"two pairs":                           {things: with(w.private(bob.key, "2"), certificate(bob, "bob", "2"))},
		"two secret keys":                     {things: []thing{secretKey("a"), secretKey("b"), secretKey(""), secretKey("")}},

		"a key alone":                 {things: with(w.private(bob.key, "2")), rules: []string{"key-without-certificate", "key-without-public-key"}, count: 1},
		"a key with its public key":   {things: with(w.private(bob.key, "2"), w.public(&bob.key.PublicKey, "2")), rules: []string{"key-without-certificate"}, count: 1},
		"a certificate alone":         {things: with(certificate(bob, "bob", "2")), rules: []string{"certificate-without-key"}, count: 1},
		"a key without a CKA_ID":      {things: with(w.private(bob.key, "")), rules: []string{"no-id"}, count: 1},
		"a public key without":        {things: with(w.public(&bob.key.PublicKey, "")), rules: []string{"no-id"}, count: 1},
		"a certificate without":       {things: with(certificate(bob, "bob", "")), rules: []string{"no-id"}, count: 1},
		"keys that share a CKA_ID":    {things: with(w.private(bob.key, "1")), rules: []string{"shared-private-key-id", "wrong-certificate"}, count: 2},
		"a renewed certificate":       {things: with(certificate(&person{cert: again(t, alice, ca)}, "new", "1")), rules: []string{"shared-certificate-id"}, count: 2},
		"certificates with one label": {things: with(w.private(bob.key, "2"), certificate(bob, "alice", "2")), rules: []string{"shared-certificate-label"}, count: 2},
		"three secret keys":           {things: []thing{secretKey("a"), secretKey("a"), secretKey("a"), secretKey("b")}, rules: []string{"shared-secret-key-label"}, count: 3},
		"another's certificate":       {things: []thing{pair[0], certificate(bob, "bob", "1"), root}, rules: []string{"wrong-certificate"}, count: 2},
		"an old certificate":          {things: []thing{w.private(old.key, "1"), certificate(old, "old", "1"), root}, rules: []string{"expired-certificate"}, count: 1},
		"no chain":                    {things: pair[:3], rules: []string{"no-issuer"}, count: 1},
	} {
		lint, err := w.core.Lint(t.Context(), w.admin, w.holding(x.things))
		require.NoError(t, err)
		var rules []string
		for _, f := range lint.Findings {
			rules = append(rules, f.Name)
			if f.Problem == "" || f.Advice == "" || len(f.Affects) == 0 || len(f.Objects) == 0 {
				t.Errorf("%s: an incomplete finding: %+v", name, f)
			}
		}
		if !slices.Equal(rules, x.rules) || len(rules) > 0 && len(lint.Findings[0].Objects) != x.count {
			t.Errorf("%s: found %v of %+v, want %v", name, rules, lint.Findings, x.rules)
		}
		if len(lint.Unseen) > 0 {
			t.Errorf("%s: unseen %q", name, lint.Unseen)
		}
	}
	_, err := w.core.Lint(t.Context(), provisioning.Caller{Tenant: w.tenant}, w.ref)
	wantKind(t, err, provisioning.Unauthenticated)
}

// again is a new certificate for a person's key.
func again(t testing.TB, p, by *person) *x509.Certificate {
	t.Helper()
	template := *p.cert
	template.SerialNumber = big.NewInt(2)
	der, err := x509.CreateCertificate(rand.Reader, &template, by.cert, &p.key.PublicKey, by.key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// What cannot be seen is said.
func TestLintSaysWhatItDoesNotSee(t *testing.T) {
	w := newWorld(t)
	alice, err := w.core.CreateToken(t.Context(), w.admin, provisioning.NewToken{Tenant: w.tenant, User: "alice", PINBound: true, UserPIN: []byte("87654321")})
	require.NoError(t, err)
	lint, err := w.core.Lint(t.Context(), w.admin, provisioning.TokenRef{Tenant: w.tenant, ID: alice.ID})
	if err != nil || len(lint.Unseen) != 1 || len(lint.Findings) != 0 {
		t.Errorf("%+v, %v", lint, err)
	}
}
