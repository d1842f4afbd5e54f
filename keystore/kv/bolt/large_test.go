package bolt

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kv"
)

// large makes a file that is larger than largeFile, with free pages in it.
func large(t *testing.T) (path string, want map[string][]byte) {
	t.Helper()
	path, want = filepath.Join(t.TempDir(), "store.db"), map[string][]byte{}
	e, err := Create(path)
	require.NoError(t, err)
	put := func(n int, seed byte) {
		key := binary.BigEndian.AppendUint32(nil, uint32(n))
		want[string(key)] = bytes.Repeat([]byte{seed, byte(n), byte(n >> 8)}, 1<<18)
		require.NoError(t, e.Update(func(w kv.Writer) error { return w.Put(key, want[string(key)]) }))
	}
	for n := range 90 {
		put(n, 1)
	}
	for n := range 40 {
		put(2*n, 2)
	}
	require.NoError(t, e.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(largeFile))
	return path, want
}

// listed reports whether the file has the list of its free pages.
func listed(t *testing.T, path string) bool {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	c := checker{data: data}
	require.NoError(t, c.metas())
	return c.free != noFreelist
}

func holds(t *testing.T, e *Engine, want map[string][]byte) {
	t.Helper()
	require.NoError(t, e.View(func(r kv.Reader) error {
		n := 0
		err := r.Scan(nil, nil, func(key, value []byte) error {
			n++
			require.Equal(t, want[string(key)], value)
			return nil
		})
		require.Len(t, want, n)
		return err
	}))
}

// TestLargeFile: a large file that was closed well has the list of its free pages; one
// whose program was killed is walked over. Both hold what was put there, also after pages
// of the list were used again.
func TestLargeFile(t *testing.T) {
	path, want := large(t)
	require.True(t, listed(t, path))
	for round := range 4 {
		e, err := Open(path)
		require.NoError(t, err)
		holds(t, e, want)
		key := binary.BigEndian.AppendUint32(nil, uint32(3*round))
		want[string(key)] = bytes.Repeat([]byte{9, byte(round)}, 1<<19)
		require.NoError(t, e.Update(func(w kv.Writer) error { return w.Put(key, want[string(key)]) }))
		if round%2 == 1 { // as the disk is when the program is killed now
			killed := filepath.Join(t.TempDir(), "killed.db")
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(killed, data, 0o600))
			require.NoError(t, e.Close())
			require.False(t, listed(t, killed))
			path = killed
			continue
		}
		require.NoError(t, e.Close())
		require.True(t, listed(t, path))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		whole := checker{data: data}
		require.NoError(t, whole.metas())
		whole.used = make([]bool, whole.pages)
		require.NoError(t, whole.tree(whole.root, nil, nil, 0, true))
		require.NoError(t, whole.freelist(), "the list has no page that is in use")
	}
}

// TestLargeFileDamaged damages pages of a large file: using it is an error at worst, and
// never a panic.
func TestLargeFileDamaged(t *testing.T) {
	path, _ := large(t)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	c := checker{data: good}
	require.NoError(t, c.metas())
	random := rand.New(rand.NewPCG(3, 4))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	found := 0
	pages := []uint64{c.root, c.free}
	for range 60 {
		pages = append(pages, 2+random.Uint64N(c.pages-2))
	}
	for _, page := range pages {
		at := int64(page * c.pageSize)
		bad := make([]byte, pageHeader+2*elementSize)
		for i := range bad {
			bad[i] = byte(random.Uint32())
		}
		_, err := f.WriteAt(bad, at)
		require.NoError(t, err)
		e, err := Open(path)
		if err == nil {
			err = e.View(func(r kv.Reader) error { return r.Scan(nil, nil, func([]byte, []byte) error { return nil }) })
			if err == nil {
				err = e.Update(func(w kv.Writer) error { return w.Put([]byte("key"), []byte("value")) })
			}
			_ = e.Close()
		}
		if err != nil {
			require.ErrorIs(t, err, kv.ErrCorrupt)
			found++
		}
		_, err = f.WriteAt(good, 0)
		require.NoError(t, err)
		require.NoError(t, f.Truncate(int64(len(good))))
	}
	require.GreaterOrEqual(t, found, 2)
}
