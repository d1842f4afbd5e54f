package keystore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/schema"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// renewed waits until every record is under the new keys.
func renewed(t *testing.T, s *Store) {
	t.Helper()
	require.Eventually(t, func() bool {
		left, err := s.RenewalLeft()
		require.NoError(t, err)
		return left == 0
	}, time.Minute, 5*time.Millisecond)
}

// leaked are the keys of a tenant and of its tokens, as somebody has them who read the
// memory of the daemon once.
func leaked(t *testing.T, s *Store) (keys []*envelope.Key) {
	t.Helper()
	view(t, s, func(tx *Tx) error {
		tenants, err := tx.Tenants()
		if err != nil {
			return err
		}
		for _, tenant := range tenants {
			id, _ := parseID("tenant", tenant.ID)
			k, err := tx.tenantKey(id)
			if err != nil {
				return err
			}
			keys = append(keys, copyOf(t, k))
			tokens, err := tx.TokensOfTenant(tenant.ID, 0, 0)
			for _, tok := range tokens {
				tid, _ := parseID("token", tok.ID)
				of, e := tx.keysOf(tid)
				if e != nil {
					return e
				}
				keys = append(keys, copyOf(t, of.record), copyOf(t, of.secret))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return keys
}

func copyOf(t *testing.T, k *envelope.Key) *envelope.Key {
	t.Helper()
	raw := k.Raw()
	defer raw.Wipe()
	return copyOfRaw(t, raw)
}

func copyOfRaw(t *testing.T, raw secret.Bytes) *envelope.Key {
	t.Helper()
	c, err := envelope.NewKey(raw)
	require.NoError(t, err)
	return c
}

// underLeaked counts the values that say that they are under a key.
func underLeaked(records map[string]string, keys []*envelope.Key) (n int) {
	for _, value := range records {
		for _, from := range []int{0, 16} {
			if h, err := envelope.Parse([]byte(value[min(from, len(value)):])); err == nil {
				for _, k := range keys {
					if h.Key == k.ID() {
						n++
					}
				}
			}
		}
	}
	return n
}

// TestRenewKeys gives all tenants new keys: everything reads as before, in the same
// versions, with the same PINs, and nothing in the store, or in its free pages, is under an old
// key. It holds after a restart.
func TestRenewKeys(t *testing.T) {
	dir, want := oldStore(t, "plain")
	withFile(t, dir, "kek.key")
	s := quiet(t, options(dir))
	old := leaked(t, s)
	require.Greater(t, underLeaked(storedNow(t, s), old), 100)
	require.NoError(t, s.RenewKeys(t.Context(), ""))
	renewed(t, s)
	check := func() {
		t.Helper()
		require.Equal(t, want, state(t, s))
		require.Zero(t, underLeaked(storedNow(t, s), old))
		require.NoError(t, s.walkOnce())
		r, err := s.Check(t.Context())
		require.NoError(t, err)
		require.Empty(t, r.Problems)
		pinsOpen(t, s)
	}
	check()
	closeStore(t, s)
	s = quiet(t, options(dir))
	check()
	closeStore(t, s)
}

// TestRenewOne gives one tenant new keys, and leaves the other alone.
func TestRenewOne(t *testing.T) {
	dir, want := oldStore(t, "plain")
	withFile(t, dir, "kek.key")
	s := open(t, dir)
	defer closeStore(t, s)
	before := storedNow(t, s)
	var sales *record.Tenant
	view(t, s, func(tx *Tx) (err error) { sales, err = tx.TenantByName("sales"); return err })
	require.NoError(t, s.RenewKeys(t.Context(), sales.ID))
	renewed(t, s)
	require.Equal(t, want, state(t, s))
	same, changed := 0, 0
	for key, value := range storedNow(t, s) {
		if key[0] != schema.PrefixToken {
			continue
		}
		tenant, _, err := cutTenant([]byte(value))
		require.NoError(t, err)
		is := text(tenant) == string(sales.ID)
		require.Equal(t, !is, before[key] == value)
		if is {
			changed++
		} else {
			same++
		}
	}
	require.Positive(t, same)
	require.Positive(t, changed)
	require.ErrorIs(t, s.RenewKeys(t.Context(), record.TenantID(newRandomID())), record.ErrNotFound)
}

func newRandomID() string { id := newID(); return text(id) }

// TestRenewFails has each commit of a renewal fail in turn, and opens the store in that state: it
// reads as before, even while half of it is under new keys, and the next start goes on. A
// rotation of the root key meanwhile keeps the old keys.
func TestRenewFails(t *testing.T) {
	for commit := 1; ; commit++ {
		s, engine := inMemory(t)
		var tokens []record.TokenID
		for i := range 3 {
			u := addUser(t, s, fmt.Sprint("user", i))
			tok := addToken(t, s, u, "label")
			addObject(t, s, tok.ID, "label", "hidden")
			tokens = append(tokens, tok.ID)
		}
		want, old := state(t, s), leaked(t, s)
		engine.Fail(kvtest.OpCommit, commit, errors.New("input/output error"))
		err := s.RenewKeys(t.Context(), "")
		if commit == 1 {
			require.Error(t, err)
		} else {
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				left, err := s.RenewalLeft()
				return err == nil && left == 0 || engine.Hit()
			}, time.Minute, time.Millisecond)
		}
		done := !engine.Hit()
		again, _, err := load(t.Context(), s.options, s.db, true)
		require.NoError(t, err)
		require.Equal(t, want, state(t, again), "commit %d failed", commit)
		if commit == 3 {
			require.NoError(t, s.RotateRoot(t.Context()))
			require.ErrorIs(t, s.RenewKeys(t.Context(), ""), ErrKEK)
		}
		if commit > 1 {
			renewed(t, s)
			require.Zero(t, underLeaked(storedNow(t, s), old))
		}
		require.Equal(t, want, state(t, s))
		if done {
			require.Greater(t, commit, 6)
			closeStore(t, s)
			return
		}
		update(t, s, disable(tokens[0]))
		closeStore(t, s)
	}
}

// TestRenewUnderClients renews keys again and again while clients read and write: none
// meets an error, and nothing that was acknowledged is lost.
func TestRenewUnderClients(t *testing.T) {
	dir := tempDir(t)
	s := quiet(t, options(dir))
	u := addUser(t, s, "alice")
	var tokens []record.TokenID
	for i := range 4 {
		tokens = append(tokens, addToken(t, s, u, fmt.Sprint(i)).ID)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var mu sync.Mutex
	made := map[string]bool{}
	for c, tok := range tokens {
		clients.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				label := fmt.Sprint(c, "/", i)
				o := newObject(label, "hidden")
				err := s.Update(func(tx *Tx) error { return tx.PutObject(tok, o) })
				if err == nil {
					var set object.Set
					if set, err = s.OpenSecret(tok, o.ID, nil); err == nil && len(set) != 1 {
						err = fmt.Errorf("%s has %d secret attributes", label, len(set))
					}
				}
				if err == nil {
					mu.Lock()
					made[label] = true
					mu.Unlock()
					err = s.Update(func(tx *Tx) error {
						r, err := tx.Token(tok)
						if err != nil {
							return err
						}
						r.UserPIN.Failed++
						return tx.PutToken(r)
					})
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 6 {
		require.NoError(t, s.RenewKeys(t.Context(), u.Tenant))
		renewed(t, s)
	}
	cancel()
	clients.Wait()
	closeStore(t, s)
	s = open(t, dir)
	defer closeStore(t, s)
	found := map[string]bool{}
	view(t, s, func(tx *Tx) error {
		for _, tok := range tokens {
			list, err := tx.Objects(tok)
			if err != nil {
				return err
			}
			for _, o := range list {
				found[labelOf(o)] = true
			}
		}
		return nil
	})
	require.True(t, maps.Equal(made, found))
	r, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Empty(t, r.Problems)
}

// TestRenewedNewerMembers: a record with members that this program does not know keeps
// them when it is sealed under a new key, and is not written over while it is under the
// old one.
func TestRenewedNewerMembers(t *testing.T) {
	s := quiet(t, options(tempDir(t)))
	defer closeStore(t, s)
	u := addUser(t, s, "alice")
	id, err := parseID("user", u.ID)
	require.NoError(t, err)
	tenant, err := parseID("tenant", u.Tenant)
	require.NoError(t, err)
	const newer = `{"login":"alice","enabled":true,"frobs":{"x":1}}`
	where := place(tenant, id, 0, fieldUser)
	update(t, s, func(tx *Tx) error {
		key, err := tx.tenantKey(tenant)
		if err != nil {
			return err
		}
		if err := tx.seal(key, schema.Record(schema.PrefixUser, id), tenant[:], where, []byte(newer)); err != nil {
			return err
		}
		return tx.replaceTenantKey(tenant)
	})
	require.ErrorIs(t, s.Update(func(tx *Tx) error { return tx.PutUser(&u) }), schema.ErrNewer)
	require.NoError(t, s.renewAll(nil, func() {}))
	view(t, s, func(tx *Tx) error {
		value, err := tx.get(schema.Record(schema.PrefixUser, id))
		if err != nil {
			return err
		}
		key, err := tx.tenantKey(tenant)
		if err != nil {
			return err
		}
		plain, _, err := key.Open(where, value[16:])
		require.Equal(t, newer, string(plain))
		return err
	})
}

// TestRenewOneAfterAnother gives a tenant new keys while those of another one are being
// renewed, in each moment of that: nobody removes an old key under which there are records.
func TestRenewOneAfterAnother(t *testing.T) {
	for at := range 10 {
		s := quiet(t, options(tempDir(t)))
		var second record.Tenant
		update(t, s, func(tx *Tx) error {
			second = record.Tenant{Name: "second"}
			return tx.PutTenant(&second)
		})
		first := addUser(t, s, "alice")
		addToken(t, s, first, "label")
		update(t, s, func(tx *Tx) error {
			return tx.PutUser(&record.User{Tenant: second.ID, Login: "bob", Enabled: true})
		})
		want := state(t, s)
		replace := func(id record.TenantID) {
			tenant, err := parseID("tenant", id)
			require.NoError(t, err)
			update(t, s, func(tx *Tx) error { return tx.replaceTenantKey(tenant) })
		}
		replace(first.Tenant)
		updates := 0
		s.options.Committed = func(int, time.Duration, error) { updates++ }
		ends := make(chan struct{})
		done := make(chan error, 1)
		moment := make(chan struct{})
		go func() { // after so many commits of the renewal the other tenant gets its key
			done <- s.renewAll(ends, func() {
				if updates >= at {
					select {
					case <-moment:
					default:
						close(moment)
						replace(second.ID)
					}
				}
			})
		}()
		require.NoError(t, <-done)
		require.Equal(t, want, state(t, s), "at %d", at)
		require.NoError(t, s.renewAll(ends, func() {}))
		require.Equal(t, want, state(t, s), "at %d", at)
		left, err := s.RenewalLeft()
		require.NoError(t, err)
		require.Zero(t, left)
		closeStore(t, s)
	}
}
