package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vtoken/keystore/kek/all"
	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
)

// A transaction and a store are what the engine needs.
var (
	_ vtoken.Tx = (*Tx)(nil)
	_ interface {
		HashPIN(record.TokenID, pin.Role, secret.Bytes, secret.Bytes) ([]byte, error)
		CheckPIN(record.TokenID, pin.Role, []byte, secret.Bytes) (bool, secret.Bytes, error)
		NewBoundKey() ([]byte, secret.Bytes, error)
		OpenSecret(record.TokenID, object.ID, secret.Bytes) (object.Set, error)
		Watch(func([]record.Change))
	} = (*Store)(nil)
)

func options(dir string) Options {
	return Options{Dir: dir, Providers: all.Providers(), quickPINs: true, LookupUser: func(uid uint32) (string, error) {
		if uid == 1000 {
			return "alice", nil
		}
		return "", errors.New("no such user")
	}}
}

// tempDir is a data folder that does not exist yet.
func tempDir(t testing.TB) string { return filepath.Join(t.TempDir(), "data") }

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), options(dir))
	require.NoError(t, err)
	return s
}

// temp is a new store that the test's end closes.
func temp(t testing.TB) *Store {
	t.Helper()
	s := open(t, tempDir(t))
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	require.NoError(t, s.Close())
}

func update(t testing.TB, s *Store, fn func(tx *Tx) error) {
	t.Helper()
	require.NoError(t, s.Update(fn))
}

func view(t testing.TB, s *Store, fn func(tx *Tx) error) {
	t.Helper()
	require.NoError(t, s.View(fn))
}

// addUser makes a user of the default tenant.
func addUser(t testing.TB, s *Store, login string, osUsers ...string) (u record.User) {
	t.Helper()
	update(t, s, func(tx *Tx) error {
		tenant, err := tx.TenantByName(record.DefaultTenant)
		if err != nil {
			return err
		}
		u = record.User{Tenant: tenant.ID, Login: login, Enabled: true, OSUsers: osUsers}
		return tx.PutUser(&u)
	})
	return u
}

// addToken makes a token that the user holds.
func addToken(t testing.TB, s *Store, u record.User, label string) (tok record.Token) {
	t.Helper()
	update(t, s, func(tx *Tx) error {
		tok = record.Token{Tenant: u.Tenant, Holders: record.HeldBy(u.ID, time.Time{}, ""), Label: label, Complete: true, Enabled: true,
			UserPIN: pin.State{Policy: pin.Default, Verifier: []byte("verifier")}}
		return tx.NewToken(&tok)
	})
	return tok
}

// newObject is an object with attributes of n bytes, public and secret.
func newObject(label, hidden string) *object.Object {
	o := &object.Object{Attrs: object.Set{ck.String(ck.CKA_LABEL, label)}}
	if hidden != "" {
		o.Secret = object.Set{ck.String(ck.CKA_VALUE, hidden)}
	}
	return o
}

func addObject(t testing.TB, s *Store, token record.TokenID, label, hidden string) (id object.ID) {
	t.Helper()
	update(t, s, func(tx *Tx) error {
		o := newObject(label, hidden)
		err := tx.PutObject(token, o)
		id = o.ID
		return err
	})
	return id
}

func labelOf(o *object.Object) string { return string(o.Attrs.Get(ck.CKA_LABEL)) }

// state is a text of everything in the store, for comparisons.
func state(t testing.TB, s *Store) (lines []string) {
	t.Helper()
	view(t, s, func(tx *Tx) error {
		tenants, err := tx.Tenants()
		if err != nil {
			return err
		}
		for _, tenant := range tenants {
			lines = append(lines, fmt.Sprintf("tenant %s %q %d", tenant.ID, tenant.Name, tenant.CreatedAt.Unix()))
			users, err := tx.Users(tenant.ID)
			if err != nil {
				return err
			}
			for _, u := range users {
				lines = append(lines, fmt.Sprintf("user %s %s %q %v %q %d", u.ID, u.Tenant, u.Login, u.Enabled, u.OSUsers, u.CreatedAt.Unix()))
			}
			keys, err := tx.APIKeys(tenant.ID)
			if err != nil {
				return err
			}
			for _, k := range keys {
				lines = append(lines, fmt.Sprintf("key %q %s %s %x %d %d", k.Name, k.Tenant, k.Role, k.Hash, k.CreatedAt.Unix(), k.ExpiresAt.Unix()))
			}
			tokens, err := tx.TokensOfTenant(tenant.ID, 0, 0)
			if err != nil {
				return err
			}
			for _, tok := range tokens {
				lines = append(lines, tokenLine(tok))
				objects, err := tx.Objects(tok.ID)
				if err != nil {
					return err
				}
				for _, o := range objects {
					hidden, err := hiddenOf(tx, tok.ID, o.ID)
					if err != nil {
						return err
					}
					lines = append(lines, fmt.Sprintf("object %d v%d %s %s", o.ID, o.Version, labelOf(o), hidden.Get(ck.CKA_VALUE)))
				}
			}
		}
		return nil
	})
	return lines
}

// tokenLine is everything that a token has; a new field is added here and, in
// new versions of the store, to encode.go.
func tokenLine(t *record.Token) string {
	line := fmt.Sprintf("token %s %s slot %d Serial:%s %q holder %s %v %v %v rsa %d created %d v%d",
		t.ID, t.Tenant, t.Slot, t.Serial, t.Label, t.Owner(), t.Initialized, t.Complete, t.Enabled,
		t.MaxRSABits, t.CreatedAt.Unix(), t.Version)
	for _, p := range []pin.State{t.UserPIN, t.SOPIN} {
		line += fmt.Sprintf(" PIN %v %x failed %d %v %d", p.Policy, p.Verifier, p.Failed, p.ToBeChanged, p.ChangedAt.Unix())
	}
	if t.PINBound {
		line += fmt.Sprintf(" bound %x", t.BoundKey)
	}
	return line
}

func TestSurvivesReopening(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	u := addUser(t, s, "alice", "#1000")
	tok := addToken(t, s, u, "my card")
	addObject(t, s, tok.ID, "one", "secret one")
	two := addObject(t, s, tok.ID, "two", "")
	update(t, s, func(tx *Tx) error {
		tenant, err := tx.Tenant(u.Tenant)
		if err != nil {
			return err
		}
		tenant.ExchangeKey = secret.Bytes("exchange")
		if err := tx.PutTenant(tenant); err != nil {
			return err
		}
		return tx.PutAPIKey(&record.APIKey{Name: "k", Tenant: u.Tenant, Role: record.RoleAdmin, Hash: s.HashAPIKey(secret.Bytes("key"))})
	})
	update(t, s, func(tx *Tx) error { return tx.DeleteObject(tok.ID, two) })
	before := state(t, s)
	hash := s.HashAPIKey(secret.Bytes("key"))
	closeStore(t, s)

	s = open(t, dir)
	defer closeStore(t, s)
	after := state(t, s)
	require.Equal(t, after, before, "before:\n%q\nafter:\n%q", before, after)
	view(t, s, func(tx *Tx) error {
		k, err := tx.APIKeyByHash(s.HashAPIKey(secret.Bytes("key")))
		if err != nil || k.Name != "k" || string(hash) != string(k.Hash) {
			t.Errorf("API key: %+v, %v", k, err)
		}
		tenant, err := tx.Tenant(u.Tenant)
		if err != nil || string(tenant.ExchangeKey) != "exchange" {
			t.Errorf("exchange key: %v", err)
		}
		return nil
	})
	id := addObject(t, s, tok.ID, "three", "")
	require.Greater(t, id, two, "object id %d was used before", id)
	info, err := os.Stat(dir)
	require.NoError(t, err, "data folder: %v", info.Mode())
	require.EqualValues(t, 0o700, info.Mode().Perm(), "data folder: %v", info.Mode())
}
