package keystore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/schema"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// quotaWorld is a store with a tenant of that quota and users with tokens.
type quotaWorld struct {
	*testing.T
	s      *Store
	tenant record.TenantID
	users  []record.UserID
	engine *kvtest.Faulty
}

func newQuotaWorld(t *testing.T, q record.Quota, users int) *quotaWorld {
	s, engine := inMemory(t)
	w := &quotaWorld{T: t, s: s, engine: engine}
	w.update(func(tx *Tx) error {
		w.users = nil
		tenant := &record.Tenant{Name: "of the quota", Quota: q}
		err := tx.PutTenant(tenant)
		w.tenant = tenant.ID
		for i := range users {
			u := &record.User{Tenant: tenant.ID, Login: fmt.Sprint("user-", i), Enabled: true}
			err = errors.Join(err, tx.PutUser(u))
			w.users = append(w.users, u.ID)
		}
		return err
	})
	return w
}

func (w *quotaWorld) update(fn func(tx *Tx) error) {
	w.Helper()
	require.NoError(w, w.s.Update(fn))
}

func (w *quotaWorld) token(owner record.UserID) (id record.TokenID) {
	w.Helper()
	w.update(func(tx *Tx) error {
		t := &record.Token{Tenant: w.tenant}
		if owner != "" {
			t.Holders = []record.Assignment{{User: owner}}
		}
		err := tx.NewToken(t)
		id = t.ID
		return err
	})
	return id
}

// add stores an object of about that size.
func (w *quotaWorld) add(token record.TokenID, size int) (id object.ID, err error) {
	err = w.s.Update(func(tx *Tx) error {
		o := &object.Object{Attrs: object.Set{{Type: ck.CKA_VALUE, Value: make([]byte, size)}}}
		err := tx.PutObject(token, o)
		id = o.ID
		return err
	})
	return id, err
}

// refused checks that an object did not fit.
func refused(t *testing.T, err error, whose, what string) {
	t.Helper()
	var over *record.OverQuota
	require.ErrorAs(t, err, &over)
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err))
	require.Equal(t, [2]string{whose, what}, [2]string{over.Whose, over.What})
}

// sound checks the whole store, its amounts included, and those in memory.
func (w *quotaWorld) sound() {
	w.Helper()
	require.Empty(w, check(w.T, w.s).Problems)
	w.counted()
}

// counted compares what is kept in memory with the tokens, and returns how much that is.
func (w *quotaWorld) counted() int {
	w.Helper()
	for user, amount := range w.s.usages.counted {
		only := errors.New("only looked")
		require.ErrorIs(w, w.s.Update(func(tx *Tx) error {
			tx.moved = true // so that nothing is kept
			u, err := tx.countUsage(user)
			require.NoError(w, err)
			require.Equal(w, u.Amount, amount)
			recorded, err := tx.recordedUsage(user)
			require.Nil(w, recorded, "it is in memory and in the store")
			return errors.Join(err, only)
		}), only)
	}
	return len(w.s.usages.counted)
}

func TestQuotaOfAToken(t *testing.T) {
	w := newQuotaWorld(t, record.Quota{Objects: 3}, 1)
	id := w.token(w.users[0])
	var last object.ID
	for range 3 {
		var err error
		last, err = w.add(id, 10)
		require.NoError(t, err)
	}
	_, err := w.add(id, 10)
	refused(t, err, "token", "objects")
	require.EqualValues(t, 1, w.s.OverQuota())
	w.sound()

	// Another token has its own; so has this one where an object is gone.
	_, err = w.add(w.token(w.users[0]), 10)
	require.NoError(t, err)
	w.update(func(tx *Tx) error { return tx.DeleteObject(id, last) })
	_, err = w.add(id, 10)
	require.NoError(t, err)
	w.update(func(tx *Tx) error { return tx.DeleteObjects(id) })
	_, err = w.add(id, 10)
	require.NoError(t, err)
	w.sound()
}

func TestQuotaOfBytes(t *testing.T) {
	const large = 1 << 20
	w := newQuotaWorld(t, record.Quota{Objects: 100}, 1)
	id := w.token(w.users[0])
	var last object.ID
	var err error
	most := record.Quota{Objects: 100}.PerToken()
	for range most.Bytes/large - 1 {
		last, err = w.add(id, large)
		require.NoError(t, err)
	}
	_, err = w.add(id, large)
	refused(t, err, "token", "bytes")
	resize := func(size int) error {
		return w.s.Update(func(tx *Tx) error {
			return tx.PutObject(id, &object.Object{ID: last, Attrs: object.Set{{Type: ck.CKA_VALUE, Value: make([]byte, size)}}})
		})
	}
	refused(t, resize(2*large), "token", "bytes")
	require.NoError(t, resize(10))
	_, err = w.add(id, large)
	require.NoError(t, err)
	w.sound()
}

func TestQuotaOfAUser(t *testing.T) {
	w := newQuotaWorld(t, record.Quota{ObjectsPerUser: 4}, 2)
	alice, bob := w.users[0], w.users[1]
	one, two, ofBob, nobodys := w.token(alice), w.token(alice), w.token(bob), w.token("")
	for _, id := range []record.TokenID{one, one, two, two, ofBob, nobodys, nobodys} {
		_, err := w.add(id, 10)
		require.NoError(t, err)
	}
	_, err := w.add(two, 10)
	refused(t, err, "user", "objects")
	w.sound()

	give := func(id record.TokenID, to ...record.UserID) {
		t.Helper()
		w.update(func(tx *Tx) error {
			r, err := tx.Token(id)
			if err != nil {
				return err
			}
			r.Holders = nil
			for _, u := range to {
				r.Holders = append(r.Holders, record.Assignment{User: u})
			}
			return tx.PutToken(r)
		})
		w.sound()
	}
	give(one, bob, alice) // bob has three now, alice two
	_, err = w.add(two, 10)
	require.NoError(t, err)
	_, err = w.add(one, 10)
	require.NoError(t, err)
	_, err = w.add(ofBob, 10)
	refused(t, err, "user", "objects")

	give(nobodys, bob) // more than bob may have; what is there stays
	_, err = w.add(ofBob, 10)
	refused(t, err, "user", "objects")
	give(one)
	_, err = w.add(ofBob, 10)
	require.NoError(t, err)

	// A token that is deleted gives back what it had, and a user takes the record along.
	w.update(func(tx *Tx) error { return tx.DeleteToken(nobodys) })
	w.sound()
	for range 2 {
		_, err = w.add(ofBob, 10)
		require.NoError(t, err)
	}
	_, err = w.add(ofBob, 10)
	refused(t, err, "user", "objects")
	w.update(func(tx *Tx) error { return errors.Join(tx.DeleteToken(ofBob), tx.DeleteUser(bob)) })
	w.sound()
}

// Within one update, objects and owners may change in any order.
func TestQuotaInOneUpdate(t *testing.T) {
	w := newQuotaWorld(t, record.Quota{ObjectsPerUser: 10}, 2)
	_, err := w.add(w.token(w.users[0]), 10)
	require.NoError(t, err)
	_, err = w.add(w.token(w.users[1]), 10)
	require.NoError(t, err)
	w.update(func(tx *Tx) error {
		r := &record.Token{Tenant: w.tenant, Holders: []record.Assignment{{User: w.users[0]}}}
		if err := tx.NewToken(r); err != nil {
			return err
		}
		put := func() error { return tx.PutObject(r.ID, &object.Object{}) }
		if err := errors.Join(put(), put()); err != nil {
			return err
		}
		r.Holders[0].User = w.users[1]
		return errors.Join(tx.PutToken(r), put(), tx.PutToken(r))
	})
	w.sound()
}

// Two at the same time do not exceed together what each of them may.
func TestQuotaAtTheSameTime(t *testing.T) {
	const most, tries = 20, 50
	w := newQuotaWorld(t, record.Quota{Objects: most, ObjectsPerUser: most + 5}, 1)
	tokens := []record.TokenID{w.token(w.users[0]), w.token(w.users[0])}
	var all sync.WaitGroup
	made := make([]int, 2)
	var mu sync.Mutex
	for i, id := range tokens {
		for range tries {
			all.Go(func() {
				if _, err := w.add(id, 10); err == nil {
					mu.Lock()
					defer mu.Unlock()
					made[i]++
				}
			})
		}
	}
	all.Wait()
	require.Equal(t, most+5, made[0]+made[1])
	require.LessOrEqual(t, max(made[0], made[1]), most)
	w.sound()
}

// What a new object costs to count does not depend on how much there is: no scan.
func TestQuotaDoesNotScan(t *testing.T) {
	w := newQuotaWorld(t, record.Quota{}, 1)
	id := w.token(w.users[0])
	for range 20 {
		_, err := w.add(w.token(w.users[0]), 10)
		require.NoError(t, err)
		_, err = w.add(id, 10)
		require.NoError(t, err)
	}
	scans := 0
	require.NoError(t, w.s.Update(func(tx *Tx) error {
		counted := *tx
		counted.r = scanCounter{tx.r, &scans}
		return counted.PutObject(id, &object.Object{})
	}))
	require.Zero(t, scans)
}

type scanCounter struct {
	kv.Reader
	n *int
}

func (s scanCounter) Scan(prefix, after []byte, fn func(key, value []byte) error) error {
	*s.n++
	return s.Reader.Scan(prefix, after, fn)
}

// A store of an earlier program has summaries with only a sum, and no usage. Its objects count from
// the first new object on.
func TestQuotaOfAnOldStore(t *testing.T) {
	w := newQuotaWorld(t, record.Quota{Objects: 3, ObjectsPerUser: 4}, 1)
	one, two := w.token(w.users[0]), w.token(w.users[0])
	for _, id := range []record.TokenID{one, one, two} {
		_, err := w.add(id, 10)
		require.NoError(t, err)
	}
	w.update(func(tx *Tx) error {
		user, err := parseID("user", w.users[0])
		if err != nil {
			return err
		}
		for _, id := range []record.TokenID{one, two} {
			tid, err := parseID("token", id)
			if err != nil {
				return err
			}
			keys, sm, err := tx.openToken(tid)
			if err != nil {
				return err
			}
			old := sm.sum.append(nil)
			err = tx.seal(keys.record, schema.Record(schema.PrefixSummary, tid), nil, placeSummary(keys.tenant, tid), old)
			if err != nil {
				return err
			}
			delete(tx.summaries, tid)
			w.s.verified.Delete(tid)
		}
		return tx.forgetUsage(user)
	})
	w.sound()
	require.NoError(t, w.s.View(func(tx *Tx) error { _, err := tx.Objects(one); return err })) // walked, and not to be trusted with an amount
	_, err := w.add(one, 10)
	require.NoError(t, err)
	_, err = w.add(one, 10)
	refused(t, err, "token", "objects")
	_, err = w.add(two, 10)
	refused(t, err, "user", "objects")
	w.sound()
	w.update(func(tx *Tx) error { return tx.DeleteToken(two) })
	w.sound()
}

// The quota of a tenant is part of its record.
func TestQuotaOfATenant(t *testing.T) {
	w := newQuotaWorld(t, record.Quota{Objects: 1}, 1)
	id := w.token(w.users[0])
	_, err := w.add(id, 10)
	require.NoError(t, err)
	_, err = w.add(id, 10)
	refused(t, err, "token", "objects")
	w.update(func(tx *Tx) error {
		of, err := tx.Tenant(w.tenant)
		if err != nil {
			return err
		}
		of.Quota.Objects = 2
		return tx.PutTenant(of)
	})
	_, err = w.add(id, 10)
	require.NoError(t, err)
	_, err = w.add(id, 10)
	refused(t, err, "token", "objects")
}

// A user whose objects exceed the quota is counted once, and not for each object that is
// refused.
func TestRefusedUserIsCountedOnce(t *testing.T) {
	w := newQuotaWorld(t, record.Quota{ObjectsPerUser: 1}, 1)
	id := w.token(w.users[0])
	_, err := w.add(id, 10)
	require.NoError(t, err)
	w.s.usages.counted = nil // as after a start
	_, err = w.add(id, 10)
	refused(t, err, "user", "objects")
	require.Equal(t, 1, w.counted())
	require.ErrorAs(t, w.s.Update(func(tx *Tx) error {
		counted := *tx
		counted.r = scanCounter{tx.r, new(int)}
		err := counted.PutObject(id, &object.Object{})
		require.Zero(t, *counted.r.(scanCounter).n)
		return err
	}), new(*record.OverQuota))
}

// What is kept in memory is what the store has, whatever changes it, with updates and commits
// that fail, alone and together, and with the records of an earlier program.
func TestUsagesFollowTheStore(t *testing.T) {
	w := newQuotaWorld(t, record.Quota{Objects: 8, ObjectsPerUser: 12}, 3)
	engine := w.engine
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	var tokens []record.TokenID
	for range 6 {
		tokens = append(tokens, w.token(w.users[rng.IntN(len(w.users))]))
	}
	failed, done := errors.New("this update fails"), 0
	step := func(rng *rand.Rand) error {
		id := tokens[rng.IntN(len(tokens))]
		user := w.users[rng.IntN(len(w.users))]
		fails := rng.IntN(4) == 0
		act := rng.IntN(8)
		return w.s.Update(func(tx *Tx) error {
			var err error
			switch act {
			case 0:
				var r *record.Token
				if r, err = tx.Token(id); err == nil {
					r.Holders = []record.Assignment{{User: user}}
					err = tx.PutToken(r)
				}
			case 1:
				err = tx.DeleteObjects(id)
			case 2:
				var list []*object.Object
				if list, err = tx.Objects(id); err == nil && len(list) > 0 {
					err = tx.DeleteObject(id, list[0].ID)
				}
			default:
				for range 1 + act%2 {
					err = errors.Join(err, tx.PutObject(id, &object.Object{Attrs: object.Set{{Type: ck.CKA_VALUE, Value: make([]byte, 10*act)}}}))
				}
			}
			if err == nil && fails {
				err = failed
			}
			return err
		})
	}
	for range 300 {
		switch rng.IntN(10) {
		case 0:
			w.s.usages.counted = nil // another run
		case 1:
			w.s.usages.counted = nil // an earlier program's
			w.update(func(tx *Tx) error { return tx.recordUsage(t, &record.User{ID: w.users[0], Tenant: w.tenant}) })
		case 2:
			engine.Fail(kvtest.OpCommit, 1, errors.New("this commit fails"))
		}
		var all sync.WaitGroup
		for range 1 + rng.IntN(6) {
			own := rand.New(rand.NewPCG(rng.Uint64(), 2))
			all.Go(func() { _ = step(own) })
		}
		all.Wait()
		engine.Fail(kvtest.OpCommit, 0, nil)
		done += w.counted()
	}
	require.Positive(t, done)
	w.sound()
}
