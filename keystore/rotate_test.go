package keystore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/schema"
	"vtoken/vtoken/record"

	"github.com/stretchr/testify/require"
)

// manyTenants makes tenants for more than two batches.
func manyTenants(t *testing.T, s *Store, n int) {
	t.Helper()
	update(t, s, func(tx *Tx) error {
		for i := range n {
			if err := tx.PutTenant(&record.Tenant{Name: fmt.Sprintf("tenant %d", i)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// sound fails where a store has anything wrong, or more under an old root key
// than it should.
func sound(t *testing.T, s *Store, left int) {
	t.Helper()
	report, err := s.Check(t.Context())
	require.NoError(t, err, "check: %v, %q", err, report.Problems)
	require.Empty(t, report.Problems, "check: %v, %q", err, report.Problems)
	got, err := s.RotationLeft()
	require.NoError(t, err, "%d keys are left of the rotation, want %d", got, left)
	require.Equal(t, left, got, "%d keys are left of the rotation, want %d", got, left)
}

func rotate(t *testing.T, s *Store) {
	t.Helper()
	require.NoError(t, s.RotateRoot(t.Context()))
	s.rewrap.done.Wait()
}

func TestRotation(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	manyTenants(t, s, 2*rotationBatch)
	tok := addToken(t, s, addUser(t, s, "alice"), "label")
	addObject(t, s, tok.ID, "first", "hidden")
	before, first := state(t, s), s.root.sealing().ID()
	old, err := os.ReadFile(filepath.Join(dir, storeFile))
	require.NoError(t, err)
	for range 3 {
		rotate(t, s)
		sound(t, s, 0)
	}
	if !slices.Equal(state(t, s), before) || s.root.sealing().ID() == first {
		t.Error("the rotation changed what is stored, or nothing at all")
	}
	closeStore(t, s)
	s = open(t, dir)
	sound(t, s, 0)
	require.Equal(t, before, state(t, s), "after a restart, with %d root keys", len(s.root.known))
	require.Len(t, s.root.known, 1, "after a restart, with %d root keys", len(s.root.known))
	closeStore(t, s)
	write(t, filepath.Join(dir, storeFile), string(old), 0o600) // an older copy opens with its own recipients
	s = open(t, dir)
	defer closeStore(t, s)
	if s.root.sealing().ID() != first {
		t.Error("the older copy has another root key")
	}
}

// TestRotationInterrupted ends a rotation at every commit, as a kill would, and
// goes on after a restart.
func TestRotationInterrupted(t *testing.T) {
	const tenants = 2*rotationBatch + 10
	for commit := 1; ; commit++ {
		s, engine := inMemory(t)
		manyTenants(t, s, tenants)
		before := state(t, s)
		engine.Fail(kvtest.OpCommit, commit, kv.ErrClosed)
		err := s.RotateRoot(t.Context())
		s.rewrap.done.Wait()
		if !engine.Hit() {
			if commit < 5 {
				t.Errorf("a rotation of %d tenants took %d commits", tenants, commit-1)
			}
			return
		}
		if (commit == 1) != (err != nil) {
			t.Errorf("commit %d fails, and the rotation says %v", commit, err)
		}
		again, _, err := load(t.Context(), s.options, s.db, true)
		require.NoError(t, err, "open after commit %d failed", commit)
		// The default tenant counts, and the old root key.
		left := max(0, tenants+1+1-max(0, commit-2)*rotationBatch)
		if commit == 1 {
			left = 0
		}
		sound(t, again, max(left, min(1, commit-1)))
		if !slices.Equal(state(t, again), before) {
			t.Errorf("commit %d: something changed", commit)
		}
		update(t, again, func(tx *Tx) error { return tx.PutTenant(&record.Tenant{Name: "made meanwhile"}) })
		if err := again.resumeRotation(); err != nil {
			t.Error(err)
		}
		again.rewrap.done.Wait()
		sound(t, again, 0)
	}
}

// TestRotationWaitsForSpace has a full disk in the background.
func TestRotationWaitsForSpace(t *testing.T) {
	s, engine := inMemory(t)
	manyTenants(t, s, 10)
	engine.Fail(kvtest.OpCommit, 2, kv.ErrNoSpace)
	rotate(t, s)
	require.True(t, engine.Hit(), "the disk was never full")
	sound(t, s, 0)
}

func TestRotationUnderWay(t *testing.T) {
	s, engine := inMemory(t)
	engine.Fail(kvtest.OpCommit, 2, kv.ErrClosed)
	rotate(t, s)
	err := s.RotateRoot(t.Context())
	require.ErrorIs(t, err, ErrKEK)
	require.ErrorContains(t, err, "under way", "a second rotation")
}

// TestRotationBesideClients rotates while others read and write: nobody fails.
func TestRotationBesideClients(t *testing.T) {
	s := temp(t)
	manyTenants(t, s, rotationBatch)
	tok := addToken(t, s, addUser(t, s, "alice"), "label")
	id := addObject(t, s, tok.ID, "first", "hidden")
	var ends atomic.Bool
	var clients sync.WaitGroup
	var calls atomic.Int64
	for i := range 8 {
		clients.Go(func() {
			for n := 0; !ends.Load(); n++ {
				var err error
				switch {
				case i < 6:
					_, err = s.OpenSecret(tok.ID, id, nil)
				case i == 6:
					err = s.Update(func(tx *Tx) error { return tx.PutObject(tok.ID, newObject("more", "hidden")) })
				default:
					err = s.Update(func(tx *Tx) error { return tx.PutTenant(&record.Tenant{Name: "new " + strconv.Itoa(n)}) })
				}
				if err != nil {
					t.Error(err)
					return
				}
				calls.Add(1)
			}
		})
	}
	for range 10 {
		rotate(t, s)
	}
	ends.Store(true)
	clients.Wait()
	sound(t, s, 0)
	if calls.Load() == 0 {
		t.Error("no client did anything")
	}
}

func TestRotationNeedsEveryKEK(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	defer closeStore(t, s)
	words := filepath.Join(dir, "words")
	write(t, words, "correct horse battery staple", 0o600)
	_, err := s.AddKEK(t.Context(), "passphrase:file=words", false)
	require.NoError(t, err)
	require.NoError(t, os.Rename(words, words+".away"))
	before := s.root.sealing().ID()
	err = s.RotateRoot(t.Context())
	require.ErrorIs(t, err, ErrKEK)
	require.ErrorContains(t, err, "passphrase:file=words")
	require.Equal(t, before, s.root.sealing().ID())
	require.NoError(t, os.Rename(words+".away", words))
	rotate(t, s)
	_, err = unwrapAll(t, s)
	require.NoError(t, err)
}

// TestRotationTakesNoOtherKEK rotates where --kek names another KEK of the same
// kind: it does not slip in for one that is away.
func TestRotationTakesNoOtherKEK(t *testing.T) {
	dir := tempDir(t)
	closeStore(t, open(t, dir))
	o := options(dir)
	o.KEKs = []string{"passphrase:file=other"}
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	defer closeStore(t, s)
	one := addKEK(t, s, words(t, dir, "one"))
	words(t, dir, "other")
	away := filepath.Join(dir, "one.away")
	require.NoError(t, os.Rename(filepath.Join(dir, "one"), away))
	err = s.RotateRoot(t.Context())
	require.ErrorIs(t, err, ErrKEK)
	require.ErrorContains(t, err, one.URI, "with another passphrase in its place")
	require.NoError(t, os.Rename(away, filepath.Join(dir, "other"))) // the same one, in that place
	rotate(t, s)
	n, err := unwrapAll(t, s)
	require.Equal(t, 2, n)
	require.NoError(t, err)
}

// unwrapAll has every recipient open the store.
func unwrapAll(t *testing.T, s *Store) (n int, err error) {
	list, err := s.KEKs(t.Context())
	for _, k := range list {
		err = errors.Join(err, k.Err)
	}
	return len(list), err
}

// rotateForever rotates and makes tenants, and prints what was acknowledged.
func rotateForever(dir string, _ record.TokenID) error {
	s, err := Open(context.Background(), options(dir))
	if err != nil {
		return err
	}
	go func() {
		for n := 0; ; n++ {
			if err := s.RotateRoot(context.Background()); err == nil {
				fmt.Println("object", n)
			} else if !errors.Is(err, ErrKEK) {
				panic(err)
			}
		}
	}()
	for i := 1; ; i++ {
		if err := s.Update(func(tx *Tx) error { return tx.PutTenant(&record.Tenant{Name: strconv.Itoa(i)}) }); err != nil {
			return err
		}
		fmt.Println("token", i)
	}
}

// TestKilledWhileRotating kills a process that rotates again and again.
func TestKilledWhileRotating(t *testing.T) {
	for round := range 8 {
		dir := tempDir(t)
		s := open(t, dir)
		manyTenants(t, s, 2*rotationBatch)
		closeStore(t, s)
		_, last := killAfter(t, child(t, "rotate", dir, ""), 3+17*round)
		s = open(t, dir)
		s.rewrap.done.Wait()
		sound(t, s, 0)
		view(t, s, func(tx *Tx) error {
			for i := 1; i <= last; i++ {
				if _, err := tx.TenantByName(strconv.Itoa(i)); err != nil {
					t.Errorf("tenant %d was acknowledged: %v", i, err)
				}
			}
			if old, err := tx.get(schema.KeyOldRoot()); err != nil || old != nil {
				t.Errorf("the old root key is still there: %v", err)
			}
			return nil
		})
		closeStore(t, s)
	}
}
