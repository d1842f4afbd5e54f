package schema_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/bolt"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/kv/mem"
	"vtoken/keystore/schema"

	"github.com/stretchr/testify/require"
)

// The migrations of this test: 1 to 2 adds a key, 2 to 3 renames one.
func migrations() []schema.Migration {
	return []schema.Migration{
		{From: 1, Name: "add", Run: func(tx kv.Tx) error { return tx.Put([]byte("added"), []byte("2")) }},
		{From: 2, Name: "rename", Run: func(tx kv.Tx) error {
			v, err := tx.Get([]byte("old"))
			if err != nil {
				return err
			}
			return errors.Join(tx.Put([]byte("new"), v), tx.Delete([]byte("old")))
		}},
	}
}

func openDB(path string) (*kv.DB, error) {
	e, err := bolt.Open(path)
	if err != nil {
		return nil, err
	}
	return kv.Group(e), nil
}

// upgrader is an upgrader of a new store of version 1.
func upgrader(t *testing.T) schema.Upgrader {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	e, err := bolt.Create(path)
	require.NoError(t, err)
	err = e.Update(func(w kv.Writer) error {
		return errors.Join(w.Put(schema.KeyFormat(), schema.Format(1)), w.Put([]byte("old"), []byte("x")))
	})
	require.NoError(t, errors.Join(err, e.Close()))
	return schema.Upgrader{Path: path, List: migrations(), Open: openDB, Verify: func(*kv.DB) error { return nil }}
}

func dump(t *testing.T, path string) map[string]string {
	t.Helper()
	db, err := openDB(path)
	require.NoError(t, err)
	defer db.Close()
	return kvtest.Dump(t, db)
}

var (
	atOne   = map[string]string{"!format": string(schema.Format(1)), "old": "x"}
	atThree = map[string]string{"!format": string(schema.Format(3)), "new": "x", "added": "2"}
)

func files(t *testing.T, u schema.Upgrader) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(u.Path))
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestUpgrade(t *testing.T) {
	u := upgrader(t)
	verified := false
	u.Verify = func(db *kv.DB) error {
		verified = maps.Equal(kvtest.Dump(t, db), atThree)
		return nil
	}
	_, err := u.Upgrade(1, 3)
	require.NoError(t, err)
	got := dump(t, u.Path)
	require.Equal(t, atThree, got, "migrated to %q, verified: %v", got, verified)
	require.True(t, verified, "migrated to %q, verified: %v", got, verified)
	got = dump(t, u.Path+".v1")
	require.Equal(t, atOne, got, "kept %q", got)
	if got := files(t, u); !slices.Equal(got, []string{"store.db", "store.db.v1"}) {
		t.Errorf("files %q", got)
	}
}

// A step that fails, or a store that does not read back, leaves the old one.
func TestUpgradeFails(t *testing.T) {
	boom := errors.New("boom")
	for name, change := range map[string]func(*schema.Upgrader){
		"first step":  func(u *schema.Upgrader) { u.List[0].Run = func(kv.Tx) error { return boom } },
		"second step": func(u *schema.Upgrader) { u.List[1].Run = func(kv.Tx) error { return boom } },
		"verify":      func(u *schema.Upgrader) { u.Verify = func(*kv.DB) error { return boom } },
		"open":        func(u *schema.Upgrader) { u.Open = func(string) (*kv.DB, error) { return nil, boom } },
		"no way":      func(u *schema.Upgrader) { u.List = u.List[:1] },
	} {
		u := upgrader(t)
		change(&u)
		if _, err := u.Upgrade(1, 3); err == nil || name != "no way" && !errors.Is(err, boom) {
			t.Errorf("%s: %v", name, err)
		}
		if got := dump(t, u.Path); !maps.Equal(got, atOne) {
			t.Errorf("%s: the store is now %q", name, got)
		}
		if got := files(t, u); !slices.Equal(got, []string{"store.db"}) {
			t.Errorf("%s: files %q", name, got)
		}
	}
}

// Killed at any step, the migration leaves a store that it can begin with
// again. Steps are: after the copy, after each migration, before the rename.
func TestUpgradeInterrupted(t *testing.T) {
	type killed struct{}
	for name, change := range map[string]func(u *schema.Upgrader){
		"copied":  func(u *schema.Upgrader) { u.Open = func(string) (*kv.DB, error) { panic(killed{}) } },
		"renamed": func(u *schema.Upgrader) { u.List[1].Run = func(kv.Tx) error { panic(killed{}) } },
		"checked": func(u *schema.Upgrader) { u.Verify = func(*kv.DB) error { panic(killed{}) } },
		"linked": func(u *schema.Upgrader) {
			require.NoError(t, os.Link(u.Path, u.Path+".v1"))
			u.Verify = func(*kv.DB) error { panic(killed{}) }
		},
	} {
		u := upgrader(t)
		again := u
		again.List = migrations()
		change(&u)
		func() {
			defer func() { _ = recover() }()
			_, _ = u.Upgrade(1, 3)
		}()
		if got := dump(t, u.Path); !maps.Equal(got, atOne) {
			t.Errorf("%s: the store is now %q", name, got)
		}
		if _, err := again.Upgrade(1, 3); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := dump(t, u.Path); !maps.Equal(got, atThree) {
			t.Errorf("%s: in the end %q", name, got)
		}
	}
}

func TestReadVersion(t *testing.T) {
	for value, want := range map[string]error{
		string(schema.Format(schema.Version)):     nil,
		string(schema.Format(schema.Version + 1)): schema.ErrNewer,
		string(schema.Format(1 << 31)):            schema.ErrNewer,
		string(schema.Format(0)):                  kv.ErrCorrupt,
		"vtoken":                                  kv.ErrCorrupt,
		"nekotv\x00\x00\x00\x01":                  kv.ErrCorrupt,
		"":                                        kv.ErrCorrupt,
	} {
		e := mem.New()
		require.NoError(t, e.Update(func(w kv.Writer) error { return w.Put(schema.KeyFormat(), []byte(value)) }))
		err := e.View(func(r kv.Reader) error { _, err := schema.ReadVersion(r); return err })
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", value, err, want)
		}
	}
	err := mem.New().View(func(r kv.Reader) error { _, err := schema.ReadVersion(r); return err })
	require.ErrorIs(t, err, kv.ErrCorrupt, "no version")
}

func FuzzParseObject(f *testing.F) {
	f.Add(schema.Object(schema.ID{1}, 7, schema.PartSecret))
	f.Add([]byte("o"))
	f.Fuzz(func(t *testing.T, key []byte) {
		number, part, ok := schema.ParseObject(key)
		if id, _ := schema.RecordID(key[:min(17, len(key))]); ok && string(schema.Object(id, number, part)) != string(key) {
			t.Errorf("%x reads as object %d part %d", key, number, part)
		}
	})
}
