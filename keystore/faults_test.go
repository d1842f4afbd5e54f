package keystore

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
)

// faultWorld is a store with something of every kind, whose storage the test can make fail.
type faultWorld struct {
	s      *Store
	engine *kvtest.Faulty

	tenant, other record.TenantID
	alice, bob    record.User
	tok, bound    record.Token
	key           secret.Bytes // of the bound token
	plain, hidden object.ID    // on tok, on bound
	group         record.Group
	pending       record.PendingKey
	hash          []byte
}

func newFaultWorld(t *testing.T) *faultWorld {
	t.Helper()
	w := &faultWorld{}
	w.s, w.engine = inMemory(t)
	w.alice, w.bob = addUser(t, w.s, "alice", "osuser"), addUser(t, w.s, "bob")
	w.tenant = w.alice.Tenant
	w.tok = addToken(t, w.s, w.alice, "label")
	w.plain = addObject(t, w.s, w.tok.ID, "a", "hidden")
	w.bound, w.key = addBound(t, w.s, w.alice, "user PIN", "SO PIN")
	w.hidden = addPrivate(t, w.s, w.bound.ID, "b", "bound")
	w.hash = w.s.HashAPIKey(secret.Bytes("key"))
	update(t, w.s, func(tx *Tx) error {
		other := record.Tenant{Name: "other", ExchangeKey: secret.Bytes("exchange")}
		if err := tx.PutTenant(&other); err != nil {
			return err
		}
		w.other = other.ID
		u := record.User{Tenant: other.ID, Login: "carol", OSUsers: []string{"osuser"}}
		w.group = record.Group{Tenant: w.tenant, Name: "group"}
		w.pending = record.PendingKey{Tenant: w.tenant, User: w.alice.ID, PKCS8: secret.Bytes("pending")}
		err := errors.Join(tx.PutUser(&u), tx.PutGroup(&w.group), tx.PutPendingKey(&w.pending),
			tx.PutAPIKey(&record.APIKey{Name: "key", Tenant: w.tenant, Hash: w.hash}),
			tx.PutAPIKey(&record.APIKey{Name: "key", Tenant: other.ID, Hash: []byte("h")}),
			tx.PutAuditHead(AuditHead{Seq: 1}),
			tx.PutServerCertificate(ServerCertificate{Certificate: []byte("certificate")}),
			tx.NewToken(&record.Token{Tenant: other.ID, Holders: record.HeldBy(u.ID, time.Time{}, "")}),
			tx.PutGroup(&record.Group{Tenant: other.ID, Name: "group"}),
			tx.PutPendingKey(&record.PendingKey{Tenant: other.ID, User: u.ID}))
		return err
	})
	view(t, w.s, func(tx *Tx) error {
		bound, err := tx.Token(w.bound.ID)
		w.bound = *bound
		return err
	})
	return w
}

// faultCase is something that a store does, for which it calls its storage.
type faultCase struct {
	name  string
	tells bool // the watchers
	do    func(tx *Tx) error
}

// updates are changes of every kind, in an order in which all of them work.
func (w *faultWorld) updates(t *testing.T) []faultCase {
	t.Helper()
	next, err := w.s.HashPIN(w.bound.ID, pin.User, secret.Bytes("another PIN"), w.key)
	require.NoError(t, err)
	firstPublic, firstPrivate, err := w.s.NewBoundKey()
	require.NoError(t, err)
	unset := unset(t, w.s, w.bob)
	addPrivate(t, w.s, unset.ID, "c", "not bound yet")
	first, err := w.s.HashPIN(unset.ID, pin.User, secret.Bytes("first PIN"), firstPrivate)
	require.NoError(t, err)
	raw := envelope.RandomKey()
	root, err := envelope.NewKey(raw)
	require.NoError(t, err)
	w.s.root.add(root)
	recipients, err := w.s.recipients()
	require.NoError(t, err)
	tenant, err := parseID("tenant", w.tenant)
	require.NoError(t, err)
	// put stores a copy: what an update that fails has changed of a record is not kept.
	token := func(tok record.Token, change func(*record.Token)) func(*Tx) error {
		return func(tx *Tx) error {
			c := tok.Clone()
			change(c)
			return tx.PutToken(c)
		}
	}
	user := func(u record.User, change func(*record.User)) func(*Tx) error {
		return func(tx *Tx) error {
			c := u
			change(&c)
			return tx.PutUser(&c)
		}
	}
	return []faultCase{
		{"create an object", true, func(tx *Tx) error { return tx.PutObject(w.tok.ID, newObject("new", "hidden")) }},
		{"change an object", true, func(tx *Tx) error {
			return tx.PutObject(w.tok.ID, &object.Object{ID: w.plain, Attrs: newObject("b", "").Attrs})
		}},
		{"create a private object", true, func(tx *Tx) error { return tx.PutObject(w.bound.ID, newPrivate("new", "hidden")) }},
		{"destroy an object", true, func(tx *Tx) error { return tx.DeleteObject(w.tok.ID, w.plain) }},
		{"clear a token", true, func(tx *Tx) error { return tx.DeleteObjects(w.tok.ID) }},
		{"label a token", true, token(w.tok, func(tok *record.Token) { tok.Label = "new" })},
		{"give a token another serial number", true, token(w.tok, func(tok *record.Token) { tok.Serial = "new" })},
		{"give a token to another", true, token(w.bound, func(tok *record.Token) {
			tok.Holders = record.HeldBy(w.bob.ID, time.Time{}, "")
		})},
		{"replace a PIN", true, setVerifier(w.bound.ID, pin.User, next)},
		{"set the first PIN", true, func(tx *Tx) error {
			tok, err := tx.Token(unset.ID)
			if err != nil {
				return err
			}
			tok.BoundKey = firstPublic
			tok.UserPIN = tok.UserPIN.Change(first, tok.CreatedAt)
			return tx.PutToken(tok)
		}},
		{"make a token", true, func(tx *Tx) error {
			return tx.NewToken(&record.Token{Tenant: w.tenant, Holders: record.HeldBy(w.alice.ID, time.Time{}, "")})
		}},
		{"make a user", true, func(tx *Tx) error {
			return tx.PutUser(&record.User{Tenant: w.tenant, Login: "dave", Aliases: []string{"d"}, OSUsers: []string{"d"}})
		}},
		{"change a user", true, user(w.alice, func(u *record.User) { u.Login, u.OSUsers = "alice2", []string{"other"} })},
		{"make a group", false, func(tx *Tx) error { return tx.PutGroup(&record.Group{Tenant: w.tenant, Name: "new"}) }},
		{"rename a group", false, func(tx *Tx) error {
			g := w.group
			g.Name = "renamed"
			return tx.PutGroup(&g)
		}},
		{"delete a group", false, func(tx *Tx) error { return tx.DeleteGroup(w.group.ID) }},
		{"make an API key", false, func(tx *Tx) error {
			return tx.PutAPIKey(&record.APIKey{Name: "new", Tenant: w.tenant, Hash: []byte("1"), CertificateHash: []byte("2")})
		}},
		{"replace an API key", false, func(tx *Tx) error {
			return tx.PutAPIKey(&record.APIKey{Name: "key", Tenant: w.tenant, Hash: []byte("3")})
		}},
		{"delete an API key", false, func(tx *Tx) error { return tx.DeleteAPIKey(w.tenant, "key") }},
		{"make a pending key", false, func(tx *Tx) error {
			return tx.PutPendingKey(&record.PendingKey{Tenant: w.tenant, User: w.bob.ID})
		}},
		{"change a pending key", false, func(tx *Tx) error {
			k := w.pending
			k.PKCS8, k.Token = nil, w.tok.ID
			return tx.PutPendingKey(&k)
		}},
		{"delete a pending key", false, func(tx *Tx) error { return tx.DeletePendingKey(w.pending.ID) }},
		{"store the head of the audit log", false, func(tx *Tx) error { return tx.PutAuditHead(AuditHead{Seq: 2}) }},
		{"store the certificate", false, func(tx *Tx) error {
			return tx.PutServerCertificate(ServerCertificate{Certificate: []byte("new")})
		}},
		{"make a tenant", false, func(tx *Tx) error {
			return tx.PutTenant(&record.Tenant{Name: "new", ExchangeKey: secret.Bytes("new")})
		}},
		{"rename a tenant", false, func(tx *Tx) error { return tx.PutTenant(&record.Tenant{ID: w.other, Name: "renamed"}) }},
		{"renew the key of a tenant", false, func(tx *Tx) error { return tx.replaceTenantKey(tenant) }},
		{"change a user under the old key", true, user(w.alice, func(u *record.User) { u.Login = "alice3" })},
		{"change a group under the old key", false, func(tx *Tx) error {
			list, err := tx.Groups(w.tenant)
			if err != nil {
				return err
			}
			list[0].Name = "under the old key"
			return tx.PutGroup(list[0])
		}},
		{"seal records under the new key", false, func(tx *Tx) error {
			for _, kind := range underTenantKey {
				keys, err := tx.keysUnder([]byte{kind.prefix})
				if err != nil {
					return err
				}
				for _, key := range keys {
					if err := tx.renewRecord(key, kind.field, kind.own); err != nil {
						return err
					}
				}
			}
			return nil
		}},
		{"rotate the root key", false, func(tx *Tx) error { return tx.replaceRoot(root, recipients) }},
		{"seal keys of tenants under the new root key", false, func(tx *Tx) error {
			keys, err := tx.underOld(rotationBatch)
			if err != nil {
				return err
			}
			for _, key := range keys {
				if err := tx.resealTenantKey(key); err != nil {
					return err
				}
			}
			return nil
		}},
		{"delete a token", true, func(tx *Tx) error { return tx.DeleteToken(w.bound.ID) }},
		{"delete a user", true, func(tx *Tx) error {
			return errors.Join(tx.DeleteToken(unset.ID), tx.DeleteUser(w.bob.ID))
		}},
		{"delete a tenant", true, func(tx *Tx) error { return tx.DeleteTenant(w.other) }},
	}
}

// allOps are the kinds of calls that fail.
var allOps = []kvtest.Op{kvtest.OpGet, kvtest.OpScan, kvtest.OpPut, kvtest.OpDelete, kvtest.OpCommit}

// cause returns an error of the storage, and the code that callers get for it.
func cause(n int) (code ck.Error, why error) {
	if n%2 == 0 {
		return ck.CKR_DEVICE_ERROR, errors.New("input/output error")
	}
	return ck.CKR_DEVICE_MEMORY, fmt.Errorf("write: %w", kv.ErrNoSpace)
}

// Every call of the storage fails once in every kind of update: the update says
// so with a code, changes nothing, and works when it is repeated.
func TestStorageFaults(t *testing.T) {
	w := newFaultWorld(t)
	updates := w.updates(t)
	told := 0
	w.s.Watch(func([]record.Change) { told++ })
	for _, u := range updates {
		before := kvtest.Dump(t, w.engine)
		for _, op := range allOps {
			for n, hit := 1, true; hit; n++ {
				code, why := cause(n)
				w.engine.Rehearse(op, n, why)
				err := w.s.Update(u.do)
				hit = w.engine.Hit()
				w.engine.Fail("", 0, nil)
				what := fmt.Sprintf("%s: %s %d", u.name, op, n)
				if !hit {
					require.ErrorIs(t, err, kvtest.ErrRehearsed, what)
					require.Greater(t, n, map[kvtest.Op]int{kvtest.OpGet: 1, kvtest.OpPut: 1, kvtest.OpCommit: 1}[op], what)
				} else {
					require.ErrorIs(t, err, why, what)
					require.Equal(t, code, ck.CodeOf(err), what)
				}
				require.Equal(t, before, kvtest.Dump(t, w.engine), what)
				require.NoError(t, w.s.View((*Tx).verify), what)
				require.Equal(t, 0, told, what)
			}
		}
		update(t, w.s, u.do)
		require.NotEqual(t, before, kvtest.Dump(t, w.engine), u.name)
		require.Empty(t, check(t, w.s).Problems, u.name)
		require.Equal(t, u.tells, told > 0, u.name)
		require.LessOrEqual(t, told, 1, u.name)
		told = 0
	}
}

// Every read fails where a call of the storage does.
func TestReadFaults(t *testing.T) {
	w := newFaultWorld(t)
	id, err := parseID("token", w.bound.ID)
	require.NoError(t, err)
	reads := map[string]func(tx *Tx) error{
		"tenant":              func(tx *Tx) error { _, err := tx.Tenant(w.other); return err },
		"tenant by name":      func(tx *Tx) error { _, err := tx.TenantByName("other"); return err },
		"tenants":             func(tx *Tx) error { _, err := tx.Tenants(); return err },
		"user":                func(tx *Tx) error { _, err := tx.User(w.alice.ID); return err },
		"user by login":       func(tx *Tx) error { _, err := tx.UserByLogin(w.tenant, "alice"); return err },
		"users":               func(tx *Tx) error { _, err := tx.Users(w.tenant); return err },
		"users of a process":  func(tx *Tx) error { _, err := tx.UsersOf(record.Peer{UID: 1000}); return err },
		"users of a name":     func(tx *Tx) error { _, err := tx.UsersMapped("osuser", "alice"); return err },
		"group":               func(tx *Tx) error { _, err := tx.Group(w.group.ID); return err },
		"groups":              func(tx *Tx) error { _, err := tx.Groups(w.tenant); return err },
		"API key":             func(tx *Tx) error { _, err := tx.APIKey(w.tenant, "key"); return err },
		"API key by hash":     func(tx *Tx) error { _, err := tx.APIKeyByHash(w.hash); return err },
		"API keys":            func(tx *Tx) error { _, err := tx.APIKeys(w.tenant); return err },
		"pending key":         func(tx *Tx) error { _, err := tx.PendingKey(w.pending.ID); return err },
		"pending keys":        func(tx *Tx) error { _, err := tx.PendingKeys(w.tenant); return err },
		"those of a user":     func(tx *Tx) error { _, err := tx.PendingKeysOf(w.alice.ID); return err },
		"token":               func(tx *Tx) error { _, err := tx.Token(w.tok.ID); return err },
		"token by serial":     func(tx *Tx) error { _, err := tx.TokenBySerial(w.tenant, w.tok.Serial); return err },
		"tokens of a user":    func(tx *Tx) error { _, err := tx.TokensOf(w.alice.ID); return err },
		"tokens of a tenant":  func(tx *Tx) error { _, err := tx.TokensOfTenant(w.tenant, 0, 0); return err },
		"object":              func(tx *Tx) error { _, err := tx.Object(w.tok.ID, w.plain); return err },
		"objects":             func(tx *Tx) error { _, err := tx.Objects(w.tok.ID); return err },
		"secret":              func(tx *Tx) error { _, err := tx.secretOf(w.tok.ID, w.plain, nil); return err },
		"bound secret":        func(tx *Tx) error { _, err := tx.secretOf(w.bound.ID, w.hidden, w.key); return err },
		"audit head":          func(tx *Tx) error { _, err := tx.AuditHead(); return err },
		"certificate":         func(tx *Tx) error { _, err := tx.ServerCertificate(); return err },
		"generation":          func(tx *Tx) error { _, err := tx.generation(); return err },
		"record of the store": func(tx *Tx) error { return tx.readStore() },
		"slot":                func(tx *Tx) error { _, err := tx.slotGiven(1); return err },
		"role keys": func(tx *Tx) error {
			keys, err := tx.keysOf(id)
			if err == nil {
				_, err = tx.roleKeysOf(id, keys)
			}
			return err
		},
	}
	calls := map[string]func() error{
		"open a secret":    func() error { _, err := w.s.OpenSecret(w.bound.ID, w.hidden, w.key); return err },
		"protection":       func() error { _, err := w.s.Protection(); return err },
		"recipients":       func() error { _, err := w.s.Recipients(); return err },
		"KEKs":             func() error { _, err := w.s.KEKs(t.Context()); return err },
		"rotation":         func() error { _, err := w.s.RotationLeft(); return err },
		"renewal":          func() error { _, err := w.s.RenewalLeft(); return err },
		"backup":           func() error { _, err := w.s.Backup(t.Context(), io.Discard); return err },
		"tenants to renew": func() error { _, err := w.s.tenantsToRenew(""); return err },
		"tenant to renew":  func() error { _, err := w.s.tenantsToRenew(w.tenant); return err },
		"old tenant keys":  func() error { _, err := w.s.oldTenantKeys(); return err },
		"what is to renew": func() error { _, _, err := w.s.underOldTenantKey('u', nil); return err },
		"prepare a PIN":    func() error { _, err := w.s.prepare(w.bound.ID, pin.User, w.key); return err },
	}
	for name, read := range reads {
		calls[name] = func() error { return w.s.View(read) }
	}
	for name, call := range calls {
		require.NoError(t, call(), name)
		failed := 0
		for _, op := range []kvtest.Op{kvtest.OpGet, kvtest.OpScan} {
			for n := 1; ; n++ {
				code, why := cause(n)
				w.engine.Fail(op, n, why)
				err := call()
				if !w.engine.Hit() {
					w.engine.Fail("", 0, nil)
					break
				}
				require.ErrorIs(t, err, why, "%s: %s %d", name, op, n)
				if reads[name] != nil { // an application may wait for it
					require.Equal(t, code, ck.CodeOf(err), "%s: %s %d", name, op, n)
				}
				failed++
			}
		}
		require.Positive(t, failed, "%s reads nothing", name)
	}
}

// A view changes nothing, whatever it is asked.
func TestViewWritesNothing(t *testing.T) {
	w := newFaultWorld(t)
	for _, u := range w.updates(t) {
		before := kvtest.Dump(t, w.engine)
		if u.name == "seal records under the new key" || u.name == "seal keys of tenants under the new root key" {
			continue // of which there are none before the update that is before it
		}
		require.ErrorIs(t, w.s.View(u.do), errReadOnly, u.name)
		require.Equal(t, before, kvtest.Dump(t, w.engine), u.name)
	}
}

// TestWalk runs random updates from several goroutines on several tokens and
// compares with a model; half of the updates fail on purpose.
func TestWalk(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	u := addUser(t, s, "alice")
	boom := errors.New("boom")
	var wg sync.WaitGroup
	models := make([]map[object.ID]string, 4)
	tokens := make([]record.Token, 4)
	for i := range models {
		models[i], tokens[i] = make(map[object.ID]string), addToken(t, s, u, "label")
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(7, uint64(i)))
			for range 150 {
				next := make(map[object.ID]string)
				fail := rng.IntN(2) == 0
				seed := rng.Uint64()
				err := s.Update(func(tx *Tx) error {
					clear(next)
					for id, label := range models[i] {
						next[id] = label
					}
					if err := step(tx, tokens[i].ID, next, rand.New(rand.NewPCG(seed, 0))); err != nil {
						return err
					}
					if fail {
						return boom
					}
					return nil
				})
				if fail != errors.Is(err, boom) {
					t.Errorf("Update: %v", err)
				}
				if !fail {
					models[i] = next
				}
			}
		})
	}
	wg.Wait()
	closeStore(t, s)
	s = open(t, dir)
	defer closeStore(t, s)
	view(t, s, func(tx *Tx) error {
		for i, tok := range tokens {
			list, err := tx.Objects(tok.ID)
			if err != nil || len(list) != len(models[i]) {
				t.Errorf("token %d has %d objects, %v, want %d", i, len(list), err, len(models[i]))
			}
			for _, o := range list {
				if models[i][o.ID] != labelOf(o) {
					t.Errorf("object %d is %q, want %q", o.ID, labelOf(o), models[i][o.ID])
				}
			}
		}
		return nil
	})
}

// step does up to three random things to a token and its model.
func step(tx *Tx, token record.TokenID, model map[object.ID]string, rng *rand.Rand) error {
	for range rng.IntN(3) + 1 {
		ids := make([]object.ID, 0, len(model))
		for id := range model {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		label := fmt.Sprint(rng.Uint64())
		var err error
		switch kind := rng.IntN(10); {
		case kind < 5 || len(ids) == 0:
			o := newObject(label, "hidden")
			err = tx.PutObject(token, o)
			model[o.ID] = label
		case kind < 7:
			o := newObject(label, "")
			o.ID = ids[rng.IntN(len(ids))]
			err = tx.PutObject(token, o)
			model[o.ID] = label
		case kind < 9:
			id := ids[rng.IntN(len(ids))]
			err = tx.DeleteObject(token, id)
			delete(model, id)
		case rng.IntN(4) == 0:
			err = tx.DeleteObjects(token)
			clear(model)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
