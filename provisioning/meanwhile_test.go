package provisioning_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/provisioning/pfx"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// meanwhile is a store that lets something else happen while it works on a PIN.
type meanwhile struct {
	provisioning.Store
	hashing, checking func()
}

// atOnce runs what is to happen, unless it did.
func atOnce(happens *func()) {
	if do := *happens; do != nil {
		*happens = nil
		do()
	}
}

func (m *meanwhile) HashPIN(token record.TokenID, role pin.Role, p, bound secret.Bytes) ([]byte, error) {
	atOnce(&m.hashing)
	return m.Store.HashPIN(token, role, p, bound)
}

func (m *meanwhile) CheckPIN(
	token record.TokenID, role pin.Role, verifier []byte, p secret.Bytes,
) (right bool, bound secret.Bytes, err error) {
	atOnce(&m.checking)
	return m.Store.CheckPIN(token, role, verifier, p)
}

// A PIN that changes while another one is being set with it stays, whenever that is.
func TestPINChangesMeanwhile(t *testing.T) {
	for name, bound := range map[string]bool{"bound": true, "not bound": false} {
		w := newWorld(t)
		m := &meanwhile{Store: w.store}
		w.core = provisioning.New(m, w.options())
		newToken := func() provisioning.TokenRef {
			made, err := w.core.CreateToken(t.Context(), w.admin, provisioning.NewToken{
				Tenant: w.tenant, User: "alice", PINBound: bound, UserPIN: secret.Bytes(goodPIN), SOPIN: secret.Bytes(soPIN)})
			require.NoError(t, err)
			return provisioning.TokenRef{ID: made.ID}
		}
		for at, happens := range map[string]*func(){"hashing": &m.hashing, "checking": &m.checking} {
			ref := newToken()
			*happens = func() { w.otherPIN(ref.ID, pin.SO) }
			err := w.change(ref, pin.User, "22222222", pin.SO, soPIN)
			require.Error(t, err, "%s, %s", name, at)
			require.Equal(t, provisioning.WrongState, provisioning.KindOf(err), "%s, %s: %v", name, at, err)
			w.has(ref, pin.User, goodPIN)

			ref = newToken()
			*happens = func() { w.otherPIN(ref.ID, pin.User) }
			require.NoError(t, w.change(ref, pin.User, "22222222", pin.SO, soPIN), "%s, %s: the other PIN", name, at)
			w.has(ref, pin.User, "22222222")
		}
	}
}

// otherPIN gives a token another verifier of a PIN, as an application does.
func (w *world) otherPIN(id record.TokenID, role pin.Role) {
	w.t.Helper()
	require.NoError(w.t, w.store.Update(func(tx provisioning.Tx) error {
		old, err := tx.Token(id)
		if err != nil {
			return err
		}
		changed := old.Clone()
		verifier := bytes.Clone(old.PIN(role).Verifier)
		verifier[0] ^= 1
		changed.PIN(role).Verifier = verifier
		return tx.PutToken(changed)
	}))
}

// Of the keys that went to a token the last ones are remembered, and those of others are
// nobody else's to delete.
func TestOldPendingKeys(t *testing.T) {
	w := newWorld(t)
	w.user("bob", true)
	const most = 16
	var made []record.KeyID
	for range most + 2 {
		csr := w.ecRequest("alice")
		made = append(made, csr.Key.ID)
		_, err := w.core.StoreCertificate(t.Context(), w.admin, w.ref, csr.Key.ID, dialecttest.Certify(t, string(requestPEM(csr))))
		require.NoError(t, err)
		w.now = w.now.Add(time.Second)
	}
	last := w.ecRequest("alice")
	list, err := w.core.PendingKeys(t.Context(), w.admin, w.tenant, "alice")
	require.NoError(t, err)
	var got []record.KeyID
	for _, k := range list {
		got = append(got, k.ID)
	}
	require.Equal(t, append(made[2:], last.Key.ID), got)
	wantKind(t, w.core.DeletePendingKey(t.Context(), w.admin, w.tenant, "bob", last.Key.ID), provisioning.KeyNotFound)
	require.NoError(t, w.core.DeletePendingKey(t.Context(), w.admin, w.tenant, "alice", last.Key.ID))
	require.NoError(t, w.core.SweepPendingKeys(t.Context()), "nothing is to be swept")
}

// Tokens are listed by label and holder page by page, also where many others are between them.
func TestListPages(t *testing.T) {
	w := newWorld(t)
	w.user("bob", true)
	want := map[string][]record.TokenID{}
	for i := range 12 {
		label, user := fmt.Sprint("label ", i%3), []string{"alice", "bob"}[i%2]
		made, err := w.core.CreateToken(t.Context(), w.admin, provisioning.NewToken{Tenant: w.tenant, User: user, Label: label})
		require.NoError(t, err)
		want[label] = append(want[label], made.ID)
		want[user+label] = append(want[user+label], made.ID)
	}
	all := func(f provisioning.TokenFilter) (ids []record.TokenID, pages int) {
		for {
			page, err := w.core.ListTokens(t.Context(), w.admin, f)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Tokens), f.Limit)
			pages++
			for _, tok := range page.Tokens {
				ids = append(ids, tok.ID)
			}
			if f.Cursor = page.Next; f.Cursor == "" {
				return ids, pages
			}
		}
	}
	for limit, pages := range map[int]int{1: 4, 2: 2, 3: 2, 4: 1, 5: 1} {
		got, n := all(provisioning.TokenFilter{Tenant: w.tenant, Label: "label 1", Limit: limit})
		require.Equal(t, want["label 1"], got)
		require.Equal(t, pages, n, "pages of %d", limit)
	}
	got, _ := all(provisioning.TokenFilter{Tenant: w.tenant, Label: "label 1", User: "bob", Limit: 1})
	require.Equal(t, want["boblabel 1"], got)
	got, _ = all(provisioning.TokenFilter{Tenant: w.tenant, Limit: 5})
	require.Len(t, got, 13)
	got, _ = all(provisioning.TokenFilter{Tenant: w.tenant, Label: "none", Limit: 5})
	require.Empty(t, got)
	_, err := w.core.ListTokens(t.Context(), w.admin, provisioning.TokenFilter{Tenant: w.tenant, User: "nobody"})
	wantKind(t, err, provisioning.UserNotFound)
	_, err = w.core.ListTokens(t.Context(), w.admin, provisioning.TokenFilter{Tenant: w.tenant, Cursor: "-1"})
	wantKind(t, err, provisioning.BadInput)
}

// What a caller asks for is checked for the caller's rights and tenant before anything else.
func TestRefusals(t *testing.T) {
	w, tenant, ref := prepared(t)
	ctx, k := t.Context(), w.core
	const nowhere = "11111111-2222-4333-8444-555555555555"
	viewer := provisioning.Caller{Name: "x", Tenant: tenant, Role: record.RoleView}
	editor := provisioning.Caller{Name: "x", Tenant: tenant, Role: record.RoleEdit}
	group, err := k.CreateGroup(ctx, w.system, w.tenant, "theirs")
	require.NoError(t, err)
	bare := provisioning.TokenRef{Tenant: tenant, ID: w.free}
	cert := issue(t, "alice", nil, w.now.Add(time.Hour)).cert.Raw
	chain := func(n int) (der []byte) {
		for range n {
			der = append(der, cert...)
		}
		return der
	}
	for name, c := range map[string]struct {
		want provisioning.Kind
		do   func() error
	}{
		"CSR":        {provisioning.Forbidden, func() error { _, err := k.GenerateCSR(ctx, viewer, tenant, "alice", provisioning.NewCSR{}); return err }},
		"list CSRs":  {provisioning.Forbidden, func() error { _, err := k.PendingKeys(ctx, viewer, w.tenant, "alice"); return err }},
		"delete CSR": {provisioning.Forbidden, func() error { return k.DeletePendingKey(ctx, viewer, tenant, "alice", nowhere) }},
		"list tokens": {provisioning.Forbidden, func() error {
			_, err := k.ListTokens(ctx, viewer, provisioning.TokenFilter{Tenant: w.tenant})
			return err
		}},
		"search": {provisioning.Forbidden, func() error {
			_, err := k.SearchTokens(ctx, viewer, provisioning.TokenSearch{Tenant: w.tenant})
			return err
		}},
		"decrypt": {provisioning.Forbidden, func() error { _, err := k.Decrypt(ctx, viewer, w.tenant, "x"); return err }},
		"map a new user": {provisioning.Forbidden, func() error {
			_, err := k.CreateUser(ctx, viewer, tenant, "new", "#1000")
			return err
		}},
		"create users of rows": {provisioning.Forbidden, func() error {
			c := provisioning.Caller{Name: "x", Tenant: tenant, Role: record.MayEdit.Role()}
			_, err := k.AssignTokens(ctx, c, tenant, nil, provisioning.BatchOptions{CreateUsers: true})
			return err
		}},
		"share without the right": {provisioning.Forbidden, func() error {
			_, err := k.Assign(ctx, viewer, ref, provisioning.Assign{User: "idle", Share: true})
			return err
		}},
		"keep keys without the right": {provisioning.Forbidden, func() error {
			_, err := k.Assign(ctx, editor, bare, provisioning.Assign{User: "idle", KeepKeys: true})
			return err
		}},
		"label with a bad one": {provisioning.BadInput, func() error {
			_, err := k.Assign(ctx, w.system, bare, provisioning.Assign{User: "idle", Label: "\xff"})
			return err
		}},
		"device with a bad name": {provisioning.BadInput, func() error { _, err := k.Download(ctx, w.system, ref, " x"); return err }},
		"device of a seed": {provisioning.BadInput, func() error {
			_, err := k.EnrolOTP(ctx, w.system, ref, provisioning.Enrolment{Device: " "})
			return err
		}},
		"challenge with a bad text": {provisioning.BadInput, func() error { _, _, err := k.UnlockByChallenge(ctx, w.system, ref, " x"); return err }},
		"group of another tenant": {provisioning.GroupNotFound, func() error {
			_, err := k.SetGroups(ctx, w.system, bare, []record.GroupID{w.group, group.ID})
			return err
		}},
		"group of nobody": {provisioning.GroupNotFound, func() error { return k.DeleteGroup(ctx, w.system, tenant, nowhere) }},
		"unassign from another": {provisioning.WrongState, func() error {
			_, err := k.Unassign(ctx, w.system, ref, "idle")
			return err
		}},
		"part of another": {provisioning.WrongState, func() error {
			_, err := k.SetHolder(ctx, w.system, ref, "idle", provisioning.HolderChange{})
			return err
		}},
		"unassign from nobody": {provisioning.UserNotFound, func() error { _, err := k.Unassign(ctx, w.system, ref, "nobody"); return err }},
		"enable without a holder": {provisioning.WrongState, func() error {
			_, err := k.SetEnabled(ctx, w.system, bare, true, provisioning.EnableRule{Held: true})
			return err
		}},
		"enable before it is activated": {provisioning.WrongState, func() error {
			_, err := k.SetEnabled(ctx, w.system, ref, true, provisioning.EnableRule{Activated: true})
			return err
		}},
		"enable again": {provisioning.WrongState, func() error {
			_, err := k.SetEnabled(ctx, w.system, ref, true, provisioning.EnableRule{Change: true})
			return err
		}},
		"search in no tenant": {provisioning.TenantNotFound, func() error {
			_, err := k.SearchTokens(ctx, w.system, provisioning.TokenSearch{Tenant: nowhere})
			return err
		}},
		"list in no tenant": {provisioning.TenantNotFound, func() error {
			_, err := k.ListTokens(ctx, w.system, provisioning.TokenFilter{Tenant: nowhere})
			return err
		}},
		"tenant of nobody": {provisioning.Unauthenticated, func() error { _, err := k.TenantNamed(ctx, provisioning.Caller{}, ""); return err }},
		"too many certificates": {provisioning.BadInput, func() error {
			_, err := k.StoreCertificate(ctx, w.system, ref, "", chain(pfx.MaxCertificates+1))
			return err
		}},
		"as many as there may be": {provisioning.BadInput, func() error {
			_, err := k.StoreCertificate(ctx, w.system, ref, "", chain(pfx.MaxCertificates))
			if err != nil {
				require.ErrorContains(t, err, "has no key for this certificate")
			}
			return err
		}},
		"quota of nobody": {provisioning.TenantNotFound, func() error { _, err := k.SetTenantQuota(ctx, w.system, nowhere, nil, nil); return err }},
	} {
		before := w.store.Commits()
		err := c.do()
		require.Error(t, err, name)
		require.Equal(t, c.want, provisioning.KindOf(err), "%s: %v", name, err)
		require.Equal(t, before, w.store.Commits(), name)
	}
	require.NoError(t, k.Warm(ctx))
	got, err := k.Token(ctx, w.system, ref)
	require.NoError(t, err)
	require.True(t, got.Can(provisioning.OpTokenDelete))
	require.False(t, got.Can(provisioning.OpTokenVerify))
	_, err = k.SetEnabled(ctx, w.system, ref, true, provisioning.EnableRule{Held: true})
	require.NoError(t, err)
}

// The change of a holder takes no step that the state of the token forbids.
func TestStepsOfAHolder(t *testing.T) {
	w, tenant, ref := prepared(t)
	_, err := w.core.Complete(t.Context(), w.system, ref, false)
	require.NoError(t, err)
	before := w.store.Commits()
	_, err = w.core.SetHolder(t.Context(), w.system, ref, "alice", provisioning.HolderChange{PIN: provisioning.PINChange{Clear: true}})
	wantKind(t, err, provisioning.Sealed)
	viewer := provisioning.Caller{Name: "x", Tenant: tenant, Role: record.RoleView}
	_, err = w.core.SetHolder(t.Context(), viewer, ref, "alice",
		provisioning.HolderChange{PIN: provisioning.PINChange{New: secret.Bytes(goodPIN)}})
	wantKind(t, err, provisioning.Forbidden)
	require.Equal(t, before, w.store.Commits())
}

// A signer's key is RSA of 2048 to 8192 bits, or EC on P-256.
func TestKeysOfSigners(t *testing.T) {
	w := newWorld(t)
	rsaOf := func(bits uint) []byte {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537})
		require.NoError(t, err)
		return der
	}
	p256, p384 := spki(t, elliptic.P256()), spki(t, elliptic.P384())
	for i, c := range []struct {
		key []byte
		ok  bool
	}{
		{rsaOf(2047), false}, {rsaOf(2048), true}, {rsaOf(8192), true}, {rsaOf(8193), false}, {p256, true}, {p384, false}, {[]byte("x"), false},
	} {
		_, private, err := w.core.CreateAPIKey(t.Context(), w.admin, w.tenant, provisioning.NewAPIKey{
			Name: fmt.Sprint("key ", i), Dialect: "some", Kind: provisioning.Signer, PublicKey: c.key})
		if !c.ok {
			wantKind(t, err, provisioning.BadInput)
			continue
		}
		require.NoError(t, err, "key %d", i)
		require.Nil(t, private)
	}
	for _, n := range []provisioning.NewAPIKey{
		{Name: "x", Kind: provisioning.Signer + 100},
		{Name: "x", Kind: provisioning.SharedSecret, Dialect: "some", PublicKey: p256},
		{Name: "x", Kind: provisioning.BearerKey, ID: "id"},
		{Name: "x", Kind: provisioning.BearerKey, Dialect: "some"},
		{Name: "x", Kind: provisioning.BearerKey, Certificate: []byte("x")},
		{Name: "x", Kind: provisioning.SharedSecret},
		{Name: "x", Kind: provisioning.SharedSecret, Dialect: "some", Certificate: []byte("x")},
		{Name: "x", Kind: provisioning.SharedSecret, Dialect: "some", ID: " "},
		{Name: "x", Kind: provisioning.Signer, Dialect: "some", Certificate: []byte("x")},
	} {
		_, _, err := w.core.CreateAPIKey(t.Context(), w.admin, w.tenant, n)
		wantKind(t, err, provisioning.BadInput)
	}
}
