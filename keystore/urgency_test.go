package keystore

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/policy"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// pinState is the state of a PIN.
type pinState = pin.State

// taking says of a field of a record what a change that takes something away looks like.
type taking[T any] struct {
	change  func(r *T) // nil: no change of the field takes anything away
	urgency urgency
	codes   bool
}

// leaves are the names of the fields of a record, with those of structs in it.
func leaves(t reflect.Type, prefix string) (names []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[time.Time]() && f.Type != reflect.TypeFor[policy.Policy]():
			names = append(names, leaves(f.Type, prefix+f.Name+".")...)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			names = append(names, leaves(f.Type.Elem(), prefix+f.Name+".")...)
		default:
			names = append(names, prefix+f.Name)
		}
	}
	return names
}

// everyField checks that the table has each field, and what each change of it is.
func everyField[T any](t *testing.T, losses []loss[T], full func() *T, table map[string]taking[T]) {
	t.Helper()
	names := leaves(reflect.TypeFor[T](), "")
	for name := range table {
		require.Contains(t, names, name)
	}
	seen := map[string]bool{}
	for _, name := range names {
		row, is := table[name]
		require.True(t, is, "%s: say whether a change of it takes something away", name)
		if row.change == nil {
			continue
		}
		was, now := full(), full()
		row.change(now)
		u, codes := urgencyOf(losses, was, now)
		require.Equal(t, row.urgency, u, name)
		require.Equal(t, row.codes, codes, name)
		for _, l := range losses {
			seen[l.what] = seen[l.what] || l.taken(was, now)
		}
		t.Logf("%-32s %d", name, u)
	}
	same, _ := urgencyOf(losses, full(), full())
	if reflect.TypeFor[T]() != reflect.TypeFor[record.Tenant]() {
		require.Equal(t, atLeisure, same)
	}
	for _, l := range losses {
		require.True(t, seen[l.what], "no row shows %q", l.what)
	}
}

// TestWhatTakesAway goes over every field of every record that a caller can change.
func TestWhatTakesAway(t *testing.T) {
	now := time.Now()
	type token = taking[record.Token]
	no := token{}
	prompt := func(change func(r *record.Token)) token { return token{change, promptly, false} }
	code := func(change func(r *record.Token)) token { return token{change, promptly, true} }
	tokens := map[string]token{
		"ID": no, "Tenant": no, "Slot": no, "Serial": no, "Label": no, "Kind": no,
		"Product.Manufacturer": no, "Product.Model": no, "Product.Repository": no, "Product.Hardware": no,
		"Holders.User":       prompt(func(r *record.Token) { r.Holders = nil }),
		"Holders.Suspended":  prompt(func(r *record.Token) { r.Holders[0].Suspended = true }),
		"Holders.Starts":     prompt(func(r *record.Token) { r.Holders[0].Starts = now.Add(time.Hour) }),
		"Holders.Expires":    prompt(func(r *record.Token) { r.Holders[0].Expires = now }),
		"Holders.UsageLimit": prompt(func(r *record.Token) { r.Holders[0].UsageLimit-- }),
		"Holders.Uses":       code(func(r *record.Token) { r.Holders[0].Uses++ }),
		"Holders.At":         no, "Holders.By": no, "Holders.Priority": no,
		"LastHolder": no, "Initialized": no, "EnabledAt": no, "EnabledBy": no, "LastUsedAt": no,
		"Groups":         prompt(func(r *record.Token) { r.Groups = []record.GroupID{"x"} }),
		"Activation":     prompt(func(r *record.Token) { r.Activation = record.ActivationNew }),
		"Code.Hash":      code(func(r *record.Token) { r.Code.Hash = nil }),
		"Code.ExpiresAt": code(func(r *record.Token) { r.Code.ExpiresAt = now }),
		"Code.Failed":    code(func(r *record.Token) { r.Code.Failed++ }),
		"Complete":       prompt(func(r *record.Token) { r.Complete = true }),
		"Enabled":        prompt(func(r *record.Token) { r.Enabled = false }),
		"Deceased":       prompt(func(r *record.Token) { r.Deceased = true }),
		"Confined":       prompt(func(r *record.Token) { r.Confined = true }),
		"Device":         prompt(func(r *record.Token) { r.Device = "a phone" }),
		"ExpiresAt":      prompt(func(r *record.Token) { r.ExpiresAt = now }),
		"OTP.Key":        prompt(func(r *record.Token) { r.OTP.Key++ }),
		"OTP.Period":     no, "OTP.Hash": no, "OTP.Digits": no, "OTP.Drift": no,
		"OTP.Next":     code(func(r *record.Token) { r.OTP.Next++ }),
		"OTP.Window":   prompt(func(r *record.Token) { r.OTP.Window = 1 }),
		"OTP.Failed":   code(func(r *record.Token) { r.OTP.Failed++ }),
		"OTP.Enrolled": code(func(r *record.Token) { r.OTP.Enrolled = true }),
		"OTP.Unlocks":  prompt(func(r *record.Token) { r.OTP.Unlocks[0]++ }),
		"MaxRSABits":   prompt(func(r *record.Token) { r.MaxRSABits = 2048 }),
		"Policy":       prompt(func(r *record.Token) { r.Policy.Mechanisms = nil }),
		"PINBound":     no, "BoundKey": no, "CreatedAt": no, "Version": no,
	}
	for _, name := range []string{"UserPIN", "SOPIN"} {
		of := func(r *record.Token) *pinState {
			if name == "SOPIN" {
				return &r.SOPIN
			}
			return &r.UserPIN
		}
		tokens[name+".Policy.MinLen"] = prompt(func(r *record.Token) { of(r).Policy.MinLen++ })
		tokens[name+".Policy.MaxLen"] = prompt(func(r *record.Token) { of(r).Policy.MaxLen-- })
		tokens[name+".Policy.MaxTries"] = prompt(func(r *record.Token) { of(r).Policy.MaxTries-- })
		tokens[name+".Verifier"] = prompt(func(r *record.Token) { of(r).Verifier = []byte("another") })
		tokens[name+".Failed"] = token{func(r *record.Token) { of(r).Failed++ }, strictly, false}
		tokens[name+".Unlocks"] = prompt(func(r *record.Token) { of(r).Unlocks[0]++ })
		tokens[name+".ToBeChanged"] = prompt(func(r *record.Token) { of(r).ToBeChanged = true })
		tokens[name+".ChangedAt"] = no
	}
	everyField(t, tokenLosses, func() *record.Token {
		pins := pinState{Verifier: []byte("verifier"), Failed: 1}
		return &record.Token{
			Holders:    []record.Assignment{{User: "u", UsageLimit: 5}},
			Activation: record.Activated, Enabled: true, Code: record.ActivationCode{Hash: []byte("h")},
			OTP: record.OTP{Key: 1, Window: 3}, MaxRSABits: 4096, UserPIN: pins, SOPIN: pins,
			Policy: policy.Policy{Name: "n", Mechanisms: []ck.MechanismType{1}},
		}
	}, tokens)

	type user = taking[record.User]
	everyField(t, userLosses, func() *record.User {
		return &record.User{Login: "l", Enabled: true, OSUsers: []string{"a", "b"}, Aliases: []string{"c"}}
	}, map[string]user{
		"ID": {}, "Tenant": {}, "Domain": {}, "CreatedAt": {},
		"Login":     {func(u *record.User) { u.Login = "other" }, promptly, false},
		"Enabled":   {func(u *record.User) { u.Enabled = false }, promptly, false},
		"OSUsers":   {func(u *record.User) { u.OSUsers = []string{"a", "c"} }, promptly, false},
		"Aliases":   {func(u *record.User) { u.Aliases = nil }, promptly, false},
		"NotByName": {func(u *record.User) { u.NotByName = true }, promptly, false},
	})
	everyField(t, userLosses, func() *record.User { return &record.User{Login: "l", Enabled: true} }, map[string]user{
		"ID": {}, "Tenant": {}, "Domain": {}, "CreatedAt": {}, "Aliases": {},
		"Login":     {func(u *record.User) { u.Login = "other" }, promptly, false},
		"Enabled":   {func(u *record.User) { u.Enabled = false }, promptly, false},
		"OSUsers":   {func(u *record.User) { u.OSUsers = []string{"a"} }, promptly, false}, // and not by name any more
		"NotByName": {func(u *record.User) { u.NotByName = true }, promptly, false},
	})

	type key = taking[record.APIKey]
	everyField(t, apiKeyLosses, func() *record.APIKey {
		return &record.APIKey{Hash: []byte("h"), Role: record.RoleEdit}
	}, map[string]key{
		"Name": {}, "Tenant": {}, "CreatedAt": {},
		"Hash":            {func(k *record.APIKey) { k.Hash = []byte("other") }, promptly, false},
		"Role":            {func(k *record.APIKey) { k.Role = record.RoleView }, promptly, false},
		"ExpiresAt":       {func(k *record.APIKey) { k.ExpiresAt = now }, promptly, false},
		"Dialect":         {func(k *record.APIKey) { k.Dialect = "x" }, promptly, false},
		"ID":              {func(k *record.APIKey) { k.ID = "x" }, promptly, false},
		"PublicKey":       {func(k *record.APIKey) { k.PublicKey = []byte("x") }, promptly, false},
		"CertificateHash": {func(k *record.APIKey) { k.CertificateHash = []byte("x") }, promptly, false},
	})

	type tenant = taking[record.Tenant]
	everyField(t, tenantLosses, func() *record.Tenant {
		return &record.Tenant{Settings: map[string]secret.Bytes{"a": secret.Bytes("b")}, OSUsers: []string{"a"}}
	}, map[string]tenant{
		"ID": {}, "Name": {}, "CreatedAt": {},
		"ExchangeKey":          {func(t *record.Tenant) { t.ExchangeKey = secret.Bytes("k") }, promptly, false},
		"Policy":               {func(t *record.Tenant) { t.Policy.Name = "x" }, promptly, false},
		"PINBound":             {func(t *record.Tenant) { t.PINBound = true }, promptly, false},
		"NoResume":             {func(t *record.Tenant) { t.NoResume = true }, promptly, false},
		"Quota.Objects":        {func(t *record.Tenant) { t.Quota.Objects = 1 }, promptly, false},
		"Quota.ObjectsPerUser": {func(t *record.Tenant) { t.Quota.ObjectsPerUser = 1 }, promptly, false},
		"Settings":             {func(t *record.Tenant) { t.Settings = nil }, promptly, false},
		"OSUsers":              {func(t *record.Tenant) { t.OSUsers = nil }, promptly, false},
	})
}

// TestWhatIsCounted runs what takes away more than a field, and what does not, against a
// counter: how far that went is what an older copy would be refused by.
func TestWhatIsCounted(t *testing.T) {
	h, _, s, tok := protected(t)
	defer func() { closeStore(t, s) }()
	u := record.User{Tenant: tok.Tenant, Login: "bob", Enabled: true, OSUsers: []string{"bob"}}
	group := record.Group{Tenant: tok.Tenant, Name: "group"}
	var pending record.PendingKey
	var created *object.Object
	other := record.Token{Tenant: tok.Tenant}
	hash := func(text string) []byte { return s.HashAPIKey(secret.Bytes(text)) }
	for _, row := range []struct {
		what    string
		counted bool
		fn      func(tx *Tx) error
	}{
		{"a new user", false, func(tx *Tx) error { return tx.PutUser(&u) }},
		{"a mapping less", true, func(tx *Tx) error { u.OSUsers = nil; return tx.PutUser(&u) }},
		{"an API key", false, func(tx *Tx) error {
			return tx.PutAPIKey(&record.APIKey{Tenant: tok.Tenant, Name: "key", Hash: hash("1")})
		}},
		{"an API key in its place", true, func(tx *Tx) error {
			return tx.PutAPIKey(&record.APIKey{Tenant: tok.Tenant, Name: "key", Hash: hash("2")})
		}},
		{"an API key that is revoked", true, func(tx *Tx) error { return tx.DeleteAPIKey(tok.Tenant, "key") }},
		{"a group", false, func(tx *Tx) error { return tx.PutGroup(&group) }},
		{"a group that is deleted", true, func(tx *Tx) error { return tx.DeleteGroup(group.ID) }},
		{"a pending key", false, func(tx *Tx) error {
			pending = record.PendingKey{Tenant: tok.Tenant, User: u.ID, PKCS8: secret.Bytes("k")}
			return tx.PutPendingKey(&pending)
		}},
		{"a pending key that is deleted", true, func(tx *Tx) error { return tx.DeletePendingKey(pending.ID) }},
		{"an object", false, func(tx *Tx) error { created = newObject("label", "hidden"); return tx.PutObject(tok.ID, created) }},
		{"attributes", true, func(tx *Tx) error {
			return tx.PutObject(tok.ID, &object.Object{ID: created.ID, Attrs: created.Attrs})
		}},
		{"an object that is destroyed", true, func(tx *Tx) error { return tx.DeleteObject(tok.ID, created.ID) }},
		{"a label", false, func(tx *Tx) error {
			r, err := tx.Token(tok.ID)
			if err != nil {
				return err
			}
			r.Label = "new"
			return tx.PutToken(r)
		}},
		{"a used code", true, func(tx *Tx) error {
			r, err := tx.Token(tok.ID)
			if err != nil {
				return err
			}
			r.OTP.Next++
			return tx.PutToken(r)
		}},
		{"a token", false, func(tx *Tx) error { other.ID, other.Serial = "", ""; return tx.NewToken(&other) }},
		{"a token that is deleted", true, func(tx *Tx) error { return tx.DeleteToken(other.ID) }},
		{"a user who is deleted", true, func(tx *Tx) error { return tx.DeleteUser(u.ID) }},
		{"the head of the audit log", false, func(tx *Tx) error { return tx.PutAuditHead(AuditHead{Seq: 1, Hash: make([]byte, 32)}) }},
	} {
		before := h.value()
		require.NoError(t, s.Update(row.fn), row.what)
		require.Equal(t, row.counted, h.value() > before, row.what)
	}
	recovery := words(t, s.options.Dir, "recovery")
	addKEK(t, s, recovery)
	before := h.value()
	require.NoError(t, s.RotateRoot(t.Context()))
	require.Greater(t, h.value(), before, "a rotation")
	before = h.value()
	removeKEK(t, s, recovery)
	require.Greater(t, h.value(), before, "a KEK that is removed")
	require.True(t, slices.ContainsFunc(tokenLosses, func(l loss[record.Token]) bool { return l.urgency == strictly }))
}
