package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"
)

// secretValue is what must not be found in a file any more.
var secretValue = []byte("what was deleted and must be gone")

func inFile(t *testing.T, path string) int {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return bytes.Count(data, secretValue)
}

// litter leaves a deleted value in free pages, among many others.
func litter(t *testing.T, e *Engine) {
	t.Helper()
	put := func(value []byte) {
		t.Helper()
		err := e.Update(func(w kv.Writer) error {
			for i := range 3000 {
				key := fmt.Appendf(nil, "litter %04d", i)
				if value == nil {
					if err := w.Delete(key); err != nil {
						return err
					}
				} else if err := w.Put(key, append(key, value...)); err != nil {
					return err
				}
			}
			return nil
		})
		require.NoError(t, err)
	}
	put(bytes.Repeat(secretValue, 100))
	put(nil)
}

func scrubAll(e *Engine) (turns int, err error) {
	for next := 0; ; {
		turns++
		if next, err = e.Scrub(next); err != nil || next == 0 {
			return turns, err
		}
	}
}

// TestScrub: nothing of what was deleted is left in the file, what is there is as
// it was, and the file opens and goes on.
func TestScrub(t *testing.T) {
	path, want := grown(t, 3000)
	e, err := Open(path)
	require.NoError(t, err)
	litter(t, e)
	n := inFile(t, path)
	require.GreaterOrEqual(t, n, 1000, "the deleted value is in the file %d times; the test tests nothing", n)
	turns, err := scrubAll(e)
	require.NoError(t, err, "%d turns", turns)
	require.GreaterOrEqual(t, turns, 2, "%d turns", turns)
	n = inFile(t, path)
	require.Zero(t, n, "the deleted value is in the file %d times", n)
	require.NoError(t, e.Update(func(w kv.Writer) error { return w.Put([]byte("after"), []byte("scrubbing")) }))
	want["after"] = "scrubbing"
	for range 2 {
		if got := kvtest.Dump(t, e); !maps.Equal(got, want) {
			t.Error("scrubbing changed what is there")
		}
		require.NoError(t, e.Close())
		e, err = Open(path)
		require.NoError(t, err)
	}
	require.NoError(t, e.Close())
	_, err = e.Scrub(0)
	require.ErrorIs(t, err, kv.ErrClosed, "of a file that is closed")
}

// TestScrubBesideView: what a view of an older state reads is left alone until it
// ends.
func TestScrubBesideView(t *testing.T) {
	e, path := create(t)
	defer e.Close()
	require.NoError(t, e.Update(func(w kv.Writer) error { return w.Put([]byte("kept"), secretValue) }))
	err := e.View(func(r kv.Reader) error {
		if err := e.Update(func(w kv.Writer) error { return w.Delete([]byte("kept")) }); err != nil {
			return err
		}
		if _, err := scrubAll(e); !errors.Is(err, kv.ErrInUse) {
			t.Errorf("beside a view: %v", err)
		}
		got, err := r.Get([]byte("kept"))
		if !bytes.Equal(got, secretValue) {
			t.Errorf("the view reads %q", got)
		}
		return err
	})
	require.NoError(t, err)
	_, err = scrubAll(e)
	require.NoError(t, err, "after the view: %v, the value is in the file %d times", err, inFile(t, path))
	require.Zero(t, inFile(t, path), "after the view: %v, the value is in the file %d times", err, inFile(t, path))
}

// TestScrubBehindTheTree overwrites what a killed commit left behind the last page.
func TestScrubBehindTheTree(t *testing.T) {
	e, path := create(t)
	require.NoError(t, e.Update(func(w kv.Writer) error { return w.Put([]byte("a"), make([]byte, 100)) }))
	info, err := os.Stat(path)
	require.NoError(t, err)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	left := []byte("left by a commit that was killed")
	_, err = f.WriteAt(left, info.Size()-4096)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	for at := 0; ; {
		next, err := e.Scrub(at)
		require.NoError(t, err)
		if at = next; at == 0 {
			break
		}
	}
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(data), string(left))
	require.NoError(t, e.Update(func(w kv.Writer) error { return w.Put([]byte("b"), make([]byte, 100000)) }))
	require.NoError(t, e.Close())
	e, err = Open(path)
	require.NoError(t, err)
	require.NoError(t, e.Close())
}

// TestLargestFile: a file that may not grow further is full, and the error says why.
func TestLargestFile(t *testing.T) {
	e, _ := create(t)
	e.db.MaxSize = 1 << 20
	err := e.Update(func(w kv.Writer) error { return w.Put([]byte("a"), make([]byte, 4<<20)) })
	require.ErrorIs(t, err, kv.ErrNoSpace)
	require.ErrorContains(t, err, "which is the limit")
	require.NoError(t, e.Update(func(w kv.Writer) error { return w.Put([]byte("a"), make([]byte, 100)) }))
	require.NoError(t, e.Close())
}
