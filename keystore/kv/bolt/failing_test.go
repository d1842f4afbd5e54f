package bolt

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"

	"github.com/stretchr/testify/require"
)

// disk stands between bbolt and its file, and fails on demand. bbolt has no place for
// one that it exports, so the test reaches into it; where that place moves, the test
// fails rather than fail nothing.
type disk struct {
	file *(*os.File)
	good *os.File
	bad  *os.File // a pipe, which cannot be synced
	meta bool     // the sync fails after the meta page, not before
	lost error    // what the next write fails with
}

func newDisk(t *testing.T, e *Engine) *disk {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	db := reflect.ValueOf(e.db).Elem()
	d := &disk{file: (**os.File)(unsafe.Pointer(db.FieldByName("file").UnsafeAddr())), bad: w}
	d.good = *d.file
	hook := (*func([]byte, int64) (int, error))(unsafe.Pointer(db.FieldByName("ops").FieldByName("writeAt").UnsafeAddr()))
	next := *hook
	*hook = func(b []byte, offset int64) (int, error) {
		if d.lost != nil {
			err := d.lost
			d.lost = nil
			return 0, err
		}
		if d.meta && offset < 2*int64(e.db.Info().PageSize) {
			*d.file = d.bad
		}
		return next(b, offset)
	}
	return d
}

// repair ends what fails.
func (d *disk) repair() { *d.file, d.meta, d.lost = d.good, false, nil }

func put(e *Engine, value string) error {
	return e.Update(func(w kv.Writer) error { return w.Put([]byte("key"), []byte(value)) })
}

// TestFailingDisk: a write or a sync that fails is said, and what was acknowledged is
// there, now and after opening again. What was refused is there whole or not at all,
// and not at all where the engine goes on.
func TestFailingDisk(t *testing.T) {
	for name, test := range map[string]struct {
		breaks func(d *disk)
		broken bool // nobody knows what a power cut would leave
	}{
		"write of a page":            {func(d *disk) { d.lost = syscall.EIO }, false},
		"sync before the meta page":  {func(d *disk) { *d.file = d.bad }, false},
		"sync after the meta page":   {func(d *disk) { d.meta = true }, true},
		"write of a page, disk full": {func(d *disk) { d.lost = syscall.ENOSPC }, false},
	} {
		t.Run(name, func(t *testing.T) {
			e, path := create(t)
			d := newDisk(t, e)
			require.NoError(t, put(e, "acknowledged"))
			test.breaks(d)
			err := put(e, "refused")
			d.repair()
			require.Error(t, err, "the update: %v", err)
			require.Equal(t, test.broken, errors.Is(err, kv.ErrBroken), "the update: %v", err)
			require.Equal(t, strings.Contains(name, "full"), errors.Is(err, kv.ErrNoSpace), "the update: %v", err)
			before := map[string]string{"key": "acknowledged"}
			if got := kvtest.Dump(t, e); !maps.Equal(got, before) && !test.broken {
				t.Errorf("there is %v", got)
			}
			want := []string{"acknowledged", "refused"}
			switch err := put(e, "after"); {
			case test.broken && !errors.Is(err, kv.ErrBroken):
				t.Errorf("an update after it: %v", err)
			case !test.broken:
				want = []string{"after"}
				require.NoError(t, err, "an update after it")
			}
			reopens(t, e, path, want)
		})
	}
}

// reopens looks for one of some values in a file that is opened again, and writes.
func reopens(t *testing.T, e *Engine, path string, want []string) {
	t.Helper()
	require.NoError(t, e.Close())
	e, err := Open(path)
	require.NoError(t, err)
	defer e.Close()
	got := kvtest.Dump(t, e)
	require.Contains(t, fmt.Sprint(want), got["key"], "opened again, there is %v, not one of %v", got, want)
	require.Len(t, got, 1, "opened again, there is %v, not one of %v", got, want)
	require.NoError(t, put(e, "again"))
}
