package keystore

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// cached are the keys that a cache holds, also those that only old transactions use.
func cached[K interface{ Wipe() }](c *keyCache[K]) []K {
	list := slices.Collect(maps.Values(c.keys))
	for _, dropped := range c.dropped {
		list = append(list, dropped...)
	}
	return list
}

// holdsDropped reports whether a transaction may still use a key that was dropped.
func holdsDropped[K interface{ Wipe() }](c *keyCache[K]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.dropped) > 0
}

func isWiped(b secret.Bytes) bool { return b.Equal(make(secret.Bytes, len(b))) }

func requireWiped(t *testing.T, wiped bool, keys ...*tokenKeys) {
	t.Helper()
	for _, k := range keys {
		for _, b := range []secret.Bytes{k.sum, k.record.Raw(), k.secret.Raw()} {
			require.NotEmpty(t, b)
			require.Equal(t, wiped, isWiped(b))
		}
	}
}

// Keys that nobody uses any more are overwritten: when their token is deleted, and when they are
// replaced.
func TestUnusedKeysAreWiped(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, s *Store, tok record.Token){
		"deleted": func(t *testing.T, s *Store, tok record.Token) {
			update(t, s, func(tx *Tx) error { return tx.DeleteToken(tok.ID) })
		},
		"renewed": func(t *testing.T, s *Store, _ record.Token) {
			require.NoError(t, s.RenewKeys(t.Context(), ""))
			renewed(t, s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := quiet(t, options(tempDir(t)))
			defer closeStore(t, s)
			tok := addToken(t, s, addUser(t, s, "alice"), "label")
			addObject(t, s, tok.ID, "label", "hidden")
			old, tenant := cached(&s.tokenKeys), cached(&s.tenantKeys)
			require.Len(t, old, 1)
			require.Len(t, tenant, 1)
			requireWiped(t, false, old...)
			end(t, s, tok)
			require.Eventually(t, func() bool { return !holdsDropped(&s.tokenKeys) && !holdsDropped(&s.tenantKeys) }, time.Minute, time.Millisecond)
			requireWiped(t, true, old...)
			require.Equal(t, name == "renewed", isWiped(tenant[0].Raw()))
		})
	}
}

// A view that began before sees the token with its objects, and so does one that has to unwrap
// the key again. With the last of the two, both copies of the key are overwritten.
func TestDroppedKeysAreUsedByOldViews(t *testing.T) {
	s := quiet(t, options(tempDir(t)))
	defer closeStore(t, s)
	tok := addToken(t, s, addUser(t, s, "alice"), "label")
	addObject(t, s, tok.ID, "label", "hidden")
	read := func(tx *Tx) error {
		objects, err := tx.Objects(tok.ID)
		require.Len(t, objects, 1)
		return err
	}
	began, goOn := make(chan struct{}), make(chan struct{})
	var ended [2]chan error
	for i := range ended {
		ended[i] = make(chan error, 1)
		go func() {
			ended[i] <- s.View(func(tx *Tx) error {
				began <- struct{}{}
				<-goOn
				return read(tx)
			})
		}()
		<-began
	}
	first := cached(&s.tokenKeys)
	require.Len(t, first, 1)
	update(t, s, func(tx *Tx) error { return tx.DeleteToken(tok.ID) })
	requireWiped(t, false, first...)
	require.Empty(t, s.tokenKeys.keys)

	goOn <- struct{}{}
	one := <-firstOf(ended[:])
	require.NoError(t, one)
	all := cached(&s.tokenKeys)
	require.Len(t, all, 2, "the key was unwrapped again")
	requireWiped(t, false, all...)
	goOn <- struct{}{}
	require.NoError(t, <-firstOf(ended[:]))
	requireWiped(t, true, append(all, first...)...)
	require.Empty(t, cached(&s.tokenKeys))
}

// firstOf is the channel of the first of two views that has ended.
func firstOf(ended []chan error) chan error {
	out := make(chan error, 1)
	select {
	case err := <-ended[0]:
		out <- err
	case err := <-ended[1]:
		out <- err
	}
	return out
}

// fakeKey is a key of a cache.
type fakeKey struct{ wiped bool }

func (k *fakeKey) Wipe() { k.wiped = true }

// A cache that is full is emptied. What it had is wiped with the transaction that filled it.
func TestFullCacheIsWiped(t *testing.T) {
	var uses keyUses
	c := keyCache[*fakeKey]{uses: &uses}
	var all []*fakeKey
	add := func(n int) {
		e := uses.begin()
		defer uses.end(e)
		k, err := c.get([]byte{byte(n), byte(n >> 8)}, func() (*fakeKey, error) { return new(fakeKey), nil })
		require.NoError(t, err)
		require.False(t, k.wiped)
		all = append(all, k)
		require.LessOrEqual(t, len(c.keys), maxCached)
	}
	for n := range maxCached + 1 {
		add(n)
	}
	for n, k := range all {
		require.Equal(t, n < maxCached, k.wiped, n)
	}
	require.Empty(t, c.dropped)
	c.wipe()
	require.True(t, all[maxCached].wiped)
}
