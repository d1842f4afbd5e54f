package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// behind puts keys and values into a store that is in use, as another program does that
// writes the file. An empty value is one; nil removes the key.
func behind(t *testing.T, s *Store, changes map[string][]byte) {
	t.Helper()
	require.NoError(t, s.db.Update(func(w kv.Tx) error {
		for key, value := range changes {
			err := w.Put([]byte(key), value)
			if value == nil {
				err = w.Delete([]byte(key))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// storedNow is the raw state of a store that is in use.
func storedNow(t *testing.T, s *Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, s.db.View(func(r kv.Reader) error {
		return r.Scan(nil, nil, func(key, value []byte) error {
			out[string(key)] = string(value)
			return nil
		})
	}))
	return out
}

// quiet opens a store of which the patrol does not walk by itself.
func quiet(t *testing.T, o Options) *Store {
	t.Helper()
	s := openWith(t, o)
	s.patrols.stop()
	s.patrols.background = background{}
	return s
}

func bucketOf(key []byte) schema.Bucket {
	b, _ := schema.BucketOf(key)
	return b
}

// walkOnce is one walk of the patrol without a pause.
func (s *Store) walkOnce() error { return s.walk(func(time.Duration) bool { return true }) }

// TestPutBackInUse changes a store of one record of each kind, and puts each key back to
// what it was, one at a time, while the store is in use: the next use of that record is
// refused, whatever wants to change it as well, and the patrol finds it. With the right
// value in its place again, everything works: nothing wrong went into a sum.
func TestPutBackInUse(t *testing.T) {
	for _, lazily := range []bool{false, true} {
		t.Run(fmt.Sprint("verified at first use: ", lazily), func(t *testing.T) { putBackInUse(t, lazily) })
	}
}

func putBackInUse(t *testing.T, lazily bool) {
	dir, _ := small(t)
	var log bytes.Buffer
	var told atomic.Int64
	o := options(dir)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	o.Tampered = func(error, bool) { told.Add(1) }
	o.lazily = lazily
	s := quiet(t, o)
	before := storedNow(t, s)
	change := func() error {
		return s.Update(func(tx *Tx) error {
			tenants, err := tx.Tenants()
			for _, tenant := range tenants {
				if err == nil {
					tenant.ExchangeKey = secret.Bytes("another")
					err = tx.PutTenant(tenant)
				}
				if err == nil {
					err = touch(tx, tenant.ID)
				}
			}
			return err
		})
	}
	require.NoError(t, change())
	after := storedNow(t, s)
	kinds := map[byte]int{}
	for key, value := range after {
		old, was := before[key]
		if was && old == value || key == string(schema.KeyFormat()) {
			continue
		}
		kinds[key[0]]++
		old2 := []byte(old)
		if !was {
			old2 = nil
		}
		name := kindOf([]byte(key))
		behind(t, s, map[string][]byte{key: old2})
		if key[0] != schema.PrefixAudit {
			require.ErrorIs(t, change(), ErrTampered, name)
		}
		require.ErrorIs(t, s.walkOnce(), ErrTampered, name)
		behind(t, s, map[string][]byte{key: []byte(value)})
		require.NoError(t, s.walkOnce(), name)
	}
	for _, kind := range "CDahktuxo" {
		require.Positive(t, kinds[byte(kind)], "no record of kind %c was put back", kind)
	}
	require.Contains(t, log.String(), "ALARM")
	require.Positive(t, told.Load())
	require.NoError(t, change())
	require.NoError(t, s.walkOnce())
	closeStore(t, s)
	closeStore(t, open(t, dir))
}

// TestAddedInUse deletes an API key and a user, and puts all of their records back: they
// are not believed, also where they were deleted in another run.
func TestAddedInUse(t *testing.T) {
	for name, again := range map[string]bool{"the same run": false, "another run": true, "another run, verified at first use": true} {
		lazily := strings.HasSuffix(name, "first use")
		t.Run(name, func(t *testing.T) {
			dir := tempDir(t)
			s := quiet(t, options(dir))
			u := addUser(t, s, "alice", "unix")
			hash := s.HashAPIKey(secret.Bytes("key"))
			update(t, s, func(tx *Tx) error {
				return tx.PutAPIKey(&record.APIKey{Name: "key", Tenant: u.Tenant, Hash: hash})
			})
			before := storedNow(t, s)
			update(t, s, func(tx *Tx) error {
				if err := tx.DeleteAPIKey(u.Tenant, "key"); err != nil {
					return err
				}
				return tx.DeleteUser(u.ID)
			})
			if again {
				closeStore(t, s)
				o := options(dir)
				o.lazily = lazily
				s = quiet(t, o)
			}
			defer closeStore(t, s)
			after := storedNow(t, s)
			back := map[string][]byte{}
			for key, value := range before {
				if _, is := after[key]; !is {
					back[key] = []byte(value)
				}
			}
			behind(t, s, back)
			require.ErrorIs(t, s.View(func(tx *Tx) error { _, err := tx.APIKeyByHash(hash); return err }), ErrTampered)
			require.ErrorIs(t, s.View(func(tx *Tx) error { _, err := tx.User(u.ID); return err }), ErrTampered)
			require.ErrorIs(t, s.walkOnce(), ErrTampered)
		})
	}
}

// TestFirstUse puts one record of a store back while it is closed, and opens it as a large store:
// uses of that record are refused, others are served, and the patrol reports it.
func TestFirstUse(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	u := addUser(t, s, "alice")
	var tokens []record.TokenID
	for i := range 20 {
		tokens = append(tokens, addToken(t, s, u, fmt.Sprint(i)).ID)
	}
	closeStore(t, s)
	before := raw(t, dir)
	s = open(t, dir)
	root := s.RootKey()
	update(t, s, disable(tokens[0]))
	closeStore(t, s)
	id, _ := parseID("token", tokens[0])
	key := string(schema.Record(schema.PrefixToken, id))
	rewrite(t, dir, func(w kv.Writer) error { return w.Put([]byte(key), []byte(before[key])) })
	_, err := Open(t.Context(), options(dir))
	require.ErrorIs(t, err, ErrTampered)

	o := options(dir)
	o.Root = root // nobody waits for what is verified later
	closeStore(t, quiet(t, o))
	o = options(dir)
	o.lazily = true
	s = quiet(t, o)
	served := 0
	for _, other := range tokens {
		err := s.View(func(tx *Tx) error { _, err := tx.Token(other); return err })
		if other == tokens[0] {
			require.ErrorIs(t, err, ErrTampered)
		} else if err == nil {
			served++
		}
	}
	require.GreaterOrEqual(t, served, 15, "a few may share its bucket")
	require.ErrorIs(t, s.Update(disable(tokens[0])), ErrTampered)
	require.ErrorIs(t, s.walkOnce(), ErrTampered)
	closeStore(t, s)
}

// TestNotKnown has hardly any room to remember records: those that are not known are
// found by the patrol, and an honest store never is.
func TestNotKnown(t *testing.T) {
	dir := tempDir(t)
	s := quiet(t, options(dir))
	defer func() { closeStore(t, s) }()
	s.known.mu.Lock()
	s.known.most = 16
	s.known.mu.Unlock()
	u := addUser(t, s, "alice")
	tok := addToken(t, s, u, "label")
	before := storedNow(t, s)
	update(t, s, disable(tok.ID))
	for i := range 40 {
		addUser(t, s, fmt.Sprint("other", i))
		addObject(t, s, tok.ID, fmt.Sprint(i), "hidden")
		require.NoError(t, s.walkOnce())
	}
	require.LessOrEqual(t, len(s.known.records), 16)
	require.False(t, s.known.complete)
	id, _ := parseID("token", tok.ID)
	key := string(schema.Record(schema.PrefixToken, id))
	right := storedNow(t, s)[key]
	behind(t, s, map[string][]byte{key: []byte(before[key])})
	require.ErrorIs(t, s.walkOnce(), ErrTampered)
	behind(t, s, map[string][]byte{key: []byte(right)})
	s.known.mu.Lock()
	clear(s.known.records) // of what it read while it was wrong
	s.known.mu.Unlock()
	require.NoError(t, s.walkOnce())
}

// TestPatrolMeetsUpdates walks while clients read and write, views stay open and commits
// fail: there is no false alarm.
func TestPatrolMeetsUpdates(t *testing.T) {
	s, engine := inMemory(t)
	defer closeStore(t, s)
	s.options.Tampered = func(err error, _ bool) { t.Error(err) }
	u := addUser(t, s, "alice")
	var tokens []record.TokenID
	for i := range 4 {
		tokens = append(tokens, addToken(t, s, u, fmt.Sprint(i)).ID)
	}
	var clients, walker sync.WaitGroup
	ends := make(chan struct{})
	walker.Go(func() {
		for {
			select {
			case <-ends:
				return
			default:
				if err := s.walkOnce(); err != nil && !errors.Is(err, kv.ErrNoSpace) {
					t.Error(err)
					return
				}
			}
		}
	})
	for c := range 4 {
		random := rand.New(rand.NewPCG(7, uint64(c)))
		clients.Go(func() {
			for i := range 150 {
				tok := tokens[random.IntN(len(tokens))]
				switch random.IntN(6) {
				case 0:
					engine.Fail(kvtest.OpCommit, 1, kv.ErrNoSpace)
				case 1:
					err := s.View(func(tx *Tx) error {
						list, err := tx.Objects(tok)
						if err == nil && len(list) > 0 {
							_, err = tx.Object(tok, list[0].ID)
						}
						_, err2 := tx.TokensOfTenant(u.Tenant, 0, 0)
						return errors.Join(err, err2)
					})
					if err != nil {
						t.Error(err)
						return
					}
				case 2:
					_ = s.Update(func(tx *Tx) error {
						list, err := tx.Objects(tok)
						if err != nil || len(list) == 0 {
							return err
						}
						return tx.DeleteObject(tok, list[0].ID)
					})
				case 3:
					_ = s.Update(disable(tok))
				default:
					_ = s.Update(func(tx *Tx) error {
						if err := tx.PutUser(&record.User{Tenant: u.Tenant, Login: fmt.Sprint(c, "/", i), Enabled: true}); err != nil {
							return err
						}
						return tx.PutObject(tok, newObject(fmt.Sprint(c, i), "hidden"))
					})
				}
			}
		})
	}
	clients.Wait()
	close(ends)
	walker.Wait()
	engine.Fail(kvtest.OpCommit, 0, nil)
	require.NoError(t, s.walkOnce())
	r, err := s.Check(t.Context())
	require.NoError(t, err)
	require.Empty(t, r.Problems)
}

// TestWalkPutBack puts records back at random places of the history of a store that is
// in use, one or some at a time. What comes out is what was stored last, or it is
// refused; with the right ones in place, the store is sound.
func TestWalkPutBack(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			dir := tempDir(t)
			s := quiet(t, options(dir))
			u := addUser(t, s, "alice", "unix")
			var tokens []record.TokenID
			failed := map[record.TokenID]int{}
			for i := range 3 {
				tokens = append(tokens, addToken(t, s, u, fmt.Sprint(i)).ID)
			}
			history := []map[string]string{storedNow(t, s)}
			for range 40 {
				tok := tokens[random.IntN(len(tokens))]
				update(t, s, func(tx *Tx) error {
					r, err := tx.Token(tok)
					if err != nil {
						return err
					}
					r.UserPIN.Failed++
					if err := tx.PutToken(r); err != nil {
						return err
					}
					return tx.PutObject(tok, newObject("label", "hidden"))
				})
				failed[tok]++
				now := storedNow(t, s)
				history = append(history, now)
				old := history[random.IntN(len(history))]
				wrong, right := map[string][]byte{}, map[string][]byte{}
				for key, value := range now {
					was, is := old[key]
					if (!is || was != value) && random.IntN(3) == 0 {
						right[key] = []byte(value)
						wrong[key] = nil
						if is {
							wrong[key] = append([]byte{}, was...)
						}
					}
				}
				behind(t, s, wrong)
				for id, n := range failed {
					err := s.View(func(tx *Tx) error {
						r, err := tx.Token(id)
						if err == nil {
							require.Equal(t, n, r.UserPIN.Failed)
						}
						return err
					})
					if err != nil {
						require.ErrorIs(t, err, ErrTampered)
					}
					if err := try(s, id); err != nil {
						require.ErrorIs(t, err, ErrTampered)
					} else {
						failed[id]++
						key, _ := parseID("token", id)
						for _, k := range [][]byte{schema.Record(schema.PrefixToken, key), schema.KeyNode(thisNode), schema.KeyAccumulator(thisNode, bucketOf(schema.Record(schema.PrefixToken, key)))} {
							delete(right, string(k)) // it is newer now
						}
					}
				}
				if len(wrong) > 0 && len(right) > 0 {
					require.ErrorIs(t, s.walkOnce(), ErrTampered)
				}
				behind(t, s, right)
				require.NoError(t, s.walkOnce())
			}
			closeStore(t, s)
			s = open(t, dir)
			r, err := s.Check(t.Context())
			require.NoError(t, err)
			require.Empty(t, r.Problems)
			closeStore(t, s)
		})
	}
}

// TestNewerMembers: a record with a member that only a newer program knows is read, and
// not written over.
func TestNewerMembers(t *testing.T) {
	s := quiet(t, options(tempDir(t)))
	defer closeStore(t, s)
	u := addUser(t, s, "alice")
	id, err := parseID("user", u.ID)
	require.NoError(t, err)
	tenant, err := parseID("tenant", u.Tenant)
	require.NoError(t, err)
	update(t, s, func(tx *Tx) error {
		key, err := tx.tenantKey(tenant)
		if err != nil {
			return err
		}
		return tx.seal(key, schema.Record(schema.PrefixUser, id), tenant[:], place(tenant, id, 0, fieldUser), []byte(`{"login":"alice","enabled":true,"frobs":{"x":1}}`))
	})
	view(t, s, func(tx *Tx) error {
		r, err := tx.User(u.ID)
		if err == nil {
			require.Equal(t, "alice", r.Login)
		}
		return err
	})
	err = s.Update(func(tx *Tx) error { return tx.PutUser(&u) })
	require.ErrorIs(t, err, schema.ErrNewer)
	require.ErrorContains(t, err, "frobs")
	update(t, s, func(tx *Tx) error { return tx.DeleteUser(u.ID) })
}
