package provisioning_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// sharedBy is a token of alice's that others hold, too.
func (w *world) sharedBy(others ...string) provisioning.TokenRef {
	w.t.Helper()
	ref := w.token(2048)
	for _, name := range others {
		_, err := w.core.Assign(w.t.Context(), w.admin, ref, provisioning.Assign{User: name, Share: true})
		require.NoError(w.t, err)
	}
	return ref
}

// priorities are those of the holders of a token, by login.
func (w *world) priorities(ref provisioning.TokenRef) map[string]int {
	all := map[string]int{}
	for _, h := range w.get(ref).Holders {
		all[h.Login] = h.Priority
	}
	return all
}

// The holders get the priorities of their places in a list, all or none.
func TestSortHolders(t *testing.T) {
	w := newWorld(t)
	w.user("bob", true)
	w.user("carol", true)
	one, two := w.sharedBy("bob"), w.sharedBy()
	sort := func(order ...provisioning.HolderRef) error { return w.core.SortHolders(t.Context(), w.admin, order) }
	require.NoError(t, sort(provisioning.HolderRef{Token: two, User: "alice"},
		provisioning.HolderRef{Token: one, User: "bob"}, provisioning.HolderRef{Token: one, User: "alice"}))
	require.Equal(t, map[string]int{"alice": 2, "bob": 1}, w.priorities(one))
	require.Equal(t, map[string]int{"alice": 0}, w.priorities(two))

	before := w.store.Commits()
	wantKind(t, sort(provisioning.HolderRef{Token: one, User: "alice"}, provisioning.HolderRef{Token: one, User: "carol"}),
		provisioning.WrongState)
	wantKind(t, sort(provisioning.HolderRef{Token: one, User: "nobody"}), provisioning.UserNotFound)
	wantKind(t, sort(provisioning.HolderRef{Token: provisioning.TokenRef{Tenant: w.tenant, ID: "x"}, User: "alice"}),
		provisioning.TokenNotFound)
	require.Equal(t, before, w.store.Commits())
	require.Equal(t, map[string]int{"alice": 2, "bob": 1}, w.priorities(one))
}

// Tokens are read in the order of the ids, all or none.
func TestTokensByID(t *testing.T) {
	w := newWorld(t)
	other := w.token(2048)
	got, err := w.core.TokensByID(t.Context(), w.admin, w.tenant, []record.TokenID{other.ID, w.ref.ID})
	require.NoError(t, err)
	require.Equal(t, []provisioning.Token{w.get(other), w.get(w.ref)}, got)
	_, err = w.core.TokensByID(t.Context(), w.admin, w.tenant, []record.TokenID{other.ID, "x"})
	wantKind(t, err, provisioning.TokenNotFound)
	got, err = w.core.TokensByID(t.Context(), w.admin, w.tenant, nil)
	require.NoError(t, err)
	require.Empty(t, got)
}

// What a change of a holder says of the PIN is done to the token's.
func TestPINOfAHolder(t *testing.T) {
	w := newWorld(t)
	yes, no := true, false
	set := func(c provisioning.Caller, p provisioning.PINChange) error {
		_, err := w.core.SetHolder(t.Context(), c, w.ref, "alice", provisioning.HolderChange{PIN: p})
		return err
	}
	state := func() (s pin.State) {
		t.Helper()
		require.NoError(t, w.store.View(func(tx provisioning.ReadTx) error {
			tok, err := tx.Token(w.ref.ID)
			s = tok.UserPIN
			return err
		}))
		return s
	}
	wantKind(t, set(w.admin, provisioning.PINChange{MustChange: &yes}), provisioning.WrongState)
	require.NoError(t, set(w.admin, provisioning.PINChange{MustChange: &no}))
	require.NoError(t, set(w.admin, provisioning.PINChange{New: secret.Bytes(goodPIN), MustChange: &yes}))
	require.True(t, w.store.HasPIN(w.ref.ID, pin.User, secret.Bytes(goodPIN)))
	require.True(t, state().ToBeChanged)
	require.NoError(t, set(w.admin, provisioning.PINChange{MustChange: &no}))
	require.False(t, state().ToBeChanged)

	editor := provisioning.Caller{Name: "x", Tenant: w.tenant, Role: record.RoleEdit}
	require.NoError(t, set(editor, provisioning.PINChange{Unlock: true}), "it is not locked")
	w.store.Tries(w.ref.ID, pin.User, 10)
	require.True(t, state().Locked())
	wantKind(t, set(editor, provisioning.PINChange{Unlock: true}), provisioning.Forbidden)
	require.True(t, state().Locked())
	require.NoError(t, set(w.admin, provisioning.PINChange{Unlock: true}))
	require.False(t, state().Locked())

	require.NoError(t, set(w.admin, provisioning.PINChange{Clear: true}))
	require.False(t, state().Set())
}

// The key of a request goes to the holder who is named, or to the only one, and is no larger
// than the token takes.
func TestTokenCSR(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"bob", "carol"} {
		w.user(name, true)
	}
	ids := map[string]record.UserID{}
	users, err := w.core.Users(t.Context(), w.admin, w.tenant)
	require.NoError(t, err)
	for _, u := range users {
		ids[u.Login] = u.ID
	}
	free, err := w.core.CreateToken(t.Context(), w.admin, provisioning.NewToken{Tenant: w.tenant, Unassigned: true})
	require.NoError(t, err)
	alone, shared := w.sharedBy(), w.sharedBy("bob")
	nobodys := provisioning.TokenRef{Tenant: w.tenant, ID: free.ID}
	for _, c := range []struct {
		ref  provisioning.TokenRef
		user string
		of   string // whose the key is
		want provisioning.Kind
		n    provisioning.NewCSR
	}{
		{ref: alone, of: "alice"},
		{ref: alone, user: "alice", of: "alice"},
		{ref: alone, user: "bob", want: provisioning.UserNotFound},
		{ref: alone, user: "nobody", want: provisioning.UserNotFound},
		{ref: shared, want: provisioning.BadInput},
		{ref: shared, user: "bob", of: "bob"},
		{ref: shared, user: string(ids["bob"]), of: "bob"},
		{ref: shared, user: "carol", want: provisioning.UserNotFound},
		{ref: nobodys, want: provisioning.WrongState},
		{ref: nobodys, user: "alice", want: provisioning.WrongState},
		{ref: alone, of: "alice", n: provisioning.NewCSR{RSABits: 2048}},
		{ref: alone, want: provisioning.BadInput, n: provisioning.NewCSR{RSABits: 3072}},
	} {
		if c.n.RSABits == 0 {
			c.n.Curve = "P-384"
		}
		c.n.Subject = "CN=x"
		before := w.store.Commits()
		csr, err := w.core.TokenCSR(t.Context(), w.admin, c.ref, c.user, c.n)
		if c.of == "" {
			require.Error(t, err, "%+v", c)
			require.Equal(t, c.want, provisioning.KindOf(err), "%+v: %v", c, err)
			require.Equal(t, before, w.store.Commits(), "%+v", c)
			continue
		}
		require.NoError(t, err, "%+v", c)
		require.Equal(t, ids[c.of], csr.Key.User, "%+v", c)
		require.Equal(t, w.now.UTC(), csr.Key.CreatedAt)
		require.Equal(t, w.now.UTC().Add(provisioning.PendingLifetime), csr.Key.ExpiresAt)
	}
}

// withoutPoints takes the public keys out of the private ones, as some applications make them.
func (w *world) withoutPoints(ref provisioning.TokenRef) {
	w.t.Helper()
	require.NoError(w.t, w.store.Update(func(tx provisioning.Tx) error {
		all, err := tx.Objects(ref.ID)
		err = errors.Join(err, tx.DeleteObjects(ref.ID))
		for _, o := range all {
			again := object.Object{Attrs: slices.Clone(o.Attrs)}
			if o.Class() == ck.CKO_PRIVATE_KEY {
				again.Attrs = slices.DeleteFunc(again.Attrs, func(a ck.Attribute) bool { return a.Type == ck.CKA_EC_POINT })
			}
			err = errors.Join(err, tx.PutObject(ref.ID, &again))
		}
		return err
	}))
}

// A certificate without the id of a pending key goes to the key on the token that it is for,
// whatever the CKA_ID of that is: by the public key beside it, or in it.
func TestCertificateOfAKeyOnTheToken(t *testing.T) {
	w := newWorld(t)
	signer := issue(t, "alice", nil, w.now.Add(time.Hour))
	other := issue(t, "bob", nil, w.now.Add(time.Hour))
	beside := func(p *person, id string) thing { return w.public(&p.key.PublicKey, id) }
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, signer.cert, signer.cert, &rsaKey.PublicKey, signer.key)
	require.NoError(t, err)
	edPublic, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	edDER, err := x509.CreateCertificate(rand.Reader, signer.cert, signer.cert, edPublic, signer.key)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		certificate []byte
		things      []thing
		bare        bool // the private keys do not have the public ones in them
		fits        bool
	}{
		"the public key in it": {signer.cert.Raw, []thing{w.private(signer.key, "x")}, false, true},
		"no public key":        {signer.cert.Raw, []thing{w.private(signer.key, "x")}, true, false},
		"beside it": {signer.cert.Raw, []thing{
			w.private(other.key, "y"), w.private(signer.key, "x"), beside(other, "y"), beside(signer, "x"),
		}, true, true},
		"with another id":                       {signer.cert.Raw, []thing{w.private(signer.key, "x"), beside(signer, "y")}, true, false},
		"without an id":                         {signer.cert.Raw, []thing{w.private(signer.key, ""), beside(signer, "")}, true, false},
		"another key":                           {signer.cert.Raw, []thing{w.private(signer.key, "x"), beside(other, "x")}, true, false},
		"no private key":                        {signer.cert.Raw, []thing{beside(signer, "x"), secretKey("x")}, false, false},
		"RSA":                                   {der, []thing{w.private(other.key, "y"), w.private(rsaKey, "x")}, false, true},
		"EC for RSA":                            {der, []thing{w.private(other.key, "y")}, false, false},
		"RSA for EC":                            {signer.cert.Raw, []thing{w.private(rsaKey, "x")}, false, false},
		"a kind of key that tokens do not have": {edDER, []thing{w.private(other.key, "y")}, false, false},
	} {
		ref := w.holding(c.things)
		if c.bare {
			w.withoutPoints(ref)
		}
		before := len(w.store.ObjectsOf(ref.ID))
		_, err := w.core.StoreCertificate(t.Context(), w.admin, ref, "", c.certificate)
		if !c.fits {
			require.Equal(t, provisioning.BadInput, provisioning.KindOf(err), "%s: %v", name, err)
			require.Len(t, w.store.ObjectsOf(ref.ID), before, name)
			continue
		}
		require.NoError(t, err, name)
		require.Len(t, w.store.ObjectsOf(ref.ID), before+1, name)
		for _, o := range w.store.ObjectsOf(ref.ID) {
			if o.Class() == ck.CKO_CERTIFICATE {
				require.Equal(t, "x", string(o.KeyID()), name)
			}
		}
	}
}
