// Package kvtest is the suite that every storage engine passes, and an engine
// that fails on demand.
package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"vtoken/keystore/kv"

	"github.com/stretchr/testify/require"
)

// Run runs the suite. open makes a new and empty engine; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) kv.Engine) {
	for name, test := range map[string]func(*testing.T, kv.Engine){
		"Basics":      basics,
		"Bounds":      bounds,
		"Scan":        scan,
		"Rollback":    rollback,
		"Snapshot":    snapshot,
		"Walk":        walk,
		"Closed":      closed,
		"Nested":      nested,
		"Group":       group,
		"GroupErrors": groupErrors,
		"GroupPanic":  groupPanic,
		"GroupOrder":  groupOrder,
	} {
		t.Run(name, func(t *testing.T) {
			e := open(t)
			t.Cleanup(func() { _ = e.Close() })
			test(t, e)
		})
	}
}

func put(t *testing.T, e kv.Engine, pairs ...string) {
	t.Helper()
	require.NoError(t, e.Update(func(w kv.Writer) error {
		for i := 0; i < len(pairs); i += 2 {
			if err := w.Put([]byte(pairs[i]), []byte(pairs[i+1])); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Dump reads everything that is stored.
func Dump(t *testing.T, e interface {
	View(func(kv.Reader) error) error
}) map[string]string {
	t.Helper()
	all := make(map[string]string)
	require.NoError(t, e.View(func(r kv.Reader) error {
		return r.Scan(nil, nil, func(k, v []byte) error {
			all[string(k)] = string(v)
			return nil
		})
	}))
	return all
}

func basics(t *testing.T, e kv.Engine) {
	require.NoError(t, e.Update(func(w kv.Writer) error {
		if _, err := w.Get([]byte("a")); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("Get of nothing: %v", err)
		}
		if err := w.Put([]byte("a"), []byte("1")); err != nil {
			return err
		}
		if v, err := w.Get([]byte("a")); err != nil || string(v) != "1" {
			t.Errorf("own write reads %q, %v", v, err)
		}
		if err := w.Put([]byte("empty"), nil); err != nil {
			return err
		}
		return w.Delete([]byte("never"))
	}))
	got := Dump(t, e)
	require.Equal(t, map[string]string{"a": "1", "empty": ""}, got, "stored %v", got)
	require.NoError(t, e.View(func(r kv.Reader) error {
		v, err := r.Get([]byte("empty"))
		if err != nil || len(v) != 0 {
			t.Errorf("empty value reads %q, %v", v, err)
		}
		return nil
	}))
	put(t, e, "a", "2")
	require.NoError(t, e.Update(func(w kv.Writer) error { return w.Delete([]byte("empty")) }))
	got = Dump(t, e)
	require.Equal(t, map[string]string{"a": "2"}, got, "stored %v", got)
}

func bounds(t *testing.T, e kv.Engine) {
	long := bytes.Repeat([]byte("k"), kv.MaxKey)
	big := bytes.Repeat([]byte("v"), 1<<20)
	require.NoError(t, e.Update(func(w kv.Writer) error {
		for _, key := range [][]byte{nil, {}, append(long, 'k')} {
			if err := w.Put(key, nil); !errors.Is(err, kv.ErrTooLarge) {
				t.Errorf("key of %d bytes: %v", len(key), err)
			}
		}
		return w.Put(long, big)
	}))
	got := Dump(t, e)
	require.Equal(t, string(big), got[string(long)], "the longest key and a big value do not read back")
}

func scan(t *testing.T, e kv.Engine) {
	put(t, e, "a", "", "b", "", "b\x00", "", "ba", "", "b\xff", "", "b\xff\xff", "", "c", "")
	cases := []struct {
		prefix, after string
		want          []string
	}{
		{"", "", []string{"a", "b", "b\x00", "ba", "b\xff", "b\xff\xff", "c"}},
		{"b", "", []string{"b", "b\x00", "ba", "b\xff", "b\xff\xff"}},
		{"b", "b", []string{"b\x00", "ba", "b\xff", "b\xff\xff"}},
		{"b", "a", []string{"b", "b\x00", "ba", "b\xff", "b\xff\xff"}},
		{"b", "b5", []string{"ba", "b\xff", "b\xff\xff"}},
		{"b", "b\xff\xff", nil},
		{"b", "c", nil},
		{"b\xff", "", []string{"b\xff", "b\xff\xff"}},
		{"d", "", nil},
	}
	require.NoError(t, e.View(func(r kv.Reader) error {
		for _, c := range cases {
			var after []byte
			if c.after != "" {
				after = []byte(c.after)
			}
			var got []string
			err := r.Scan([]byte(c.prefix), after, func(k, _ []byte) error {
				got = append(got, string(k))
				return nil
			})
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("scan of %q after %q: %q, %v, want %q", c.prefix, c.after, got, err, c.want)
			}
		}
		n, boom := 0, errors.New("boom")
		if err := r.Scan(nil, nil, func(_, _ []byte) error { n++; return kv.ErrStop }); err != nil || n != 1 {
			t.Errorf("stopped scan: %d, %v", n, err)
		}
		if err := r.Scan(nil, nil, func(_, _ []byte) error { return boom }); !errors.Is(err, boom) {
			t.Errorf("failed scan: %v", err)
		}
		return nil
	}))
}

func rollback(t *testing.T, e kv.Engine) {
	put(t, e, "a", "1", "b", "1")
	boom := errors.New("boom")
	err := e.Update(func(w kv.Writer) error {
		return errors.Join(w.Put([]byte("a"), []byte("2")), w.Delete([]byte("b")), w.Put([]byte("c"), nil), boom)
	})
	require.ErrorIs(t, err, boom, "Update")
	got := Dump(t, e)
	require.Equal(t, map[string]string{"a": "1", "b": "1"}, got, "after a failed update: %v", got)
}

func snapshot(t *testing.T, e kv.Engine) {
	put(t, e, "a", "1")
	require.NoError(t, e.View(func(r kv.Reader) error {
		done := make(chan error)
		go func() {
			done <- e.Update(func(w kv.Writer) error { return w.Put([]byte("a"), []byte("2")) })
		}()
		require.NoError(t, <-done)
		if v, err := r.Get([]byte("a")); err != nil || string(v) != "1" {
			t.Errorf("the snapshot changed to %q, %v", v, err)
		}
		return nil
	}))
	got := Dump(t, e)["a"]
	require.Equal(t, "2", got, "the next snapshot has %q", got)
}

// walk compares random updates with a map.
func walk(t *testing.T, e kv.Engine) {
	rng := rand.New(rand.NewPCG(1, 2))
	model := make(map[string]string)
	boom := errors.New("boom")
	for range 300 {
		next, fail := maps.Clone(model), rng.IntN(4) == 0
		err := e.Update(func(w kv.Writer) error {
			for range rng.IntN(20) {
				key := fmt.Sprintf("%x", rng.IntN(200))
				if rng.IntN(3) == 0 {
					delete(next, key)
					require.NoError(t, w.Delete([]byte(key)))
					continue
				}
				value := string(bytes.Repeat([]byte{byte(rng.Int())}, rng.IntN(3000)))
				next[key] = value
				require.NoError(t, w.Put([]byte(key), []byte(value)))
			}
			ownWrites(t, w, next, rng)
			if fail {
				return boom
			}
			return nil
		})
		require.Equal(t, errors.Is(err, boom), fail, "Update: %v", err)
		if !fail {
			model = next
		}
	}
	got := Dump(t, e)
	require.Equal(t, model, got, "the engine and the model differ")
}

// ownWrites compares what an update reads with what it wrote before: the keys with
// a random prefix, after a random key or none, up to a random number of them.
func ownWrites(t *testing.T, w kv.Writer, model map[string]string, rng *rand.Rand) {
	t.Helper()
	prefix := []string{"", "1", "a", "c7", "x"}[rng.IntN(5)]
	after := []string{"", "5", "1", "1a", "a", "ff"}[rng.IntN(6)]
	var want, got []string
	for _, key := range slices.Sorted(maps.Keys(model)) {
		if strings.HasPrefix(key, prefix) && (after == "" || key > after) {
			want = append(want, key+"="+model[key])
		}
		v, err := w.Get([]byte(key))
		require.NoError(t, err, "an update reads %q of its own as %d bytes", key, len(v))
		require.Equal(t, model[key], string(v), "an update reads %q of its own as %d bytes", key, len(v))
	}
	most := rng.IntN(2 * (len(want) + 1))
	want = want[:min(most, len(want))]
	var from []byte
	if after != "" {
		from = []byte(after)
	}
	err := w.Scan([]byte(prefix), from, func(key, value []byte) error {
		if len(got) == most {
			return kv.ErrStop
		}
		got = append(got, string(key)+"="+string(value))
		return nil
	})
	require.NoError(t, err,
		"an update scans %q after %q of its own: %d keys, want %d", prefix, after, len(got), len(want))
	require.True(t, slices.Equal(want, got),
		"an update scans %q after %q of its own: %d keys, want %d", prefix, after, len(got), len(want))
}

func closed(t *testing.T, e kv.Engine) {
	require.NoError(t, e.Close())
	require.ErrorIs(t, e.View(func(kv.Reader) error { return nil }), kv.ErrClosed, "View")
	require.ErrorIs(t, e.Update(func(kv.Writer) error { return nil }), kv.ErrClosed, "Update")
}

// nested views within a view and within an update see the newest commit.
func nested(t *testing.T, e kv.Engine) {
	put(t, e, "a", "1")
	inner := func() error {
		return e.View(func(r kv.Reader) error {
			v, err := r.Get([]byte("a"))
			if string(v) != "1" {
				t.Errorf("a view inside reads %q", v)
			}
			return err
		})
	}
	require.NoError(t, e.View(func(kv.Reader) error { return inner() }))
	require.NoError(t, e.Update(func(w kv.Writer) error {
		return errors.Join(w.Put([]byte("a"), []byte("2")), inner())
	}))
}

// group counts up one key from many goroutines.
func group(t *testing.T, e kv.Engine) {
	const writers, each = 16, 20
	db := kv.Group(e)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if err := db.Update(count); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := len(Dump(t, db)["n"])
	require.Equal(t, writers*each, got, "counted %d, want %d", got, writers*each)
}

func count(tx kv.Tx) error {
	v, err := tx.Get([]byte("n"))
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	return tx.Put([]byte("n"), append(bytes.Clone(v), '+'))
}

// groupErrors has half of the updates fail after they wrote; the other half
// must not notice, though they share commits.
func groupErrors(t *testing.T, e kv.Engine) {
	db := kv.Group(e)
	put(t, e, "kept", "1")
	boom := errors.New("boom")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 20 {
				bad := (i+j)%2 == 0
				err := db.Update(func(tx kv.Tx) error {
					if !bad {
						return count(tx)
					}
					return errors.Join(tx.Put([]byte("n"), []byte("?")), tx.Put([]byte("kept"), nil),
						tx.Delete([]byte("kept")), tx.Put([]byte("new"), nil), boom)
				})
				if bad != errors.Is(err, boom) {
					t.Errorf("Update: %v", err)
				}
			}
		})
	}
	wg.Wait()
	got := Dump(t, db)
	require.Equal(t, 160, len(got["n"]), "stored %q", got)
	require.Len(t, got, 2, "stored %q", got)
	require.Equal(t, "1", got["kept"], "stored %q", got)
}

func groupPanic(t *testing.T, e kv.Engine) {
	db := kv.Group(e)
	func() {
		defer func() {
			if r := recover(); r != "ouch" {
				t.Errorf("recovered %v", r)
			}
		}()
		_ = db.Update(func(tx kv.Tx) error {
			require.NoError(t, tx.Put([]byte("a"), nil))
			panic("ouch")
		})
	}()
	require.NoError(t, db.Update(count))
	got := Dump(t, db)
	require.Equal(t, map[string]string{"n": "+"}, got, "after a panic: %v", got)
}

// groupOrder checks that commit hooks see updates in order, before Update
// returns, and only for those that were committed.
func groupOrder(t *testing.T, e kv.Engine) {
	db := kv.Group(e)
	var told []int // guarded by the DB: hooks run one at a time
	boom := errors.New("boom")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 25 {
				length, seen := 0, false
				err := db.Update(func(tx kv.Tx) error {
					if err := count(tx); err != nil {
						return err
					}
					v, err := tx.Get([]byte("n"))
					length = len(v)
					tx.OnCommit(func() { told, seen = append(told, length), true })
					if (i+j)%5 == 0 {
						return boom
					}
					return err
				})
				if seen != (err == nil) {
					t.Errorf("hook ran: %v, Update: %v", seen, err)
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, told, 160, "told %v", told)
	require.True(t, slices.IsSorted(told), "told %v", told)
	require.Equal(t, 160, told[len(told)-1], "told %v", told)
}
