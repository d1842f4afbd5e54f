package keystore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/schema"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// Each bound of a record lets its last value through, and refuses the next one.
func TestRecordBounds(t *testing.T) {
	s, engine := inMemory(t)
	u := addUser(t, s, "alice")
	const longest, osUsers, aliases = 1024, 256, 16
	name := func(n int) string { return strings.Repeat("n", n) }
	list := func(n int) []string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprint("name ", i)
		}
		return all
	}
	tenant := func(change func(*record.Tenant)) func(*Tx) error {
		return func(tx *Tx) error {
			r := record.Tenant{Name: "other"}
			change(&r)
			return tx.PutTenant(&r)
		}
	}
	user := func(change func(*record.User)) func(*Tx) error {
		return func(tx *Tx) error {
			r := record.User{Tenant: u.Tenant, Login: "bob"}
			change(&r)
			return tx.PutUser(&r)
		}
	}
	token := func(change func(*record.Token)) func(*Tx) error {
		return func(tx *Tx) error {
			r := record.Token{Tenant: u.Tenant}
			change(&r)
			return tx.NewToken(&r)
		}
	}
	apiKey := func(n int) func(*Tx) error {
		return func(tx *Tx) error {
			return tx.PutAPIKey(&record.APIKey{Tenant: u.Tenant, Name: name(n), Hash: []byte("hash")})
		}
	}
	group := func(n int) func(*Tx) error {
		return func(tx *Tx) error { return tx.PutGroup(&record.Group{Tenant: u.Tenant, Name: name(n)}) }
	}
	over := errors.New("not to be committed")
	for what, b := range map[string]struct{ last, next func(*Tx) error }{
		"tenant name": {
			tenant(func(r *record.Tenant) { r.Name = name(longest) }), tenant(func(r *record.Tenant) { r.Name = name(longest + 1) }),
		},
		"no tenant name": {tenant(func(r *record.Tenant) { r.Name = "x" }), tenant(func(r *record.Tenant) { r.Name = "" })},
		"OS users of a tenant": {
			tenant(func(r *record.Tenant) { r.OSUsers = list(osUsers) }), tenant(func(r *record.Tenant) { r.OSUsers = list(osUsers + 1) }),
		},
		"OS user of a tenant": {
			tenant(func(r *record.Tenant) { r.OSUsers = []string{"x"} }), tenant(func(r *record.Tenant) { r.OSUsers = []string{""} }),
		},
		"login":    {user(func(r *record.User) { r.Login = name(longest) }), user(func(r *record.User) { r.Login = name(longest + 1) })},
		"no login": {user(func(r *record.User) { r.Login = "x" }), user(func(r *record.User) { r.Login = "" })},
		"aliases":  {user(func(r *record.User) { r.Aliases = list(aliases) }), user(func(r *record.User) { r.Aliases = list(aliases + 1) })},
		"alias": {
			user(func(r *record.User) { r.Aliases = []string{name(longest)} }),
			user(func(r *record.User) { r.Aliases = []string{name(longest + 1)} }),
		},
		"OS users": {user(func(r *record.User) { r.OSUsers = list(osUsers) }), user(func(r *record.User) { r.OSUsers = list(osUsers + 1) })},
		"OS user":  {user(func(r *record.User) { r.OSUsers = []string{"x"} }), user(func(r *record.User) { r.OSUsers = []string{""} })},
		"API key":  {apiKey(longest), apiKey(longest + 1)},
		"group":    {group(longest), group(longest + 1)},
		"label":    {token(func(r *record.Token) { r.Label = name(longest) }), token(func(r *record.Token) { r.Label = name(longest + 1) })},
		"serial":   {token(func(r *record.Token) { r.Serial = name(longest) }), token(func(r *record.Token) { r.Serial = name(longest + 1) })},
		"no serial": {
			token(func(r *record.Token) { r.Serial = "" }), // it gets one
			func(tx *Tx) error {
				r := record.Token{Tenant: u.Tenant}
				if err := tx.NewToken(&r); err != nil {
					return over
				}
				r.Serial = ""
				return tx.PutToken(&r)
			},
		},
	} {
		before := kvtest.Dump(t, engine)
		err := s.Update(func(tx *Tx) error { return errors.Join(b.last(tx), over) })
		require.Equal(t, over.Error(), err.Error(), what)
		err = s.Update(b.next)
		require.Error(t, err, what)
		require.NotErrorIs(t, err, over, what)
		require.Equal(t, before, kvtest.Dump(t, engine), what)
	}
}

// Slot ids come in ranges and object ids one by one, from 1 to the last one, and none twice.
func TestLastIDs(t *testing.T) {
	s, _ := inMemory(t)
	u := addUser(t, s, "alice")
	first := addToken(t, s, u, "label")
	require.EqualValues(t, 1, first.Slot)
	over := errors.New("not to be committed")
	inUpdate := func(fn func(tx *Tx, n *node)) {
		t.Helper()
		require.ErrorIs(t, s.Update(func(tx *Tx) error {
			n, err := tx.loadNode()
			require.NoError(t, err)
			fn(tx, n)
			return over
		}), over)
	}
	newToken := func(tx *Tx) (ck.SlotID, error) {
		tok := record.Token{Tenant: u.Tenant}
		err := tx.NewToken(&tok)
		return tok.Slot, err
	}
	takes := func(tx *Tx, want ...ck.SlotID) {
		t.Helper()
		for _, slot := range want {
			got, err := newToken(tx)
			require.NoError(t, err)
			require.Equal(t, slot, got)
			given, err := tx.slotGiven(uint64(slot))
			require.NoError(t, err)
			require.True(t, given)
			given, err = tx.slotGiven(uint64(slot) + 1)
			require.NoError(t, err)
			require.False(t, given)
		}
	}
	inUpdate(func(tx *Tx, n *node) {
		free, err := tx.firstFreeSlot()
		require.NoError(t, err)
		require.EqualValues(t, 257, free)
		takes(tx, 2, 3)
		n.nextSlot = 256
		takes(tx, 256, 257, 258)
		require.EqualValues(t, 513, n.endSlot)
	})
	inUpdate(func(tx *Tx, n *node) {
		const last = 1<<31 - 1
		n.nextSlot = n.endSlot
		require.NoError(t, tx.seal(tx.s.sys.header, schema.KeyRanges(), nil, placeRanges(),
			binary.BigEndian.AppendUint64(nil, last-1)))
		takes(tx, last-1, last)
		_, err := newToken(tx)
		require.Equal(t, ck.CKR_GENERAL_ERROR, ck.CodeOf(err), "%v", err)
	})
	newObjectID := func(tx *Tx) (object.ID, error) {
		o := newObject("label", "")
		err := tx.PutObject(first.ID, o)
		return o.ID, err
	}
	inUpdate(func(tx *Tx, n *node) {
		for want := object.ID(1); want < 4; want++ {
			got, err := newObjectID(tx)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		n.nextObject = 1<<46 - 1
		got, err := newObjectID(tx)
		require.NoError(t, err)
		require.EqualValues(t, 1<<46-1, got)
		_, err = newObjectID(tx)
		require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err), "%v", err)
	})
	require.EqualValues(t, 2, addToken(t, s, u, "label").Slot)
}

// Records of every kind come back as they were stored, are listed in order, for their tenant
// alone, and are gone when they are deleted.
func TestRecordsOfATenant(t *testing.T) {
	s, engine := inMemory(t)
	u := addUser(t, s, "middle")
	other := record.Tenant{Name: "other"}
	update(t, s, func(tx *Tx) error { return tx.PutTenant(&other) })
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutGroup(&record.Group{Tenant: other.ID, Name: "theirs"}),
			tx.PutAPIKey(&record.APIKey{Tenant: other.ID, Name: "theirs", Hash: []byte("theirs")}),
			tx.PutUser(&record.User{Tenant: other.ID, Login: "theirs"}))
	})
	empty := len(kvtest.Dump(t, engine))
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	groups := []*record.Group{
		{Tenant: u.Tenant, Name: "b", CreatedAt: at}, {Tenant: u.Tenant, Name: "a", CreatedAt: at}, {Tenant: u.Tenant, Name: "c", CreatedAt: at},
	}
	keys := []*record.APIKey{
		{Tenant: u.Tenant, Name: "b", Hash: []byte("b"), CertificateHash: []byte("cb"), CreatedAt: at, Role: record.RoleView, Dialect: "d"},
		{Tenant: u.Tenant, Name: "a", Hash: []byte("a"), CreatedAt: at, ExpiresAt: at, ID: "id", PublicKey: []byte("public")},
	}
	waiting := []*record.PendingKey{
		{Tenant: u.Tenant, User: u.ID, PKCS8: []byte("second"), CreatedAt: at.Add(1), ExpiresAt: at},
		{Tenant: u.Tenant, User: u.ID, PKCS8: []byte("first"), CreatedAt: at, ExpiresAt: at},
	}
	people := []*record.User{{Tenant: u.Tenant, Login: "z", CreatedAt: at}, {Tenant: u.Tenant, Login: "a", CreatedAt: at}}
	update(t, s, func(tx *Tx) (err error) {
		for _, g := range groups {
			err = errors.Join(err, tx.PutGroup(g))
		}
		for _, k := range keys {
			err = errors.Join(err, tx.PutAPIKey(k))
		}
		for _, k := range waiting {
			err = errors.Join(err, tx.PutPendingKey(k))
		}
		for _, p := range people {
			err = errors.Join(err, tx.PutUser(p))
		}
		return err
	})
	view(t, s, func(tx *Tx) error {
		gotGroups, err := tx.Groups(u.Tenant)
		require.NoError(t, err)
		require.Equal(t, []*record.Group{groups[1], groups[0], groups[2]}, gotGroups)
		group, err := tx.Group(groups[0].ID)
		require.NoError(t, err)
		require.Equal(t, groups[0], group)
		gotKeys, err := tx.APIKeys(u.Tenant)
		require.NoError(t, err)
		require.Equal(t, []*record.APIKey{keys[1], keys[0]}, gotKeys)
		for _, k := range keys {
			got, err := tx.APIKey(u.Tenant, k.Name)
			require.NoError(t, err)
			require.Equal(t, k, got)
			for _, hash := range hashesOf(k) {
				got, err = tx.APIKeyByHash(hash)
				require.NoError(t, err)
				require.Equal(t, k, got)
			}
		}
		for _, list := range []func() ([]*record.PendingKey, error){
			func() ([]*record.PendingKey, error) { return tx.PendingKeys(u.Tenant) },
			func() ([]*record.PendingKey, error) { return tx.PendingKeysOf(u.ID) },
		} {
			got, err := list()
			require.NoError(t, err)
			require.Len(t, got, 2)
			for i, k := range []*record.PendingKey{waiting[1], waiting[0]} {
				require.Equal(t, k.ID, got[i].ID)
				require.Nil(t, got[i].PKCS8, "a list has no private keys")
			}
		}
		for _, k := range waiting {
			got, err := tx.PendingKey(k.ID)
			require.NoError(t, err)
			require.Equal(t, k, got)
		}
		users, err := tx.Users(u.Tenant)
		require.NoError(t, err)
		require.Len(t, users, 3)
		require.Equal(t, []string{"a", "middle", "z"}, []string{users[0].Login, users[1].Login, users[2].Login})
		tenants, err := tx.Tenants()
		require.NoError(t, err)
		require.Len(t, tenants, 2)
		require.Equal(t, []string{record.DefaultTenant, "other"}, []string{tenants[0].Name, tenants[1].Name})
		return nil
	})
	refused := func(want error, fn func(tx *Tx) error) {
		t.Helper()
		before := kvtest.Dump(t, engine)
		require.ErrorIs(t, s.Update(fn), want)
		require.Equal(t, before, kvtest.Dump(t, engine))
	}
	moved, taken := *groups[0], *groups[0]
	moved.Tenant, taken.Name = other.ID, "a"
	refused(record.ErrExists, func(tx *Tx) error { return tx.PutGroup(&moved) })
	refused(record.ErrExists, func(tx *Tx) error { return tx.PutGroup(&taken) })
	refused(record.ErrExists, func(tx *Tx) error { return tx.PutGroup(&record.Group{Tenant: u.Tenant, Name: "c"}) })
	refused(record.ErrNotFound, func(tx *Tx) error {
		return tx.PutGroup(&record.Group{Tenant: u.Tenant, Name: "d", ID: record.GroupID(newRandomID())})
	})
	refused(record.ErrNotFound, func(tx *Tx) error { return tx.PutGroup(&record.Group{Tenant: "x", Name: "d"}) })
	refused(record.ErrExists, func(tx *Tx) error {
		return tx.PutAPIKey(&record.APIKey{Tenant: u.Tenant, Name: "c", Hash: []byte("new"), CertificateHash: []byte("a")})
	})
	others := *waiting[0]
	others.User = people[0].ID
	refused(record.ErrExists, func(tx *Tx) error { return tx.PutPendingKey(&others) })
	others.Tenant = other.ID
	refused(record.ErrNotFound, func(tx *Tx) error { return tx.PutPendingKey(&others) })
	refused(record.ErrExists, func(tx *Tx) error {
		return tx.PutUser(&record.User{Tenant: u.Tenant, Login: "new", Aliases: []string{"z"}})
	})
	renamed := *groups[0]
	renamed.Name = "d"
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutGroup(&renamed), tx.PutGroup(&record.Group{Tenant: u.Tenant, Name: "b"}))
	})
	update(t, s, func(tx *Tx) error {
		all, err := tx.Groups(u.Tenant)
		require.Len(t, all, 4)
		for _, g := range all {
			err = errors.Join(err, tx.DeleteGroup(g.ID))
		}
		for _, k := range keys {
			err = errors.Join(err, tx.DeleteAPIKey(u.Tenant, k.Name))
		}
		for _, k := range waiting {
			err = errors.Join(err, tx.DeletePendingKey(k.ID))
		}
		for _, p := range people {
			err = errors.Join(err, tx.DeleteUser(p.ID))
		}
		return err
	})
	require.Len(t, kvtest.Dump(t, engine), empty)
	require.Empty(t, check(t, s).Problems)
	for name, fn := range map[string]func(tx *Tx) error{
		"group":        func(tx *Tx) error { _, err := tx.Group(groups[0].ID); return err },
		"API key":      func(tx *Tx) error { _, err := tx.APIKey(u.Tenant, "a"); return err },
		"pending key":  func(tx *Tx) error { _, err := tx.PendingKey(waiting[0].ID); return err },
		"delete group": func(tx *Tx) error { return tx.DeleteGroup(groups[0].ID) },
		"no group":     func(tx *Tx) error { return tx.DeleteGroup("x") },
		"no key":       func(tx *Tx) error { return tx.DeletePendingKey("x") },
	} {
		require.ErrorIs(t, s.Update(fn), record.ErrNotFound, name)
	}
	view(t, s, func(tx *Tx) error {
		for _, tenant := range []record.TenantID{u.Tenant, "x", record.TenantID(newRandomID())} {
			list, err := tx.Groups(tenant)
			require.NoError(t, err)
			require.Empty(t, list)
			waiting, err := tx.PendingKeys(tenant)
			require.NoError(t, err)
			require.Empty(t, waiting)
			waiting, err = tx.PendingKeysOf(record.UserID(tenant))
			require.NoError(t, err)
			require.Empty(t, waiting)
			tokens, err := tx.TokensOf(record.UserID(tenant))
			require.NoError(t, err)
			require.Empty(t, tokens)
			tokens, err = tx.TokensOfTenant(tenant, 0, 0)
			require.NoError(t, err)
			require.Empty(t, tokens)
		}
		return nil
	})
}
