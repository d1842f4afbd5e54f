package provisioning_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// TestSharedSecrets finds a credential by its id and secret in its own dialect, and
// nowhere and by nothing else.
func TestSharedSecrets(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	k, key, err := w.core.CreateAPIKey(ctx, w.admin, w.tenant, provisioning.NewAPIKey{
		Name: "app", Role: "view+add", Dialect: "some", Kind: provisioning.SharedSecret, ExpiresAt: w.now.Add(time.Hour),
	})
	if err != nil || k.Dialect != "some" || len(k.ID) != 36 || k.HasCertificate {
		t.Fatalf("%+v (%v)", k, err)
	}
	c, err := w.core.AuthenticateSecret(ctx, "some", k.ID, key)
	if err != nil || c.ID != k.ID || c.PublicKey != nil || c.Caller != (provisioning.Caller{Name: "app", Tenant: w.tenant, Role: "view+add"}) {
		t.Errorf("%+v (%v)", c, err)
	}
	for name, call := range map[string]func() error{
		"another dialect":  func() error { _, err := w.core.AuthenticateSecret(ctx, "other", k.ID, key); return err },
		"no dialect":       func() error { _, err := w.core.AuthenticateSecret(ctx, "", k.ID, key); return err },
		"another id":       func() error { _, err := w.core.AuthenticateSecret(ctx, "some", k.ID+"x", key); return err },
		"no id":            func() error { _, err := w.core.AuthenticateSecret(ctx, "some", "", key); return err },
		"a moved boundary": func() error { _, err := w.core.AuthenticateSecret(ctx, "some", k.ID+"v", key[1:]); return err },
		"half a secret":    func() error { _, err := w.core.AuthenticateSecret(ctx, "some", k.ID, key[:20]); return err },
		"no secret":        func() error { _, err := w.core.AuthenticateSecret(ctx, "some", k.ID, nil); return err },
		"a huge id": func() error {
			_, err := w.core.AuthenticateSecret(ctx, "some", strings.Repeat("x", 1<<20), key)
			return err
		},
		"a huge secret": func() error {
			_, err := w.core.AuthenticateSecret(ctx, "some", k.ID, bytes.Repeat(key, 999))
			return err
		},
		"as an API key":      func() error { _, err := w.core.Authenticate(ctx, key); return err },
		"as one that signs":  func() error { _, err := w.core.Signer(ctx, "some", k.ID); return err },
		"by no certificate":  func() error { _, err := w.core.AuthenticateCertificate(ctx, "some", nil); return err },
		"the zero value":     func() error { _, err := w.core.Reauthenticate(ctx, provisioning.Credential{}); return err },
		"an API key instead": func() error { _, err := w.core.AuthenticateSecret(ctx, "some", k.ID, apiKey(t, w)); return err },
	} {
		if kind := provisioning.KindOf(call()); kind != provisioning.Unauthenticated {
			t.Errorf("%s: %v", name, kind)
		}
	}
	w.now = w.now.Add(2 * time.Hour)
	_, err = w.core.AuthenticateSecret(ctx, "some", k.ID, key)
	wantKind(t, err, provisioning.Unauthenticated)
	_, err = w.core.Reauthenticate(ctx, c)
	wantKind(t, err, provisioning.Unauthenticated)
}

// No credential at all is none of those that have no certificate.
func TestNoCredential(t *testing.T) {
	w := newWorld(t)
	apiKey(t, w)
	_, err := w.core.Reauthenticate(t.Context(), provisioning.Credential{})
	wantKind(t, err, provisioning.Unauthenticated)
}

func apiKey(t *testing.T, w *world) secret.Bytes {
	t.Helper()
	_, key, err := w.core.CreateAPIKey(t.Context(), w.admin, w.tenant, provisioning.NewAPIKey{Name: "plain"})
	require.NoError(t, err)
	return key
}

// TestRevokedWhileInUse ends what was begun with a credential, also where another
// one takes its name.
func TestRevokedWhileInUse(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	create := func() (provisioning.APIKey, secret.Bytes) {
		k, key, err := w.core.CreateAPIKey(ctx, w.admin, w.tenant, provisioning.NewAPIKey{Name: "app", Dialect: "some", Kind: provisioning.SharedSecret, ID: "app"})
		require.NoError(t, err)
		return k, key
	}
	k, key := create()
	c, err := w.core.AuthenticateSecret(ctx, "some", k.ID, key)
	require.NoError(t, err)
	if again, err := w.core.Reauthenticate(ctx, c); err != nil || again.Caller != c.Caller {
		t.Errorf("%+v (%v)", again, err)
	}
	require.NoError(t, w.core.RevokeAPIKey(ctx, w.admin, w.tenant, "app"))
	_, err = w.core.Reauthenticate(ctx, c)
	wantKind(t, err, provisioning.Unauthenticated)
	create()
	_, err = w.core.Reauthenticate(ctx, c)
	wantKind(t, err, provisioning.Unauthenticated)
}

// TestSigners finds the public half of the key that the holder was given.
func TestSigners(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	k, private, err := w.core.CreateAPIKey(ctx, w.admin, w.tenant, provisioning.NewAPIKey{Name: "jwt", Dialect: "some", Kind: provisioning.Signer})
	require.NoError(t, err)
	block, rest := pem.Decode(private)
	if block == nil || block.Type != "RSA PRIVATE KEY" || len(rest) != 0 {
		t.Fatal("the key is no PEM")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	require.NoError(t, err)
	require.Equal(t, 2048, key.N.BitLen())
	c, err := w.core.Signer(ctx, "some", k.ID)
	if public, ok := c.PublicKey.(*rsa.PublicKey); err != nil || !ok || !public.Equal(&key.PublicKey) || c.Caller.Name != "jwt" {
		t.Errorf("%+v (%v)", c, err)
	}
	_, err = w.core.Signer(ctx, "other", k.ID)
	wantKind(t, err, provisioning.Unauthenticated)
	_, err = w.core.AuthenticateSecret(ctx, "some", k.ID, private)
	wantKind(t, err, provisioning.Unauthenticated)
	_, _, err = w.core.CreateAPIKey(ctx, w.admin, w.tenant, provisioning.NewAPIKey{Name: "jwt 2", Dialect: "some", Kind: provisioning.Signer, ID: k.ID})
	wantKind(t, err, provisioning.Conflict)
}

// TestOwnKeys: whoever has a key already is told no other.
func TestOwnKeys(t *testing.T) {
	w := newWorld(t)
	n := provisioning.NewAPIKey{Name: "jwt", Dialect: "some", Kind: provisioning.Signer, PublicKey: spki(t, elliptic.P256())}
	k, private, err := w.core.CreateAPIKey(t.Context(), w.admin, w.tenant, n)
	require.NoError(t, err)
	require.Nil(t, private)
	c, err := w.core.Signer(t.Context(), "some", k.ID)
	if _, ok := c.PublicKey.(*ecdsa.PublicKey); err != nil || !ok {
		t.Errorf("%+v (%v)", c, err)
	}
}

func spki(t *testing.T, curve elliptic.Curve) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	return der
}

// TestCertificates binds a credential to a certificate.
func TestCertificates(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	certificate, other := clientCertificate(t, w.now), clientCertificate(t, w.now)
	n := provisioning.NewAPIKey{Name: "agent", Dialect: "some", Kind: provisioning.SharedSecret, Certificate: certificate.Raw}
	k, key, err := w.core.CreateAPIKey(ctx, w.admin, w.tenant, n)
	if err != nil || !k.HasCertificate {
		t.Fatalf("%+v (%v)", k, err)
	}
	c, err := w.core.AuthenticateCertificate(ctx, "some", certificate)
	if err != nil || c.Caller.Name != "agent" {
		t.Errorf("%+v (%v)", c, err)
	}
	if again, err := w.core.Reauthenticate(ctx, c); err != nil || again.Caller != c.Caller {
		t.Errorf("%+v (%v)", again, err)
	}
	if c, err = w.core.AuthenticateSecret(ctx, "some", k.ID, key); err != nil || c.Caller.Name != "agent" {
		t.Errorf("%+v (%v)", c, err)
	}
	_, err = w.core.AuthenticateCertificate(ctx, "some", other)
	wantKind(t, err, provisioning.Unauthenticated)
	_, err = w.core.AuthenticateCertificate(ctx, "other", certificate)
	wantKind(t, err, provisioning.Unauthenticated)
	n.Name = "twin"
	_, _, err = w.core.CreateAPIKey(ctx, w.admin, w.tenant, n)
	wantKind(t, err, provisioning.Conflict)
	for _, at := range []time.Time{certificate.NotBefore.Add(-time.Second), certificate.NotAfter.Add(time.Second)} {
		w.now = at
		_, err = w.core.AuthenticateCertificate(ctx, "some", certificate)
		wantKind(t, err, provisioning.Unauthenticated)
	}
}

func clientCertificate(t *testing.T, now time.Time) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate
}

// TestBadCredentials are asked for in ways that make none.
func TestBadCredentials(t *testing.T) {
	w := newWorld(t)
	for name, n := range map[string]provisioning.NewAPIKey{
		"a key with an id":          {ID: "x"},
		"a key of a dialect":        {Dialect: "some"},
		"a key with a certificate":  {Certificate: []byte("x")},
		"no dialect":                {Kind: provisioning.SharedSecret},
		"no certificate":            {Kind: provisioning.SharedSecret, Dialect: "some", Certificate: []byte("x")},
		"a signer with certificate": {Kind: provisioning.Signer, Dialect: "some", Certificate: []byte("x")},
		"no public key":             {Kind: provisioning.Signer, Dialect: "some", PublicKey: []byte("x")},
		"a public key of a secret":  {Kind: provisioning.SharedSecret, Dialect: "some", PublicKey: spki(t, elliptic.P256())},
		"an odd public key":         {Kind: provisioning.Signer, Dialect: "some", PublicKey: spki(t, elliptic.P384())},
		"a bad id":                  {Kind: provisioning.Signer, Dialect: "some", ID: "a\x00b"},
		"no kind":                   {Kind: 17},
	} {
		n.Name = "new"
		if _, _, err := w.core.CreateAPIKey(t.Context(), w.admin, w.tenant, n); provisioning.KindOf(err) != provisioning.BadInput {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSetsOfRights tries every operation with every set of rights: it works where
// all are there that it needs. Nobody makes a key with more.
func TestSetsOfRights(t *testing.T) {
	w, tenant, ref := prepared(t)
	all := operations(w, tenant, ref)
	for op, need := range rightsOf {
		for set := record.MayView; set < record.MaySystem<<1; set++ {
			if set.Has(need) {
				continue // the roles have tried these
			}
			before := w.store.Commits()
			err := all[op](t.Context(), provisioning.Caller{Name: "x", Tenant: tenant, Role: set.Role()})
			if kind := provisioning.KindOf(err); kind != provisioning.Forbidden || w.store.Commits() != before {
				t.Errorf("%v with %s: %v", op, set.Role(), kind)
			}
		}
	}
}

func TestNoMoreThanOwnRights(t *testing.T) {
	w := newWorld(t)
	for mine := record.MayView; mine < record.MaySystem<<1; mine++ {
		for theirs := record.MayView; theirs < record.MaySystem<<1; theirs++ {
			c := provisioning.Caller{Name: "x", Tenant: w.tenant, Role: mine.Role()}
			n := provisioning.NewAPIKey{Name: "same", Role: theirs.Role()}
			_, _, err := w.core.CreateAPIKey(t.Context(), c, w.tenant, n)
			if (err == nil) != (mine.Has(theirs) && mine.Has(record.MayManage)) {
				t.Errorf("%s makes %s: %v", mine.Role(), theirs.Role(), err)
			}
			if err == nil {
				require.NoError(t, w.core.RevokeAPIKey(t.Context(), w.system, w.tenant, "same"))
			}
		}
	}
}

func TestLimitedCaller(t *testing.T) {
	c := provisioning.Caller{Name: "x", Tenant: "t", Role: record.RoleEdit}
	if got := c.Limited(record.MayView | record.MayRemove); got.Role != record.RoleView || got.Name != "x" {
		t.Errorf("%+v", got)
	}
	w := newWorld(t)
	c.Tenant = w.tenant
	_, err := w.core.Users(t.Context(), c.Limited(record.MayRemove), w.tenant)
	wantKind(t, err, provisioning.Forbidden)
}
