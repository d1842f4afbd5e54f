package keystore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek/all"
	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/kv/mem"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// inMemory is a store on an engine in memory, which the test can make fail.
func inMemory(t testing.TB) (*Store, *kvtest.Faulty) {
	t.Helper()
	engine := &kvtest.Faulty{Engine: mem.New()}
	db := kv.Group(engine)
	o := options(t.TempDir())
	root := secret.Bytes(make([]byte, 32))
	recipients, err := wrapRoot(t.Context(), Options{Dir: o.Dir, Providers: all.Providers(), Log: discard()}, []string{DefaultKEK}, root)
	require.NoError(t, err)
	require.NoError(t, initialize(db, o, root, recipients))
	o.Log = discard()
	s, _, err := load(t.Context(), o.withDefaults(), db, true)
	require.NoError(t, err)
	return s, engine
}

func TestUsersOf(t *testing.T) {
	s := temp(t)
	peer := func(uid uint32, want ...string) {
		t.Helper()
		view(t, s, func(tx *Tx) error {
			users, err := tx.UsersOf(record.Peer{UID: uid})
			var got []string // in their order: new tokens are the first's
			for _, u := range users {
				got = append(got, u.Login)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("uid %d acts for %q, %v, want %q", uid, got, err, want)
			}
			return nil
		})
	}
	peer(1000)
	alice := addUser(t, s, "alice")
	peer(1000, "alice") // by the name of the OS user
	peer(1001)          // an OS user without a name
	byNumber := addUser(t, s, "byNumber", "#1000", "#1001")
	peer(1000, "alice", "byNumber") // a map adds to the name
	peer(1001, "byNumber")
	addUser(t, s, "byName", "alice", "#1000")
	peer(1000, "alice", "byNumber", "byName")
	byNumber.Enabled = false
	update(t, s, func(tx *Tx) error { return tx.PutUser(&byNumber) })
	peer(1000, "alice", "byName")
	peer(1001)
	byNumber.Enabled = true
	alice.Enabled = false
	update(t, s, func(tx *Tx) error { return errors.Join(tx.PutUser(&alice), tx.PutUser(&byNumber)) })
	peer(1000, "byNumber", "byName")
	alice.Enabled, alice.OSUsers = true, []string{"#2000"} // a list of one's own stands instead of the name
	update(t, s, func(tx *Tx) error { return tx.PutUser(&alice) })
	peer(1000, "byNumber", "byName")
	peer(2000, "alice")
	alice.OSUsers, alice.NotByName = nil, true
	update(t, s, func(tx *Tx) error { return tx.PutUser(&alice) })
	peer(1000, "byNumber", "byName")
	alice.NotByName = false
	update(t, s, func(tx *Tx) error { return tx.PutUser(&alice) })
	peer(1000, "alice", "byNumber", "byName")
	view(t, s, func(tx *Tx) error {
		all, err := tx.UsersMapped("#1001")
		require.NoError(t, err)
		require.Len(t, all, 1)
		return nil
	})
}

// Another tenant's user of the same login is not meant by the default rule.
func TestUsersOfOtherTenant(t *testing.T) {
	s := temp(t)
	update(t, s, func(tx *Tx) error {
		tenant := record.Tenant{Name: "other"}
		if err := tx.PutTenant(&tenant); err != nil {
			return err
		}
		return tx.PutUser(&record.User{Tenant: tenant.ID, Login: "alice", Enabled: true})
	})
	x := addUser(t, s, "x")
	x.Aliases = []string{"alice"} // an alias maps nobody
	update(t, s, func(tx *Tx) error { return tx.PutUser(&x) })
	view(t, s, func(tx *Tx) error {
		if users, err := tx.UsersOf(record.Peer{UID: 1000}); err != nil || len(users) != 0 {
			t.Errorf("%v, %v", users, err)
		}
		return nil
	})
}

func TestUniqueNames(t *testing.T) {
	s := temp(t)
	u := addUser(t, s, "alice")
	tok := addToken(t, s, u, "label")
	hash := s.HashAPIKey(secret.Bytes("key"))
	update(t, s, func(tx *Tx) error { return tx.PutAPIKey(&record.APIKey{Name: "k", Tenant: u.Tenant, Hash: hash}) })
	for name, fn := range map[string]func(tx *Tx) error{
		"tenant":  func(tx *Tx) error { return tx.PutTenant(&record.Tenant{Name: record.DefaultTenant}) },
		"login":   func(tx *Tx) error { return tx.PutUser(&record.User{Tenant: u.Tenant, Login: "alice"}) },
		"API key": func(tx *Tx) error { return tx.PutAPIKey(&record.APIKey{Name: "l", Tenant: u.Tenant, Hash: hash}) },
		"serial":  func(tx *Tx) error { return tx.NewToken(&record.Token{Tenant: u.Tenant, Serial: tok.Serial}) },
		"token":   func(tx *Tx) error { return tx.NewToken(&record.Token{ID: tok.ID, Tenant: u.Tenant}) },
	} {
		if err := s.Update(fn); !errors.Is(err, record.ErrExists) {
			t.Errorf("%s: %v", name, err)
		}
	}
	require.ErrorIs(t, s.Update(func(tx *Tx) error { return tx.DeleteUser(u.ID) }), record.ErrInUse,
		"delete a user who holds a token")
	// A name is free again when its record is gone or has another.
	update(t, s, func(tx *Tx) error {
		u.Login = "bob"
		return errors.Join(tx.PutUser(&u), tx.PutUser(&record.User{Tenant: u.Tenant, Login: "alice"}),
			tx.DeleteAPIKey(u.Tenant, "k"), tx.PutAPIKey(&record.APIKey{Name: "l", Tenant: u.Tenant, Hash: hash}))
	})
}

func TestMissing(t *testing.T) {
	s := temp(t)
	u := addUser(t, s, "alice")
	tok := addToken(t, s, u, "label")
	gone := "00000000-0000-4000-8000-000000000000"
	for name, fn := range map[string]func(tx *Tx) error{
		"tenant":         func(tx *Tx) error { _, err := tx.Tenant(record.TenantID(gone)); return err },
		"tenant name":    func(tx *Tx) error { _, err := tx.TenantByName("x"); return err },
		"user":           func(tx *Tx) error { _, err := tx.User(record.UserID(gone)); return err },
		"login":          func(tx *Tx) error { _, err := tx.UserByLogin(u.Tenant, "x"); return err },
		"API key":        func(tx *Tx) error { _, err := tx.APIKey(u.Tenant, "x"); return err },
		"hash":           func(tx *Tx) error { _, err := tx.APIKeyByHash([]byte("x")); return err },
		"token":          func(tx *Tx) error { _, err := tx.Token(record.TokenID(gone)); return err },
		"no id":          func(tx *Tx) error { _, err := tx.Token("../etc"); return err },
		"upper case":     func(tx *Tx) error { _, err := tx.Token(record.TokenID("{" + string(tok.ID) + "}")); return err },
		"object":         func(tx *Tx) error { _, err := tx.Object(tok.ID, 99); return err },
		"objects":        func(tx *Tx) error { _, err := tx.Objects(record.TokenID(gone)); return err },
		"put token":      func(tx *Tx) error { return tx.PutToken(&record.Token{ID: record.TokenID(gone), Tenant: u.Tenant}) },
		"put object":     func(tx *Tx) error { return tx.PutObject(tok.ID, &object.Object{ID: 99}) },
		"object of none": func(tx *Tx) error { return tx.PutObject(record.TokenID(gone), &object.Object{}) },
		"delete object":  func(tx *Tx) error { return tx.DeleteObject(tok.ID, 99) },
		"delete token":   func(tx *Tx) error { return tx.DeleteToken(record.TokenID(gone)) },
		"delete user":    func(tx *Tx) error { return tx.DeleteUser(record.UserID(gone)) },
		"delete key":     func(tx *Tx) error { return tx.DeleteAPIKey(u.Tenant, "x") },
		"delete tenant":  func(tx *Tx) error { return tx.DeleteTenant(record.TenantID(gone)) },
		"holder": func(tx *Tx) error {
			return tx.NewToken(&record.Token{Tenant: u.Tenant, Holders: record.HeldBy(record.UserID(gone), time.Time{}, "")})
		},
		"tenant of": func(tx *Tx) error { return tx.NewToken(&record.Token{Tenant: record.TenantID(gone)}) },
	} {
		if err := s.Update(fn); !errors.Is(err, record.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	require.Error(t, s.View(func(tx *Tx) error { return tx.PutUser(&u) }), "a view wrote")
}

// Deleting a tenant leaves nothing of it, and nothing else is touched.
func TestDeleteTenant(t *testing.T) {
	s, engine := inMemory(t)
	kept := addToken(t, s, addUser(t, s, "alice", "#1"), "kept")
	addObject(t, s, kept.ID, "object", "hidden")
	before, rawBefore := state(t, s), kvtest.Dump(t, engine)
	var tenant record.Tenant
	update(t, s, func(tx *Tx) error {
		tenant = record.Tenant{Name: "other", ExchangeKey: secret.Bytes("x")}
		return tx.PutTenant(&tenant)
	})
	var tok record.Token
	update(t, s, func(tx *Tx) error {
		u := record.User{Tenant: tenant.ID, Login: "bob", OSUsers: []string{"#2"}}
		if err := tx.PutUser(&u); err != nil {
			return err
		}
		tok = record.Token{Tenant: tenant.ID, Holders: record.HeldBy(u.ID, time.Time{}, "")}
		return errors.Join(tx.NewToken(&tok), tx.PutAPIKey(&record.APIKey{Tenant: tenant.ID, Name: "k", Hash: []byte("h")}))
	})
	addObject(t, s, tok.ID, "object", "hidden")
	update(t, s, func(tx *Tx) error { return tx.DeleteTenant(tenant.ID) })
	after := state(t, s)
	require.Equal(t, after, before, "before %q, after %q", before, after)
	n, m := len(rawBefore), len(kvtest.Dump(t, engine))
	require.Equal(t, m, n, "%d keys were left", m-n)
	require.NoError(t, s.View((*Tx).verify))
}

func TestTokenIDs(t *testing.T) {
	s := temp(t)
	u := addUser(t, s, "alice")
	seen := make(map[string]bool)
	for i := range 5 {
		tok := addToken(t, s, u, "label")
		if int(tok.Slot) != i+1 || len(tok.Serial) != 16 || seen[tok.Serial] || tok.Version != 1 {
			t.Errorf("token %+v", tok)
		}
		seen[tok.Serial] = true
		if i%2 == 0 {
			update(t, s, func(tx *Tx) error { return tx.DeleteToken(tok.ID) })
		}
	}
	view(t, s, func(tx *Tx) error {
		held, err := tx.TokensOf(u.ID)
		if err != nil || len(held) != 2 || held[0].Slot != 2 || held[1].Slot != 4 {
			t.Errorf("held %v, %v", held, err)
		}
		for after, want := range map[uint64]int{0: 2, 1: 2, 2: 1, 3: 1, 4: 0, 1 << 40: 0} {
			if page, err := tx.TokensOfTenant(u.Tenant, after, 0); err != nil || len(page) != want {
				t.Errorf("after %d: %d tokens, %v", after, len(page), err)
			}
		}
		if page, err := tx.TokensOfTenant(u.Tenant, 0, 1); err != nil || len(page) != 1 || page[0].Slot != 2 {
			t.Errorf("first page: %v, %v", page, err)
		}
		return nil
	})
}

func TestObjects(t *testing.T) {
	s := temp(t)
	tok := addToken(t, s, addUser(t, s, "alice"), "label")
	id := addObject(t, s, tok.ID, "one", "hidden")
	hidden := func(want string) {
		t.Helper()
		set, err := s.OpenSecret(tok.ID, id, nil)
		require.NoError(t, err, "secret %q, %v, want %q", set.Get(ck.CKA_VALUE), err, want)
		require.Equal(t, want, string(set.Get(ck.CKA_VALUE)),
			"secret %q, %v, want %q", set.Get(ck.CKA_VALUE), err, want)
	}
	put := func(label string, sec object.Set) {
		t.Helper()
		update(t, s, func(tx *Tx) error {
			o := newObject(label, "")
			o.ID, o.Secret = id, sec
			return tx.PutObject(tok.ID, o)
		})
	}
	hidden("hidden")
	put("two", nil)
	hidden("hidden")
	put("three", newObject("", "other").Secret)
	hidden("other")
	put("four", object.Set{})
	hidden("")
	view(t, s, func(tx *Tx) error {
		o, err := tx.Object(tok.ID, id)
		if err != nil || labelOf(o) != "four" || o.Version != 4 || o.Secret != nil {
			t.Errorf("object %+v, %v", o, err)
		}
		return nil
	})
	update(t, s, func(tx *Tx) error { return tx.DeleteObjects(tok.ID) })
	_, err := s.OpenSecret(tok.ID, id, nil)
	require.ErrorIs(t, err, record.ErrNotFound, "secret of a deleted object")
}

// The feed tells every change of every update in order, and none of an update
// that failed.
func TestWatch(t *testing.T) {
	s := temp(t)
	u := addUser(t, s, "alice")
	var got []string
	s.Watch(func(changes []record.Change) {
		for _, c := range changes {
			switch {
			case c.Deleted:
				got = append(got, "token gone")
			case c.Token != nil:
				got = append(got, "token "+c.Token.Label)
			case c.Object == nil:
				got = append(got, fmt.Sprint("object gone ", c.ObjectID))
			default:
				got = append(got, fmt.Sprint("object ", c.ObjectID, " ", labelOf(c.Object), " ", len(c.Object.Secret)))
			}
		}
	})
	tok := addToken(t, s, u, "label")
	id := addObject(t, s, tok.ID, "one", "hidden")
	boom := errors.New("boom")
	err := s.Update(func(tx *Tx) error { return errors.Join(tx.DeleteObject(tok.ID, id), boom) })
	require.ErrorIs(t, err, boom, "Update")
	update(t, s, func(tx *Tx) error {
		tok.Label = "new"
		return errors.Join(tx.PutToken(&tok), tx.DeleteObjects(tok.ID))
	})
	update(t, s, func(tx *Tx) error { return tx.DeleteToken(tok.ID) })
	want := []string{"token label", "object 1 one 0", "token new", "object gone 1", "token gone"}
	require.Equal(t, want, got, "told %q, want %q", got, want)
}

// A PIN costs an attacker what it should.
func TestPINCosts(t *testing.T) {
	o := options(tempDir(t))
	o.quickPINs = false
	s := openWith(t, o)
	defer closeStore(t, s)
	for cost, bound := range map[pinCost]secret.Bytes{
		{passes: 2, memory: 19 << 10, lanes: 1}: nil,
		{passes: 3, memory: 64 << 10, lanes: 1}: make(secret.Bytes, 32),
	} {
		token := record.TokenID(newRandomID())
		verifier, err := s.HashPIN(token, pin.User, secret.Bytes("1234"), bound)
		require.NoError(t, err)
		v, err := parseVerifier(verifier)
		require.NoError(t, err)
		require.Equal(t, cost, v.cost)
		require.Equal(t, bound != nil, v.bound != nil)
		right, _, err := s.CheckPIN(token, pin.User, verifier, secret.Bytes("1234"))
		require.True(t, right || bound != nil, "%v", err)
		for _, wrong := range []pinCost{
			{0, 8 << 10, 1}, {17, 8 << 10, 1},
			{1, 8<<10 - 1, 1}, {1, 256<<10 + 1, 1},
			{1, 8 << 10, 0}, {1, 8 << 10, 9},
		} {
			changed := slices.Clone(verifier)
			binary.BigEndian.PutUint32(changed[1:], wrong.passes)
			binary.BigEndian.PutUint32(changed[5:], wrong.memory)
			changed[9] = wrong.lanes
			_, err := parseVerifier(changed)
			require.ErrorIs(t, err, errVerifier, "%v", wrong)
		}
		for _, allowed := range []pinCost{pinCostMin, pinCostMax} {
			require.True(t, allowed.valid())
		}
		_, err = parseVerifier(append(slices.Clone(verifier), 0))
		require.ErrorIs(t, err, errVerifier)
		_, err = parseVerifier(append([]byte{4}, verifier[1:]...))
		require.ErrorIs(t, err, errVerifier)
	}
}

func TestPINs(t *testing.T) {
	s := temp(t)
	right := secret.Bytes("1234")
	v, err := s.HashPIN("token", pin.User, right, nil)
	require.NoError(t, err)
	again, _ := s.HashPIN("token", pin.User, right, nil)
	require.False(t, slices.Equal(v, again), "the same PIN gives the same verifier twice")
	for name, c := range map[string]struct {
		token record.TokenID
		role  pin.Role
		pin   string
		want  bool
	}{
		"right":          {"token", pin.User, "1234", true},
		"wrong":          {"token", pin.User, "1235", false},
		"empty":          {"token", pin.User, "", false},
		"longer":         {"token", pin.User, "12341", false},
		"other token":    {"token2", pin.User, "1234", false},
		"other role":     {"token", pin.SO, "1234", false},
		"shifted border": {"token\x001", pin.User, "234", false},
	} {
		if got, _, err := s.CheckPIN(c.token, c.role, v, secret.Bytes(c.pin)); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	got, _, err := temp(t).CheckPIN("token", pin.User, v, right)
	require.NoError(t, err, "the verifier works in another store: %v", got)
	require.False(t, got, "the verifier works in another store: %v", got)
	for i := range verifierHeader {
		bad := slices.Clone(v)
		bad[i] ^= 0x80
		if got, _, err := s.CheckPIN("token", pin.User, bad, right); got || err != nil && ck.CodeOf(err) != ck.CKR_DEVICE_ERROR {
			t.Errorf("byte %d of the verifier changed: %v, %v", i, got, err)
		}
	}
	for n := range v {
		if got, _, err := s.CheckPIN("token", pin.User, v[:n], right); got || err == nil {
			t.Errorf("a verifier of %d bytes: %v, %v", n, got, err)
		}
	}
}
