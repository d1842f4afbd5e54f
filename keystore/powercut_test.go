package keystore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/bolt"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
)

// recordedWrite is one write of bbolt to its file.
type recordedWrite struct {
	commit int // acknowledged commits when it was made
	offset int64
	data   []byte
	size   int64 // of the file by then
}

// recorder keeps what bbolt writes, in its order.
type recorder struct {
	t       *testing.T
	file    *os.File
	commits int
	writes  []recordedWrite
}

// recordWrites puts a recorder between an engine and its file. bbolt has no place for
// one that it exports, so the test reaches into it; where that place moves, the
// test fails rather than record nothing.
func recordWrites(t *testing.T, e *bolt.Engine, path string) *recorder {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	r := &recorder{t: t, file: f}
	db := reflect.ValueOf(e).Elem().FieldByName("db").Elem()
	field := db.FieldByName("ops").FieldByName("writeAt")
	hook := (*func([]byte, int64) (int, error))(unsafe.Pointer(field.UnsafeAddr()))
	next := *hook
	*hook = func(b []byte, offset int64) (int, error) {
		r.note(b, offset)
		return next(b, offset)
	}
	return r
}

func (r *recorder) note(b []byte, offset int64) {
	info, err := r.file.Stat()
	if err != nil {
		r.t.Error(err)
		return
	}
	r.writes = append(r.writes, recordedWrite{r.commits, offset, slices.Clone(b), info.Size()})
}

// powercutCommits is how many commits are recorded.
const powercutCommits = 510

// TestPowerCut records every write of more than 500 commits, and cuts the power
// at each boundary: the store opens, and has exactly what was acknowledged, or,
// where the last write of a commit was done and its answer was not, that commit
// whole. Writes that no sync separates may reach the disk in any order and in
// part: the test tries such states too. etcd-io/bbolt tests itself in the same way, with dm-flakey.
func TestPowerCut(t *testing.T) {
	dir := tempDir(t)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	o := options(dir).withDefaults()
	path := filepath.Join(dir, storeFile)
	root := make(secret.Bytes, 32)
	recipients, err := wrapRoot(t.Context(), o, []string{DefaultKEK}, root)
	require.NoError(t, err)
	e, err := bolt.Create(path)
	require.NoError(t, err)
	db := kv.Group(e)
	require.NoError(t, initialize(db, o, root, recipients))
	s, _, err := load(t.Context(), o, db, true)
	require.NoError(t, err)
	tok := addToken(t, s, addUser(t, s, "alice"), "label 0")
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	states := []string{fmt.Sprint(state(t, s))}
	rec := recordWrites(t, e, path)
	rng := rand.New(rand.NewPCG(11, 0))
	for i := range powercutCommits {
		update(t, s, func(tx *Tx) error { return powercutStep(tx, tok.ID, i, rng) })
		rec.commits++
		states = append(states, fmt.Sprint(state(t, s)))
	}
	require.NoError(t, s.Close())
	n := len(rec.writes)
	require.GreaterOrEqual(t, n, 3*powercutCommits,
		"only %d writes of %d commits were recorded; the recorder records nothing", n, powercutCommits)
	cutEverywhere(t, o, before, rec.writes, states)
}

// powercutStep is one commit: a create, a destroy, a new label, a counted PIN.
func powercutStep(tx *Tx, token record.TokenID, i int, rng *rand.Rand) error {
	list, err := tx.Objects(token)
	if err != nil {
		return err
	}
	switch kind := rng.IntN(8); {
	case kind < 4 && len(list) < 30 || len(list) < 3:
		return errors.Join(tx.PutObject(token, newObject(fmt.Sprint("a", i), "hidden")), tx.PutObject(token, newObject(fmt.Sprint("b", i), "")))
	case kind < 6:
		return tx.DeleteObject(token, list[rng.IntN(len(list))].ID)
	case kind < 7:
		o := newObject(fmt.Sprint("changed ", i), "other")
		o.ID = object.ID(list[rng.IntN(len(list))].ID)
		return tx.PutObject(token, o)
	}
	t, err := tx.Token(token)
	if err != nil {
		return err
	}
	t.Label, t.UserPIN.Failed = fmt.Sprint("label ", i), i
	return tx.PutToken(t)
}

// disk is what is on the disk: an image to which writes are done.
type disk struct{ image []byte }

func (d *disk) write(w recordedWrite, n int) {
	if grow := w.size - int64(len(d.image)); grow > 0 {
		d.image = append(d.image, make([]byte, grow)...)
	}
	copy(d.image[w.offset:], w.data[:n])
}

// cutEverywhere replays the writes and opens the store after each of them.
func cutEverywhere(t *testing.T, o Options, before []byte, writes []recordedWrite, states []string) {
	d := &disk{slices.Clone(before)}
	path := filepath.Join(o.Dir, storeFile)
	rng := rand.New(rand.NewPCG(12, 0))
	boundaries, others := 0, 0
	for i, w := range writes {
		last := i+1 == len(writes) || writes[i+1].commit != w.commit
		if !last && rng.IntN(8) == 0 { // torn, and out of order with those after it
			torn := &disk{slices.Clone(d.image)}
			for _, next := range writes[i:] {
				if next.commit != w.commit || isMeta(next) {
					break
				}
				if rng.IntN(2) == 0 {
					torn.write(next, min(len(next.data), 512*rng.IntN(1+len(next.data)/512)))
				}
			}
			opensAs(t, o, path, torn.image, states[w.commit], fmt.Sprintf("torn writes after %d of commit %d", i, w.commit+1))
			others++
		}
		require.Equal(t, isMeta(w), last,
			"write %d of commit %d: a commit ends with its meta page and has no other", i, w.commit+1)
		d.write(w, len(w.data))
		want := states[w.commit]
		if last {
			want = states[w.commit+1]
		}
		opensAs(t, o, path, d.image, want, fmt.Sprintf("after write %d, of commit %d", i, w.commit+1))
		boundaries++
		if t.Failed() {
			return
		}
	}
	t.Logf("%d commits, cut at %d boundaries and in %d other states", len(states)-1, boundaries, others)
}

// isMeta reports whether a write is of a meta page: page 0 or 1.
func isMeta(w recordedWrite) bool { return w.offset < 2*int64(os.Getpagesize()) }

// opensAs opens a store file that was found after a power cut.
func opensAs(t *testing.T, o Options, path string, image []byte, want, when string) {
	t.Helper()
	f, err := os.Create(path)
	if err == nil {
		_, err = f.Write(image)
		err = errors.Join(err, f.Close())
	}
	require.NoError(t, err)
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	got := fmt.Sprint(state(t, s))
	require.Equal(t, want, got, "%s: there is\n%s\nand not\n%s", when, got, want)
	require.NoError(t, s.Close(), "%s", when)
}
