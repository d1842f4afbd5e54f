package provisioning_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

func TestTenants(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	made, err := w.core.CreateTenant(ctx, w.system, "Zweite")
	if err != nil || made.ID == "" || made.Name != "Zweite" {
		t.Fatalf("%+v (%v)", made, err)
	}
	_, err = w.core.CreateTenant(ctx, w.system, "Zweite")
	wantKind(t, err, provisioning.Conflict)
	for _, name := range []string{"", " x", "x ", "a\nb", strings.Repeat("x", 256), "\xff"} {
		_, err = w.core.CreateTenant(ctx, w.system, name)
		wantKind(t, err, provisioning.BadInput)
	}
	for _, name := range []string{"Zweite", string(made.ID)} {
		if got, err := w.core.TenantNamed(ctx, w.system, name); err != nil || !reflect.DeepEqual(got, made) {
			t.Errorf("named %q: %+v (%v)", name, got, err)
		}
	}
	if got, err := w.core.TenantNamed(ctx, w.admin, ""); err != nil || got.ID != w.tenant {
		t.Errorf("the caller's own: %+v (%v)", got, err)
	}
	_, err = w.core.TenantNamed(ctx, w.admin, "Zweite")
	wantKind(t, err, provisioning.TenantNotFound)

	wantKind(t, w.core.DeleteTenant(ctx, w.system, w.tenant, true), provisioning.WrongState) // the default one
	_, err = w.core.CreateToken(ctx, w.system, provisioning.NewToken{Tenant: made.ID, User: "u", CreateUser: true})
	require.NoError(t, err)
	wantKind(t, w.core.DeleteTenant(ctx, w.system, made.ID, false), provisioning.WrongState)
	require.NoError(t, w.core.DeleteTenant(ctx, w.system, made.ID, true))
	_, err = w.core.Tenant(ctx, w.system, made.ID)
	wantKind(t, err, provisioning.TenantNotFound)
}

func TestUsers(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	u, err := w.core.CreateUser(ctx, w.admin, w.tenant, "bob@example.org")
	if err != nil || !u.Enabled || u.ID == "" {
		t.Fatalf("%+v (%v)", u, err)
	}
	_, err = w.core.CreateUser(ctx, w.admin, w.tenant, "bob@example.org")
	wantKind(t, err, provisioning.Conflict)
	_, err = w.core.CreateUser(ctx, w.admin, w.tenant, "")
	wantKind(t, err, provisioning.BadInput)
	for _, name := range []string{"bob@example.org", string(u.ID), strings.ToUpper(string(u.ID))} {
		if got, err := w.core.User(ctx, w.admin, w.tenant, name); err != nil || got.ID != u.ID {
			t.Errorf("%q: %+v (%v)", name, got, err)
		}
	}
	_, err = w.core.MapUser(ctx, w.admin, w.tenant, "bob@example.org", []string{"bob", "#1000"})
	wantKind(t, err, provisioning.Forbidden)
	got, err := w.core.MapUser(ctx, w.system, w.tenant, "bob@example.org", []string{"bob", "#1000"})
	if err != nil || fmt.Sprint(got.OSUsers) != "[bob #1000]" {
		t.Errorf("%+v (%v)", got, err)
	}
	for _, list := range [][]string{{"#x"}, {"#4294967296"}, {""}, {"a\x00"}, make([]string, 65)} {
		_, err := w.core.MapUser(ctx, w.admin, w.tenant, "bob@example.org", list)
		wantKind(t, err, provisioning.BadInput)
	}
	for _, on := range []bool{false, false, true} {
		if got, err := w.core.SetUserEnabled(ctx, w.admin, w.tenant, "bob@example.org", on); err != nil || got.Enabled != on || len(got.OSUsers) != 2 {
			t.Errorf("%+v (%v)", got, err)
		}
	}
	list, err := w.core.Users(ctx, w.admin, w.tenant)
	if err != nil || len(list) != 2 || list[0].Login != "alice" {
		t.Errorf("%+v (%v)", list, err)
	}
	_, err = w.core.SetUserEnabled(ctx, w.admin, w.tenant, "alice", false)
	require.NoError(t, err)
	_, err = w.core.CreateToken(ctx, w.admin, provisioning.NewToken{Tenant: w.tenant, User: "alice"})
	wantKind(t, err, provisioning.WrongState)
}

func TestAPIKeys(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	k, key, err := w.core.CreateAPIKey(ctx, w.admin, w.tenant, provisioning.NewAPIKey{Name: "ci", ExpiresAt: w.now.Add(time.Hour)})
	if err != nil || k.Role != record.RoleAdmin {
		t.Fatalf("%+v (%v)", k, err)
	}
	if raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(string(key), provisioning.APIKeyPrefix)); err != nil || len(raw) != 32 {
		t.Errorf("the key is no prefix and 256 bits (%v)", err)
	}
	c, err := w.core.Authenticate(ctx, key)
	if err != nil || c != (provisioning.Caller{Name: "ci", Tenant: w.tenant, Role: record.RoleAdmin}) {
		t.Errorf("%+v (%v)", c, err)
	}
	_, _, err = w.core.CreateAPIKey(ctx, w.admin, w.tenant, provisioning.NewAPIKey{Name: "ci"})
	wantKind(t, err, provisioning.Conflict)
	for name, n := range map[string]provisioning.NewAPIKey{
		"no name": {}, "no such role": {Name: "x", Role: "root"}, "expired": {Name: "x", ExpiresAt: w.now},
	} {
		if _, _, err = w.core.CreateAPIKey(ctx, w.admin, w.tenant, n); provisioning.KindOf(err) != provisioning.BadInput {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err = w.core.CreateAPIKey(ctx, w.admin, w.tenant, provisioning.NewAPIKey{Name: "x", Role: record.RoleSystem})
	wantKind(t, err, provisioning.Forbidden) // nobody makes a key above their own
	_, _, err = w.core.CreateAPIKey(ctx, w.system, w.tenant, provisioning.NewAPIKey{Name: "sys", Role: record.RoleSystem})
	require.NoError(t, err)
	wantKind(t, w.core.RevokeAPIKey(ctx, w.admin, w.tenant, "sys"), provisioning.Forbidden)
	list, err := w.core.APIKeys(ctx, w.admin, w.tenant)
	if err != nil || len(list) != 2 || strings.Contains(fmt.Sprintf("%+v", list), string(key)) {
		t.Errorf("%+v (%v)", list, err)
	}

	refused := func(key secret.Bytes) string {
		_, err := w.core.Authenticate(ctx, key)
		wantKind(t, err, provisioning.Unauthenticated)
		return err.Error()
	}
	unknown := refused(secret.Bytes(provisioning.APIKeyPrefix + "nope"))
	for _, other := range []secret.Bytes{secret.Bytes("x"), key[:len(key)-1], bytes.Repeat(secret.Bytes("x"), 1<<16)} {
		if refused(other) != unknown {
			t.Error("the answer tells one bad key from another")
		}
	}
	refused(nil)
	w.now = w.now.Add(time.Hour)
	if refused(key) != unknown {
		t.Error("an expired key is told from an unknown one")
	}
	w.now = w.now.Add(-time.Hour)
	require.NoError(t, w.core.RevokeAPIKey(ctx, w.admin, w.tenant, "ci"))
	wantKind(t, w.core.RevokeAPIKey(ctx, w.admin, w.tenant, "ci"), provisioning.KeyNotFound)
	if refused(key) != unknown {
		t.Error("a revoked key is told from an unknown one")
	}
}

func TestCreateToken(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	full := provisioning.NewToken{
		Tenant: w.tenant, User: "alice", Label: "Karte", MaxRSABits: 2048, Complete: true,
		UserPIN: secret.Bytes("1234"), SOPIN: secret.Bytes("87654321"),
	}
	got, err := w.core.CreateToken(ctx, w.admin, full)
	if err != nil || got.Label != "Karte" || !got.Complete || !got.Enabled || got.MaxRSABits != 2048 || got.Login != "alice" ||
		!got.UserPIN.Set || !got.SOPIN.Set || got.UserPIN.TriesLeft != 10 || len(got.Serial) != 16 {
		t.Fatalf("%+v (%v)", got, err)
	}
	if !w.store.HasPIN(got.ID, pin.User, secret.Bytes("1234")) || !w.store.HasPIN(got.ID, pin.SO, secret.Bytes("87654321")) {
		t.Error("the PINs are not those that were asked for")
	}
	bare, err := w.core.CreateToken(ctx, w.admin, provisioning.NewToken{Tenant: w.tenant, User: "alice"})
	if err != nil || bare.Label != bare.Serial || bare.MaxRSABits != 8192 || bare.UserPIN.Set || bare.SOPIN.Set {
		t.Errorf("%+v (%v)", bare, err) // there are no default PINs
	}
	before := w.store.Commits()
	for name, c := range map[string]struct {
		change func(*provisioning.NewToken)
		kind   provisioning.Kind
	}{
		"no user":              {func(n *provisioning.NewToken) { n.User = "" }, provisioning.BadInput},
		"unknown user":         {func(n *provisioning.NewToken) { n.User = "nobody" }, provisioning.UserNotFound},
		"bad login":            {func(n *provisioning.NewToken) { n.User, n.CreateUser = "a\x00", true }, provisioning.BadInput},
		"label of 256 bytes":   {func(n *provisioning.NewToken) { n.Label = strings.Repeat("é", 128) }, provisioning.BadInput},
		"label with a newline": {func(n *provisioning.NewToken) { n.Label = "a\nb" }, provisioning.BadInput},
		"RSA of 3072":          {func(n *provisioning.NewToken) { n.MaxRSABits = 3072 }, provisioning.BadInput},
		"short PIN":            {func(n *provisioning.NewToken) { n.UserPIN = secret.Bytes("123") }, provisioning.BadInput},
		"empty PIN":            {func(n *provisioning.NewToken) { n.SOPIN = secret.Bytes{} }, provisioning.BadInput},
		"complete without PIN": {func(n *provisioning.NewToken) { n.UserPIN = nil }, provisioning.BadInput},
	} {
		n := full
		c.change(&n)
		if _, err := w.core.CreateToken(ctx, w.admin, n); provisioning.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
	_, err = w.core.CreateToken(ctx, w.system, provisioning.NewToken{Tenant: "11111111-2222-4333-8444-555555555555", User: "x", CreateUser: true})
	wantKind(t, err, provisioning.TenantNotFound)
	if w.store.Commits() != before {
		t.Error("a refused token left something behind")
	}
	if list, err := w.core.TokensOf(ctx, w.admin, w.tenant, "alice"); err != nil || len(list) != 3 {
		t.Errorf("%d tokens (%v)", len(list), err)
	}
	_, err = w.core.TokensOf(ctx, w.admin, w.tenant, "nobody")
	wantKind(t, err, provisioning.UserNotFound)
}

func TestComplete(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.core.Complete(ctx, w.admin, w.ref, false)
	wantKind(t, err, provisioning.WrongState) // no user PIN
	got, err := w.core.Complete(ctx, w.admin, w.ref, true)
	if err != nil || !got.Complete {
		t.Errorf("%+v (%v)", got, err)
	}
	_, err = w.core.Complete(ctx, w.admin, w.ref, true)
	wantKind(t, err, provisioning.Sealed)
	for _, on := range []bool{false, false, true} {
		if got, err := w.core.SetEnabled(ctx, w.admin, w.ref, on, provisioning.EnableRule{}); err != nil || got.Enabled != on {
			t.Errorf("%+v (%v)", got, err)
		}
	}
	require.NoError(t, w.core.DeleteToken(ctx, w.admin, w.ref))
	wantKind(t, w.core.DeleteToken(ctx, w.admin, w.ref), provisioning.TokenNotFound)
}

func TestLabels(t *testing.T) {
	w := newWorld(t)
	rule := provisioning.LabelRule{MaxChars: 32}
	for label, ok := range map[string]bool{
		"": false, "x": true, strings.Repeat("漢", 32): true, strings.Repeat("x", 33): false, "a\tb": false, "\xff": false,
	} {
		got, err := w.core.SetLabel(t.Context(), w.admin, w.ref, label, rule)
		if ok && (err != nil || got.Label != label) {
			t.Errorf("%q: %+v (%v)", label, got, err)
		} else if !ok && provisioning.KindOf(err) != provisioning.BadInput {
			t.Errorf("%q: %v", label, err)
		}
	}
	if _, err := w.core.SetLabel(t.Context(), w.admin, w.ref, strings.Repeat("x", 255), provisioning.LabelRule{}); err != nil {
		t.Errorf("without the rule: %v", err)
	}
}

func TestResetPIN(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	rule := provisioning.PINRule{MinLen: 48, MaxLen: 48, Hex: true}
	for p, ok := range map[string]bool{
		strings.Repeat("aB", 24): true, strings.Repeat("a", 47): false, strings.Repeat("a", 49): false, strings.Repeat("g", 48): false, "": false,
	} {
		err := w.core.ResetPIN(ctx, w.admin, w.ref, pin.SO, secret.Bytes(p), rule)
		if ok != (err == nil) || !ok && provisioning.KindOf(err) != provisioning.BadInput {
			t.Errorf("%d characters: %v", len(p), err)
		}
		if err != nil && p != "" && strings.Contains(err.Error(), p) {
			t.Error("the error tells the PIN")
		}
	}
	wantKind(t, w.core.ResetPIN(ctx, w.admin, w.ref, pin.User, secret.Bytes("\xff\xff\xff\xff\xff"), provisioning.PINRule{}), provisioning.BadInput)
	_, err := w.core.UnlockPIN(ctx, w.admin, w.ref, pin.User)
	wantKind(t, err, provisioning.WrongState)

	reset := func(p string) {
		t.Helper()
		require.NoError(t, w.core.ResetPIN(ctx, w.admin, w.ref, pin.User, secret.Bytes(p), provisioning.PINRule{MinLen: 8, MaxLen: 25}))
		got, err := w.core.Token(ctx, w.admin, w.ref)
		if err != nil || !got.UserPIN.Set || got.UserPIN.Locked || got.UserPIN.TriesLeft != 10 || !w.store.HasPIN(w.ref.ID, pin.User, secret.Bytes(p)) {
			t.Errorf("%+v (%v)", got.UserPIN, err)
		}
	}
	reset("Grüße an dich") // 13 characters, 15 bytes
	w.store.Tries(w.ref.ID, pin.User, 10)
	if got, _ := w.core.Token(ctx, w.admin, w.ref); !got.UserPIN.Locked || got.UserPIN.TriesLeft != 0 {
		t.Errorf("%+v", got.UserPIN)
	}
	reset("87654321")
	w.store.Tries(w.ref.ID, pin.User, 10)
	if got, err := w.core.UnlockPIN(ctx, w.admin, w.ref, pin.User); err != nil || got.UserPIN.Locked || !w.store.HasPIN(w.ref.ID, pin.User, secret.Bytes("87654321")) {
		t.Errorf("%+v (%v)", got.UserPIN, err)
	}
	for name, want := range map[string]pin.Role{"user": pin.User, "User": pin.User, "SO": pin.SO, "Admin": pin.SO} {
		if got, err := provisioning.ParseRole(name); err != nil || got != want {
			t.Errorf("%q: %v (%v)", name, got, err)
		}
	}
	_, err = provisioning.ParseRole("root")
	wantKind(t, err, provisioning.RoleNotFound)
}

func TestListTokens(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	want := []record.TokenID{w.ref.ID}
	for i := range 24 {
		n := provisioning.NewToken{Tenant: w.tenant, User: "alice", Label: fmt.Sprint("label ", i%5)}
		if i%3 == 0 {
			n.User, n.CreateUser = "bob", true
		}
		got, err := w.core.CreateToken(ctx, w.admin, n)
		require.NoError(t, err)
		want = append(want, got.ID)
	}
	read := func(f provisioning.TokenFilter) (ids []record.TokenID) {
		t.Helper()
		for range 100 {
			f.Tenant = w.tenant
			page, err := w.core.ListTokens(ctx, w.admin, f)
			if err != nil || len(page.Tokens) > f.Limit && f.Limit > 0 || len(page.Tokens) == 0 && page.Next != "" {
				t.Fatalf("%d tokens (%v)", len(page.Tokens), err)
			}
			for _, token := range page.Tokens {
				ids = append(ids, token.ID)
			}
			if f.Cursor = page.Next; f.Cursor == "" {
				return ids
			}
		}
		t.Fatal("the pages never end")
		return nil
	}
	for _, limit := range []int{0, 1, 5, 7, 24, 25, 26} {
		if got := read(provisioning.TokenFilter{Limit: limit}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("limit %d: %v, want %v", limit, got, want)
		}
	}
	if got := read(provisioning.TokenFilter{Limit: 3, User: "bob"}); len(got) != 8 {
		t.Errorf("bob has %d tokens", len(got))
	}
	if got := read(provisioning.TokenFilter{Limit: 2, User: "bob", Label: "label 0"}); len(got) != 2 {
		t.Errorf("%d of bob's tokens have that label", len(got))
	}
	for _, f := range []provisioning.TokenFilter{{Limit: -1}, {Limit: 1001}, {Cursor: "x"}, {Cursor: "-1"}} {
		f.Tenant = w.tenant
		_, err := w.core.ListTokens(ctx, w.admin, f)
		wantKind(t, err, provisioning.BadInput)
	}
}

func TestExchangeKey(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	keys := make([]*rsa.PublicKey, 4)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = w.core.ExchangeKey(ctx, w.admin, w.tenant); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, k := range keys[1:] {
		if !k.Equal(keys[0]) || k.N.BitLen() != 2048 {
			t.Fatal("callers at the same time got different keys")
		}
	}
	sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, keys[0], []byte("geheim"), nil)
	require.NoError(t, err)
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
		if got, err := w.core.Decrypt(ctx, w.admin, w.tenant, enc.EncodeToString(sealed)); err != nil || string(got) != "geheim" {
			t.Errorf("%v", err)
		}
	}
	labelled, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, keys[0], []byte("geheim"), []byte("label"))
	require.NoError(t, err)
	var first string
	for _, text := range []string{"", "!", base64.StdEncoding.EncodeToString(labelled), base64.StdEncoding.EncodeToString(sealed[1:]), strings.Repeat("A", 5000)} {
		_, err := w.core.Decrypt(ctx, w.admin, w.tenant, text)
		wantKind(t, err, provisioning.BadInput)
		if first == "" {
			first = err.Error()
		} else if err.Error() != first {
			t.Error("the answer tells how decryption failed")
		}
	}
}

func TestErrors(t *testing.T) {
	for _, k := range provisioning.Kinds() {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
		if got := provisioning.KindOf(fmt.Errorf("around: %w", provisioning.Errorf(k, "inside"))); got != k {
			t.Errorf("%v became %v", k, got)
		}
	}
	if got := provisioning.KindOf(ck.Errorf(ck.CKR_DEVICE_MEMORY, "x")); got != provisioning.StorageFull {
		t.Errorf("a full disk is %v", got)
	}
	cause := errors.New("canary")
	if e := provisioning.AsError(cause); e.Kind != provisioning.Internal || strings.Contains(e.Detail, "canary") || !errors.Is(e, cause) {
		t.Errorf("%+v", e)
	}
}

func TestParseID(t *testing.T) {
	const good = "123e4567-e89b-42d3-a456-426614174000"
	if got, err := provisioning.ParseID[record.TokenID]("token", strings.ToUpper(good)); err != nil || got != good {
		t.Errorf("%q (%v)", got, err)
	}
	for _, bad := range []string{"", "x", good[1:], good + "0", "{" + good + "}", "urn:uuid:" + good, strings.ReplaceAll(good, "-", ""), strings.Replace(good, "1", "g", 1)} {
		_, err := provisioning.ParseID[record.TokenID]("token", bad)
		wantKind(t, err, provisioning.BadInput)
	}
}
