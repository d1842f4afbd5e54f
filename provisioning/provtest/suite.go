package provtest

import (
	"bytes"
	"errors"
	"fmt"
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

// Run checks that a store meets the contract of provisioning.Store. open returns an empty
// one with the default tenant.
func Run(t *testing.T, open func(t testing.TB) provisioning.Store) {
	for _, c := range []struct {
		name  string
		check func(*suite)
	}{
		{"tenants", (*suite).tenants},
		{"users", (*suite).users},
		{"mapped users", (*suite).mapped},
		{"API keys", (*suite).apiKeys},
		{"tokens", (*suite).tokens},
		{"serial numbers", (*suite).serials},
		{"groups", (*suite).groups},
		{"pending keys", (*suite).pending},
		{"pages", (*suite).pages},
		{"objects", (*suite).objects},
		{"all or nothing", (*suite).allOrNothing},
		{"a tenant goes with everything", (*suite).deleteTenant},
		{"verifiers", (*suite).verifiers},
		{"PIN-bound tokens", (*suite).bound},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &suite{TB: t, store: open(t)}
			s.read(func(tx provisioning.ReadTx) {
				d, err := tx.TenantByName(record.DefaultTenant)
				require.NoError(s, err)
				s.tenant = d.ID
			})
			c.check(s)
		})
	}
}

type suite struct {
	testing.TB
	store  provisioning.Store
	tenant record.TenantID
}

const nowhere = "11111111-2222-4333-8444-555555555555"

func (s *suite) read(fn func(provisioning.ReadTx)) {
	s.Helper()
	require.NoError(s, s.store.View(func(tx provisioning.ReadTx) error { fn(tx); return nil }))
}

func (s *suite) write(fn func(provisioning.Tx) error) {
	s.Helper()
	require.NoError(s, s.store.Update(fn))
}

// refused runs an update that must fail with want.
func (s *suite) refused(want error, fn func(provisioning.Tx) error) {
	s.Helper()
	require.ErrorIs(s, s.store.Update(fn), want)
}

func (s *suite) newUser(login string) *record.User {
	s.Helper()
	var u record.User
	s.write(func(tx provisioning.Tx) error {
		u = record.User{Tenant: s.tenant, Login: login, Enabled: true}
		return tx.PutUser(&u)
	})
	return &u
}

func (s *suite) newToken(holder record.UserID, label string) *record.Token {
	s.Helper()
	var t record.Token
	s.write(func(tx provisioning.Tx) error {
		t = record.Token{Tenant: s.tenant, Holders: record.HeldBy(holder, time.Time{}, ""), Label: label, Enabled: true}
		return tx.NewToken(&t)
	})
	return &t
}

func (s *suite) tenants() {
	var made record.Tenant
	s.write(func(tx provisioning.Tx) error {
		made = record.Tenant{Name: "a second"}
		return tx.PutTenant(&made)
	})
	if made.ID == "" || made.CreatedAt.IsZero() {
		s.Errorf("%+v", made)
	}
	s.refused(record.ErrExists, func(tx provisioning.Tx) error { return tx.PutTenant(&record.Tenant{Name: "a second"}) })
	s.write(func(tx provisioning.Tx) error {
		with := made
		with.ExchangeKey = secret.Bytes("key")
		return tx.PutTenant(&with)
	})
	made.Settings = map[string]secret.Bytes{"dialect": secret.Bytes("setting")}
	s.write(func(tx provisioning.Tx) error { again := made; return tx.PutTenant(&again) }) // nil keeps the key
	s.read(func(tx provisioning.ReadTx) {
		got, err := tx.Tenant(made.ID)
		require.NoError(s, err)
		if string(got.ExchangeKey) != "key" || string(got.Settings["dialect"]) != "setting" {
			s.Error("the exchange key or the settings did not stay")
		}
		all, err := tx.Tenants()
		require.NoError(s, err)
		if len(all) != 2 || all[0].Name != "a second" {
			s.Errorf("%d tenants", len(all))
		}
		_, err = tx.Tenant(nowhere)
		require.ErrorIs(s, err, record.ErrNotFound)
		_, err = tx.TenantByName("nobody")
		require.ErrorIs(s, err, record.ErrNotFound)
	})
	s.refused(record.ErrNotFound, func(tx provisioning.Tx) error { return tx.DeleteTenant(nowhere) })
}

func (s *suite) users() {
	anna, bob := s.newUser("anna"), s.newUser("bob")
	if anna.ID == "" || anna.ID == bob.ID || anna.CreatedAt.IsZero() {
		s.Errorf("%+v", anna)
	}
	taken := &record.User{Tenant: s.tenant, Login: "bob"}
	s.refused(record.ErrExists, func(tx provisioning.Tx) error { return tx.PutUser(taken) })
	s.refused(record.ErrNotFound, func(tx provisioning.Tx) error {
		return tx.PutUser(&record.User{ID: nowhere, Tenant: s.tenant, Login: "nobody"})
	})
	s.write(func(tx provisioning.Tx) error {
		u := *bob
		u.Enabled, u.OSUsers = false, []string{"bob", "#7"}
		return tx.PutUser(&u)
	})
	s.read(func(tx provisioning.ReadTx) {
		got, err := tx.UserByLogin(s.tenant, "bob")
		require.NoError(s, err)
		if got.ID != bob.ID || got.Enabled || fmt.Sprint(got.OSUsers) != "[bob #7]" {
			s.Errorf("%+v", got)
		}
		all, err := tx.Users(s.tenant)
		require.NoError(s, err)
		if len(all) != 2 || all[0].Login != "anna" {
			s.Errorf("%d users", len(all))
		}
		_, err = tx.User(nowhere)
		require.ErrorIs(s, err, record.ErrNotFound)
		_, err = tx.User("no id at all")
		require.ErrorIs(s, err, record.ErrNotFound)
		_, err = tx.UserByLogin(s.tenant, "Bob")
		require.ErrorIs(s, err, record.ErrNotFound)
	})
}

// mapped finds users by the operating system users that are mapped to them.
func (s *suite) mapped() {
	other := record.Tenant{Name: "mapped"}
	s.write(func(tx provisioning.Tx) error { other.ID = ""; return tx.PutTenant(&other) })
	byName := s.newUser("carol")
	first := &record.User{Tenant: other.ID, Login: "first", OSUsers: []string{"carol", "#7"}}
	second := &record.User{Tenant: s.tenant, Login: "second", Enabled: true, OSUsers: []string{"#7"}}
	for _, u := range []*record.User{first, second} {
		s.write(func(tx provisioning.Tx) error { u.ID = ""; return tx.PutUser(u) })
	}
	has := func(spellings []string, want ...record.UserID) {
		s.Helper()
		s.read(func(tx provisioning.ReadTx) {
			list, err := tx.UsersMapped(spellings...)
			require.NoError(s, err)
			var got []record.UserID
			for _, u := range list {
				got = append(got, u.ID)
			}
			if !slices.Equal(got, want) {
				s.Errorf("%q are mapped to %v, want %v", spellings, got, want)
			}
		})
	}
	has([]string{"carol"}, byName.ID, first.ID)
	has([]string{"#7", "carol"}, byName.ID, first.ID, second.ID)
	has([]string{"#7"}, first.ID, second.ID)
	has([]string{"nobody", "#8"})
	byName.NotByName = true
	s.write(func(tx provisioning.Tx) error { again := *byName; return tx.PutUser(&again) })
	has([]string{"carol"}, first.ID)
	s.read(func(tx provisioning.ReadTx) {
		u, err := tx.User(byName.ID)
		require.NoError(s, err)
		if !u.NotByName {
			s.Error("the store forgets that a user is not mapped by name")
		}
	})
	other.OSUsers = []string{"carol", record.AnyOSUser}
	s.write(func(tx provisioning.Tx) error { again := other; return tx.PutTenant(&again) })
	s.read(func(tx provisioning.ReadTx) {
		t, err := tx.Tenant(other.ID)
		require.NoError(s, err)
		if !slices.Equal(t.OSUsers, other.OSUsers) {
			s.Errorf("the policy of the tenant names %q", t.OSUsers)
		}
	})
}

// boundKeys stores a key of a dialect that is found by two hashes.
func (s *suite) boundKeys() {
	hash, certificate := s.store.HashAPIKey(secret.Bytes("secret")), s.store.HashAPIKey(secret.Bytes("certificate"))
	bound := record.APIKey{
		Name: "bound", Tenant: s.tenant, Role: "view+add", Hash: hash, CertificateHash: certificate,
		Dialect: "some", ID: "its id", PublicKey: []byte("public key"),
	}
	s.write(func(tx provisioning.Tx) error { return tx.PutAPIKey(&bound) })
	s.read(func(tx provisioning.ReadTx) {
		for _, hash := range [][]byte{hash, certificate} {
			got, err := tx.APIKeyByHash(hash)
			require.NoError(s, err)
			if got.Dialect != "some" || got.ID != "its id" || string(got.PublicKey) != "public key" || got.Role != "view+add" {
				s.Errorf("%+v", got)
			}
		}
	})
	for _, same := range []record.APIKey{
		{Name: "two", Tenant: s.tenant, Role: record.RoleView, Hash: certificate},
		{Name: "two", Tenant: s.tenant, Role: record.RoleView, Hash: s.store.HashAPIKey(secret.Bytes("2")), CertificateHash: certificate},
	} {
		s.refused(record.ErrExists, func(tx provisioning.Tx) error { return tx.PutAPIKey(&same) })
	}
	s.write(func(tx provisioning.Tx) error { return tx.DeleteAPIKey(s.tenant, "bound") })
	s.read(func(tx provisioning.ReadTx) {
		for _, hash := range [][]byte{hash, certificate} {
			_, err := tx.APIKeyByHash(hash)
			require.ErrorIs(s, err, record.ErrNotFound)
		}
	})
}

func (s *suite) apiKeys() {
	hash := s.store.HashAPIKey(secret.Bytes("key"))
	if !bytes.Equal(hash, s.store.HashAPIKey(secret.Bytes("key"))) || bytes.Contains(hash, []byte("key")) {
		s.Error("the hash of a key is not one")
	}
	s.write(func(tx provisioning.Tx) error {
		return tx.PutAPIKey(&record.APIKey{Name: "one", Tenant: s.tenant, Role: record.RoleView, Hash: hash})
	})
	s.read(func(tx provisioning.ReadTx) {
		got, err := tx.APIKeyByHash(hash)
		require.NoError(s, err)
		if got.Name != "one" || got.Tenant != s.tenant || got.Role != record.RoleView || !got.ExpiresAt.IsZero() {
			s.Errorf("%+v", got)
		}
		_, err = tx.APIKeyByHash(s.store.HashAPIKey(secret.Bytes("other")))
		require.ErrorIs(s, err, record.ErrNotFound)
		_, err = tx.APIKey(s.tenant, "two")
		require.ErrorIs(s, err, record.ErrNotFound)
	})
	s.boundKeys()
	s.write(func(tx provisioning.Tx) error { return tx.DeleteAPIKey(s.tenant, "one") })
	s.refused(record.ErrNotFound, func(tx provisioning.Tx) error { return tx.DeleteAPIKey(s.tenant, "one") })
	s.read(func(tx provisioning.ReadTx) {
		_, err := tx.APIKeyByHash(hash)
		require.ErrorIs(s, err, record.ErrNotFound)
		all, err := tx.APIKeys(s.tenant)
		require.NoError(s, err)
		if len(all) != 0 {
			s.Errorf("%d keys", len(all))
		}
	})
}

func (s *suite) tokens() {
	u := s.newUser("anna")
	first := s.newToken(u.ID, "first")
	if first.ID == "" || first.Slot == 0 || first.Serial == "" || first.CreatedAt.IsZero() {
		s.Errorf("%+v", first)
	}
	const chosen = "99999999-8888-4777-8666-555555555555"
	s.write(func(tx provisioning.Tx) error {
		return tx.NewToken(&record.Token{ID: chosen, Tenant: s.tenant, Holders: record.HeldBy(u.ID, time.Time{}, ""), Serial: "00AA"})
	})
	s.refused(record.ErrExists, func(tx provisioning.Tx) error {
		return tx.NewToken(&record.Token{ID: chosen, Tenant: s.tenant, Holders: record.HeldBy(u.ID, time.Time{}, "")})
	})
	s.refused(record.ErrExists, func(tx provisioning.Tx) error {
		return tx.NewToken(&record.Token{Tenant: s.tenant, Holders: record.HeldBy(u.ID, time.Time{}, ""), Serial: "00AA"})
	})
	s.write(func(tx provisioning.Tx) error {
		t, err := tx.Token(chosen)
		if err != nil {
			return err
		}
		t = t.Clone()
		t.Label, t.Complete, t.UserPIN = "named", true, pin.State{Policy: pin.Default, Verifier: []byte("v"), Failed: 3}
		return tx.PutToken(t)
	})
	s.write(func(tx provisioning.Tx) error { return tx.DeleteToken(first.ID) })
	s.refused(record.ErrNotFound, func(tx provisioning.Tx) error { return tx.DeleteToken(first.ID) })
	s.refused(record.ErrNotFound, func(tx provisioning.Tx) error { return tx.PutToken(first) })
	later := s.newToken(u.ID, "later")
	s.read(func(tx provisioning.ReadTx) {
		list, err := tx.TokensOf(u.ID)
		require.NoError(s, err)
		if len(list) != 2 || list[0].ID != chosen || list[1].ID != later.ID || list[1].Slot <= first.Slot {
			s.Fatalf("%d tokens", len(list))
		}
		got := list[0]
		if got.Label != "named" || !got.Complete || got.Serial != "00AA" || got.UserPIN.Failed != 3 || string(got.UserPIN.Verifier) != "v" {
			s.Errorf("%+v", got)
		}
		_, err = tx.Token(first.ID)
		require.ErrorIs(s, err, record.ErrNotFound)
	})
}

// serials checks that a serial number is unique in its tenant and found there.
func (s *suite) serials() {
	other := record.Tenant{Name: "other"}
	s.write(func(tx provisioning.Tx) error { other.ID = ""; return tx.PutTenant(&other) })
	var here, there record.Token
	s.write(func(tx provisioning.Tx) error {
		here, there = record.Token{Tenant: s.tenant, Serial: "0007"}, record.Token{Tenant: other.ID, Serial: "0007"}
		return errors.Join(tx.NewToken(&here), tx.NewToken(&there))
	})
	s.refused(record.ErrExists, func(tx provisioning.Tx) error {
		return tx.NewToken(&record.Token{Tenant: s.tenant, Serial: "0007"})
	})
	s.read(func(tx provisioning.ReadTx) {
		for _, want := range []record.Token{here, there} {
			got, err := tx.TokenBySerial(want.Tenant, "0007")
			require.NoError(s, err)
			if got.ID != want.ID {
				s.Errorf("token %s, want %s", got.ID, want.ID)
			}
		}
		_, err := tx.TokenBySerial(s.tenant, "7")
		require.ErrorIs(s, err, record.ErrNotFound)
	})
	s.write(func(tx provisioning.Tx) error { return tx.DeleteToken(here.ID) })
	s.read(func(tx provisioning.ReadTx) {
		_, err := tx.TokenBySerial(s.tenant, "0007")
		require.ErrorIs(s, err, record.ErrNotFound)
	})
}

func (s *suite) groups() {
	var b, a record.Group
	s.write(func(tx provisioning.Tx) error {
		b, a = record.Group{Tenant: s.tenant, Name: "b"}, record.Group{Tenant: s.tenant, Name: "a"}
		return errors.Join(tx.PutGroup(&b), tx.PutGroup(&a))
	})
	s.refused(record.ErrExists, func(tx provisioning.Tx) error { return tx.PutGroup(&record.Group{Tenant: s.tenant, Name: "a"}) })
	s.refused(record.ErrNotFound, func(tx provisioning.Tx) error {
		return tx.PutGroup(&record.Group{ID: nowhere, Tenant: s.tenant, Name: "nobody"})
	})
	s.read(func(tx provisioning.ReadTx) {
		list, err := tx.Groups(s.tenant)
		require.NoError(s, err)
		if len(list) != 2 || list[0].ID != a.ID || list[1].ID != b.ID {
			s.Errorf("groups %v", list)
		}
		got, err := tx.Group(b.ID)
		require.NoError(s, err)
		if got.Name != "b" || got.Tenant != s.tenant || got.CreatedAt.IsZero() {
			s.Errorf("%+v", got)
		}
	})
	s.write(func(tx provisioning.Tx) error { return tx.DeleteGroup(a.ID) })
	s.refused(record.ErrNotFound, func(tx provisioning.Tx) error { return tx.DeleteGroup(a.ID) })
}

func (s *suite) pages() {
	u := s.newUser("anna")
	var want []record.TokenID
	for i := range 7 {
		want = append(want, s.newToken(u.ID, fmt.Sprint(i)).ID)
	}
	s.read(func(tx provisioning.ReadTx) {
		var got []record.TokenID
		after := uint64(0)
		for {
			page, err := tx.TokensOfTenant(s.tenant, after, 3)
			require.NoError(s, err)
			if len(page) == 0 {
				break
			}
			for _, t := range page {
				got, after = append(got, t.ID), uint64(t.Slot)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			s.Errorf("%v, want %v", got, want)
		}
	})
}

// keyObject returns a private key with a secret.
func (s *suite) keyObject() *object.Object {
	s.Helper()
	o, err := object.Build(object.Source{}, ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES),
		ck.Bool(ck.CKA_TOKEN, true), ck.String(ck.CKA_LABEL, "a key"), ck.Bytes(ck.CKA_VALUE, bytes.Repeat([]byte{7}, 32)),
	})
	require.NoError(s, err)
	return o
}

func (s *suite) objects() {
	t := s.newToken(s.newUser("anna").ID, "t")
	o := s.keyObject()
	var one, two object.Object
	s.write(func(tx provisioning.Tx) error {
		one, two = *o, *o
		return errors.Join(tx.PutObject(t.ID, &one), tx.PutObject(t.ID, &two))
	})
	s.refused(record.ErrNotFound, func(tx provisioning.Tx) error { fresh := *o; return tx.PutObject(nowhere, &fresh) })
	if one.ID == 0 || one.ID == two.ID {
		s.Errorf("ids %d and %d", one.ID, two.ID)
	}
	s.read(func(tx provisioning.ReadTx) {
		list, err := tx.Objects(t.ID)
		require.NoError(s, err)
		if len(list) != 2 || list[0].Label() != "a key" || list[0].Secret != nil {
			s.Errorf("%v", list)
		}
	})
	s.write(func(tx provisioning.Tx) error { return tx.DeleteToken(t.ID) })
}

// allOrNothing checks that a failed update changes nothing, and that an update sees its
// own writes.
func (s *suite) allOrNothing() {
	u, canary := s.newUser("anna"), errors.New("given up")
	s.refused(canary, func(tx provisioning.Tx) error {
		t := &record.Token{Tenant: s.tenant, Holders: record.HeldBy(u.ID, time.Time{}, "")}
		if err := tx.NewToken(t); err != nil {
			return err
		}
		o := *s.keyObject()
		if err := tx.PutObject(t.ID, &o); err != nil {
			return err
		}
		if list, err := tx.Objects(t.ID); err != nil || len(list) != 1 {
			return fmt.Errorf("%d objects in the same transaction (%w)", len(list), err)
		}
		if list, err := tx.TokensOf(u.ID); err != nil || len(list) != 1 {
			return fmt.Errorf("%d tokens in the same transaction (%w)", len(list), err)
		}
		return canary
	})
	s.read(func(tx provisioning.ReadTx) {
		if list, err := tx.TokensOf(u.ID); err != nil || len(list) != 0 {
			s.Errorf("%d tokens are left (%v)", len(list), err)
		}
	})
}

func (s *suite) deleteTenant() {
	made := record.Tenant{}
	s.write(func(tx provisioning.Tx) error {
		made = record.Tenant{Name: "doomed"}
		return tx.PutTenant(&made)
	})
	s.tenant = made.ID
	u := s.newUser("anna")
	t := s.newToken(u.ID, "t")
	hash := s.store.HashAPIKey(secret.Bytes("doomed"))
	s.write(func(tx provisioning.Tx) error {
		o := *s.keyObject()
		return errors.Join(tx.PutObject(t.ID, &o),
			tx.PutAPIKey(&record.APIKey{Name: "k", Tenant: made.ID, Role: record.RoleView, Hash: hash}))
	})
	s.write(func(tx provisioning.Tx) error { return tx.DeleteTenant(made.ID) })
	s.read(func(tx provisioning.ReadTx) {
		_, err := tx.Tenant(made.ID)
		require.ErrorIs(s, err, record.ErrNotFound)
		_, err = tx.User(u.ID)
		require.ErrorIs(s, err, record.ErrNotFound)
		_, err = tx.Token(t.ID)
		require.ErrorIs(s, err, record.ErrNotFound)
		_, err = tx.APIKeyByHash(hash)
		require.ErrorIs(s, err, record.ErrNotFound)
	})
}

// verifiers checks that verifiers are bound to the token and the role.
func (s *suite) verifiers() {
	p := secret.Bytes("1234")
	one, err := s.store.HashPIN(nowhere, pin.User, p, nil)
	require.NoError(s, err)
	two, err := s.store.HashPIN(nowhere, pin.SO, p, nil)
	require.NoError(s, err)
	if len(one) == 0 || bytes.Equal(one, two) || bytes.Contains(one, p) {
		s.Error("a verifier is not one")
	}
	for role, want := range map[pin.Role]bool{pin.User: true, pin.SO: false} {
		right, bound, err := s.store.CheckPIN(nowhere, role, one, p)
		require.NoError(s, err)
		if right != want || len(bound) > 0 {
			s.Errorf("the user's PIN as the %v's: %v", role, right)
		}
	}
}

// bound checks that the PINs of a PIN-bound token open its key, that they can only be
// stored with it, and that the key is deleted with the last of them, from an empty token.
func (s *suite) bound() {
	public, private, err := s.store.NewBoundKey()
	require.NoError(s, err)
	t := &record.Token{Tenant: s.tenant, PINBound: true}
	s.write(func(tx provisioning.Tx) error { t.ID, t.Serial = "", ""; return tx.NewToken(t) })
	v, err := s.store.HashPIN(t.ID, pin.User, secret.Bytes("1234"), private)
	require.NoError(s, err)
	put := func(change func(*record.Token)) error {
		return s.store.Update(func(tx provisioning.Tx) error {
			old, err := tx.Token(t.ID)
			if err != nil {
				return err
			}
			r := old.Clone()
			change(r)
			return tx.PutToken(r)
		})
	}
	set := func(r *record.Token) { r.BoundKey, r.UserPIN = public, r.UserPIN.Change(v, r.CreatedAt) }
	for name, change := range map[string]func(*record.Token){
		"a PIN without the key":    func(r *record.Token) { set(r); r.BoundKey = nil },
		"a key without a PIN":      func(r *record.Token) { r.BoundKey = public },
		"a token no longer bound":  func(r *record.Token) { r.PINBound = false },
		"a bound OTP token":        func(r *record.Token) { r.Kind = record.KindOTP },
		"a PIN that opens nothing": func(r *record.Token) { set(r); r.UserPIN.Verifier = v[:len(v)-1] },
	} {
		if put(change) == nil {
			s.Errorf("%s was stored", name)
		}
	}
	require.NoError(s, put(set))
	right, bound, err := s.store.CheckPIN(t.ID, pin.User, v, secret.Bytes("1234"))
	require.NoError(s, err)
	if !right || !bound.Equal(private) {
		s.Error("the PIN does not open the key")
	}
	require.NoError(s, put(func(r *record.Token) { r.BoundKey, r.UserPIN = nil, pin.State{} }))
}
