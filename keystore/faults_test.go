package keystore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"

	"github.com/stretchr/testify/require"
)

// Every call of the storage fails once in every kind of update: the update says
// so with a code, changes nothing, and works when it is repeated.
func TestStorageFaults(t *testing.T) {
	for name, fn := range map[string]func(tx *Tx, tok record.Token, id object.ID) error{
		"create": func(tx *Tx, tok record.Token, _ object.ID) error {
			return tx.PutObject(tok.ID, newObject("new", "hidden"))
		},
		"change": func(tx *Tx, tok record.Token, id object.ID) error {
			return tx.PutObject(tok.ID, &object.Object{ID: id, Attrs: newObject("b", "").Attrs})
		},
		"destroy": func(tx *Tx, tok record.Token, id object.ID) error { return tx.DeleteObject(tok.ID, id) },
		"clear":   func(tx *Tx, tok record.Token, _ object.ID) error { return tx.DeleteObjects(tok.ID) },
		"label":   func(tx *Tx, tok record.Token, _ object.ID) error { tok.Label = "new"; return tx.PutToken(&tok) },
		"delete":  func(tx *Tx, tok record.Token, _ object.ID) error { return tx.DeleteToken(tok.ID) },
		"new": func(tx *Tx, tok record.Token, _ object.ID) error {
			return tx.NewToken(&record.Token{Tenant: tok.Tenant, Holders: tok.Holders})
		},
		"tenant": func(tx *Tx, tok record.Token, _ object.ID) error { return tx.DeleteTenant(tok.Tenant) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, op := range []kvtest.Op{kvtest.OpGet, kvtest.OpScan, kvtest.OpPut, kvtest.OpDelete, kvtest.OpCommit} {
				for n := 1; failOnce(t, op, n, fn); n++ {
				}
			}
		})
	}
}

// failOnce makes the n-th call of a kind fail in an update of a fresh store. It
// is false where the update has no n calls of that kind.
func failOnce(t *testing.T, op kvtest.Op, n int, fn func(*Tx, record.Token, object.ID) error) bool {
	t.Helper()
	s, engine := inMemory(t)
	tok := addToken(t, s, addUser(t, s, "alice"), "label")
	id := addObject(t, s, tok.ID, "a", "hidden")
	before, told := state(t, s), 0
	s.Watch(func([]record.Change) { told++ })
	cause, code := kv.ErrNoSpace, ck.CKR_DEVICE_MEMORY
	if n%2 == 0 {
		cause, code = errors.New("input/output error"), ck.CKR_DEVICE_ERROR
	}
	engine.Fail(op, n, cause)
	err := s.Update(func(tx *Tx) error { return fn(tx, tok, id) })
	hit := engine.Hit()
	require.Equal(t, err != nil, hit, "%s %d failed: %v, the update says %v", op, n, hit, err)
	if err == nil {
		return false
	}
	require.ErrorIs(t, err, cause)
	require.Equal(t, code, ck.CodeOf(err))
	require.Equal(t, before, state(t, s), "%s %d: something was changed", op, n)
	require.NoError(t, s.View((*Tx).verify), "%s %d: something was changed", op, n)
	require.Equal(t, 0, told, "%s %d: something was changed", op, n)
	update(t, s, func(tx *Tx) error { return fn(tx, tok, id) })
	err = s.View((*Tx).verify)
	require.NoError(t, err, "%s %d: it did not work when repeated: %v, told %d times", op, n, err, told)
	require.False(t, slices.Equal(state(t, s), before),
		"%s %d: it did not work when repeated: %v, told %d times", op, n, err, told)
	require.Equal(t, 1, told, "%s %d: it did not work when repeated: %v, told %d times", op, n, err, told)
	return true
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
