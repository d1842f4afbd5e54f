package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"

	"github.com/stretchr/testify/require"
)

func create(t testing.TB) (*Engine, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	e, err := Create(path)
	require.NoError(t, err)
	return e, path
}

func TestEngine(t *testing.T) {
	kvtest.Run(t, func(t *testing.T) kv.Engine {
		e, _ := create(t)
		return e
	})
}

// grown is a file with branch pages, overflow pages and a free list.
func grown(t testing.TB, keys int) (path string, want map[string]string) {
	t.Helper()
	e, path := create(t)
	rng := rand.New(rand.NewPCG(3, 4))
	want = make(map[string]string)
	for range 20 {
		err := e.Update(func(w kv.Writer) error {
			for range keys / 10 {
				k := fmt.Sprintf("%04x", rng.IntN(keys))
				if rng.IntN(4) == 0 {
					delete(want, k)
					if err := w.Delete([]byte(k)); err != nil {
						return err
					}
					continue
				}
				want[k] = string(bytes.Repeat([]byte{byte(rng.Int())}, rng.IntN(600)*(1+10*(rng.IntN(20)/19))))
				if err := w.Put([]byte(k), []byte(want[k])); err != nil {
					return err
				}
			}
			return nil
		})
		require.NoError(t, err)
	}
	require.NoError(t, e.Close())
	return path, want
}

// The check accepts whatever bbolt writes.
func TestCheckAccepts(t *testing.T) {
	for _, keys := range []int{10, 300, 3000} {
		path, want := grown(t, keys)
		e, err := Open(path)
		require.NoError(t, err, "%d keys", keys)
		if got := kvtest.Dump(t, e); !maps.Equal(got, want) {
			t.Errorf("%d keys: read back other ones", keys)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// use opens a file and does everything that can be done with it. Whatever is
// in the file, this ends, and without a panic.
func use(path string) error {
	e, err := Open(path)
	if err != nil {
		return err
	}
	defer e.Close()
	if err := e.View(func(r kv.Reader) error {
		return r.Scan(nil, nil, func(k, v []byte) error { _ = bytes.Count(v, k); return nil })
	}); err != nil {
		return err
	}
	return e.Update(func(w kv.Writer) error {
		for i := range 40 {
			if err := w.Put(fmt.Appendf(nil, "%04x", i*7), make([]byte, 900)); err != nil {
				return err
			}
			if err := w.Delete(fmt.Appendf(nil, "%04x", i*5)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Bytes of the structure are changed at random places.
func TestDamaged(t *testing.T) {
	path, _ := grown(t, 300)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(5, 6))
	refused := 0
	for range 250 {
		bad := bytes.Clone(good)
		page := rng.IntN(len(bytes.TrimRight(good, "\x00"))/4096 + 1)
		at := page*4096 + rng.IntN(200)
		bad[at] ^= byte(1 + rng.IntN(255))
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		if err := use(path); err != nil {
			refused++
			require.ErrorIs(t, err, kv.ErrCorrupt, "byte %d", at)
		}
	}
	require.GreaterOrEqual(t, refused, 50, "only %d of 250 were refused", refused)
}

func FuzzCheck(f *testing.F) {
	path, _ := grown(f, 60)
	good, err := os.ReadFile(path)
	require.NoError(f, err)
	good = bytes.TrimRight(good, "\x00")
	good = append(good, make([]byte, 8192)...)
	for _, at := range []int{0, 20, 4096 + 70, 8192 + 8, 12288 + 30} {
		f.Add(uint32(at), []byte{0xff, 0x00, 0x01})
	}
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		data := bytes.Clone(good)
		copy(data[int(at)%len(data):], patch)
		if err := checkData(data); err != nil && !errors.Is(err, kv.ErrCorrupt) {
			t.Error(err)
		}
	})
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist, "missing")
	_, err = Open(dir)
	require.Error(t, err, "a folder was opened")
	e, path := create(t)
	_, err = Create(path)
	require.ErrorIs(t, err, fs.ErrExist, "made twice")
	_, err = Open(path)
	require.ErrorIs(t, err, kv.ErrLocked, "opened twice")
	require.NoError(t, e.Close())
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(path, link))
	_, err = Open(link)
	require.Error(t, err, "a symbolic link was followed")
}

// After a commit of which nobody knows whether it reached the disk, updates are
// refused and reading goes on.
func TestBroken(t *testing.T) {
	e, _ := create(t)
	defer e.Close()
	cause := errors.New("input/output error")
	tx, err := e.begin(false)
	require.NoError(t, err)
	id := tx.ID()
	require.NoError(t, tx.Rollback())
	err = e.failed(id+1, cause)
	require.False(t, errors.Is(err, kv.ErrBroken), "the meta page is the old one: %v", err)
	require.ErrorIs(t, err, cause, "the meta page is the old one")
	nothing := func(kv.Writer) error { return nil }
	require.NoError(t, e.Update(nothing), "and updates go on")
	err = e.failed(id, cause)
	require.ErrorIs(t, err, kv.ErrBroken)
	require.ErrorIs(t, err, cause, "the meta page is the new one")
	require.ErrorIs(t, e.Update(nothing), kv.ErrBroken, "and updates")
	got := kvtest.Dump(t, e)
	require.Empty(t, got, "reading: %v", got)
}

// A file that is renamed or replaced ends updates: what they wrote would not be found.
func TestFileReplaced(t *testing.T) {
	for name, replace := range map[string]func(path string) error{
		"renamed":  func(path string) error { return os.Rename(path, path+".away") },
		"removed":  os.Remove,
		"replaced": func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) },
	} {
		path := filepath.Join(t.TempDir(), "store.db")
		e, err := Create(path)
		require.NoError(t, err)
		put := func() error { return e.Update(func(w kv.Writer) error { return w.Put([]byte("k"), []byte("v")) }) }
		require.NoError(t, errors.Join(put(), replace(path)))
		for range 2 {
			if err := put(); !errors.Is(err, kv.ErrReplaced) || !errors.Is(err, kv.ErrBroken) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
