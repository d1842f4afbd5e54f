package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var seed = bytes.Repeat([]byte{7}, ed25519.SeedSize)

func public() ed25519.PublicKey {
	return ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
}

// keeper keeps the head, as the store does.
type keeper struct {
	mu   sync.Mutex
	head Head
}

// now is the head that was kept last.
func (k *keeper) now() Head {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.head
}

func (k *keeper) anchor(h Head) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.head = h
	return nil
}

func open(t *testing.T, dir string, k *keeper) *Log {
	t.Helper()
	l, err := Open(Options{
		Dir: dir, Key: ed25519.NewKeyFromSeed(seed), Head: k.head, Anchor: k.anchor, Rotate: 4 << 10,
		Failed: func(err error) { t.Error(err) },
	})
	require.NoError(t, err)
	return l
}

func closeLog(t *testing.T, l *Log) {
	t.Helper()
	require.NoError(t, l.Close())
}

func add(t *testing.T, l *Log, events ...string) {
	t.Helper()
	for _, name := range events {
		e, err := l.Begin(Record{Event: "event"})
		require.NoError(t, err)
		e.End(Record{Event: name, Result: "ok", Process: &Process{UID: 1000, PID: 42, Executable: "/usr/bin/ssh"}, Detail: "Card \" ,\"sig\":\""})
	}
}

func verify(t *testing.T, dir string, k *keeper) Report {
	t.Helper()
	r, err := Verify(t.Context(), dir, public(), k.now())
	require.NoError(t, err)
	return r
}

func sound(t *testing.T, dir string, k *keeper, lines uint64) {
	t.Helper()
	r := verify(t, dir, k)
	if len(r.Problems) > 0 || r.Lines != lines || r.Last != lines || r.First != 1 {
		t.Errorf("%d lines: %+v", lines, r)
	}
}

// written makes a log of some files.
func written(t *testing.T, n int) (dir string, k *keeper) {
	t.Helper()
	dir, k = filepath.Join(t.TempDir(), "audit"), &keeper{}
	l := open(t, dir, k)
	for i := range n {
		add(t, l, fmt.Sprint("event ", i))
	}
	closeLog(t, l)
	return dir, k
}

func TestGoesOn(t *testing.T) {
	dir, k := written(t, 3)
	sound(t, dir, k, 4)
	l := open(t, dir, k)
	if gaps := l.Missing(); len(gaps) > 0 {
		t.Error("there is a gap", gaps)
	}
	add(t, l, "more")
	closeLog(t, l)
	sound(t, dir, k, 5)
	info, err := os.Stat(filepath.Join(dir, fileName(1)))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
}

func TestRotates(t *testing.T) {
	dir, k := written(t, 60)
	r := verify(t, dir, k)
	if r.Files < 3 || len(r.Problems) > 0 || r.Lines != 60+r.Files {
		t.Errorf("%+v", r)
	}
	names, _ := files(dir)
	require.NoError(t, os.Remove(filepath.Join(dir, names[0])))
	if r := verify(t, dir, k); len(r.Problems) != 1 || r.First != firstOf(names[1]) {
		t.Errorf("without the first file: %+v", r)
	}
	k.head.Archived = firstOf(names[1]) - 1
	if r := verify(t, dir, k); len(r.Problems) > 0 {
		t.Errorf("without the first file, which was archived: %+v", r)
	}
	require.NoError(t, os.Remove(filepath.Join(dir, names[2])))
	if r := verify(t, dir, k); len(r.Problems) == 0 {
		t.Error("a file out of the middle was removed")
	}
}

// TestEveryChangeIsFound flips every byte, and removes, doubles and swaps lines.
func TestEveryChangeIsFound(t *testing.T) {
	dir, k := written(t, 2)
	path := filepath.Join(dir, fileName(1))
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	found := func(what string, bad []byte) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		if r := verify(t, dir, k); len(r.Problems) == 0 {
			t.Errorf("%s was not found", what)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		found(fmt.Sprint("a flip of byte ", i), bad)
	}
	lines := bytes.SplitAfter(bytes.TrimSuffix(good, nil), []byte("\n"))
	lines = lines[:len(lines)-1]
	for i := range lines {
		without := bytes.Join(append(append([][]byte{}, lines[:i]...), lines[i+1:]...), nil)
		found(fmt.Sprint("removing line ", i+1), without)
		twice := bytes.Join(append(append([][]byte{}, lines[:i+1]...), lines[i:]...), nil)
		found(fmt.Sprint("line twice ", i+1), twice)
		found(fmt.Sprint("cutting off from line ", i+1), bytes.Join(lines[:i], nil))
		if i > 0 {
			swapped := append([][]byte{}, lines...)
			swapped[i], swapped[i-1] = swapped[i-1], swapped[i]
			found(fmt.Sprint("swapping lines to ", i+1), bytes.Join(swapped, nil))
		}
	}
	require.NoError(t, os.WriteFile(path, good, 0o600))
	sound(t, dir, k, 3)
}

// TestAnotherKey: a log that somebody else signed is none.
func TestAnotherKey(t *testing.T) {
	dir, k := written(t, 1)
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	if r, err := Verify(t.Context(), dir, other, k.head); err != nil || len(r.Problems) < 2 {
		t.Errorf("%+v %v", r, err)
	}
}

// After a kill the log goes on, also after half a line, an empty file, and where
// the end was removed: that stays visible.
func TestResumes(t *testing.T) {
	for name, test := range map[string]struct {
		spoil  func(dir string, good []byte) error
		sound  bool
		hasGap bool
	}{
		"half a line": {func(dir string, good []byte) error {
			return os.WriteFile(filepath.Join(dir, fileName(1)), append(good, `{"seq":5,"ti`...), 0o600)
		}, true, false},
		"empty file": {func(dir string, _ []byte) error { return os.WriteFile(filepath.Join(dir, fileName(5)), nil, 0o600) }, true, false},
		"end removed": {func(dir string, good []byte) error {
			at := bytes.LastIndexByte(good[:len(good)-1], '\n')
			return os.WriteFile(filepath.Join(dir, fileName(1)), good[:at+1], 0o600)
		}, false, true},
		"end changed": {func(dir string, good []byte) error {
			good[len(good)-20] ^= 1
			return os.WriteFile(filepath.Join(dir, fileName(1)), good, 0o600)
		}, false, true},
		"all removed": {func(dir string, _ []byte) error { return os.Remove(filepath.Join(dir, fileName(1))) }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir, k := written(t, 3)
			good, err := os.ReadFile(filepath.Join(dir, fileName(1)))
			require.NoError(t, err)
			require.NoError(t, test.spoil(dir, good))
			l := open(t, dir, k)
			require.Equal(t, test.hasGap, len(l.Missing()) > 0, "missing: %v", l.Missing())
			add(t, l, "after")
			closeLog(t, l)
			r := verify(t, dir, k)
			require.Equal(t, test.sound, len(r.Problems) == 0, "%+v", r)
		})
	}
}

// TestConcurrent: lines of many goroutines are one chain.
func TestConcurrent(t *testing.T) {
	dir, k := filepath.Join(t.TempDir(), "audit"), &keeper{}
	l := open(t, dir, k)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 50 {
				e, err := l.Begin(Record{Event: "event"})
				if err != nil {
					t.Error(err)
					return
				}
				if i%5 == 0 {
					e.Cancel()
				} else {
					e.End(Record{Event: "event", Detail: strings.Repeat("\x00é", 400)})
				}
			}
		})
	}
	all.Wait()
	closeLog(t, l)
	if r := verify(t, dir, k); len(r.Problems) > 0 || r.Lines != 8*40+r.Files {
		t.Errorf("%+v", r)
	}
	if _, err := l.Begin(Record{Event: "event"}); !errors.Is(err, ErrBroken) {
		t.Errorf("after Close: %v", err)
	}
}

func TestLines(t *testing.T) {
	dir, k := written(t, 60)
	var seen uint64
	for {
		list, last, err := Lines(dir, seen, 7)
		require.NoError(t, err)
		if len(list) == 0 {
			break
		}
		for i, line := range list {
			var r Record
			if err := json.Unmarshal(line, &r); err != nil || r.Seq != seen+uint64(i)+1 {
				t.Errorf("line %d after %d: %v", r.Seq, seen, err)
			}
		}
		seen = last
	}
	require.Equal(t, k.head.Seq, seen, "the last line is %d, not %d", seen, k.head.Seq)
}

// TestFullDisk fills a small file system: what was begun is recorded, and what
// cannot be is refused; with space again the log goes on.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("this test mounts a small file system, so run it as root: %v\n%s", err, out)
	}
	defer func() {
		if out, err := exec.Command("umount", "--lazy", dir).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}()
	k := &keeper{}
	l := open(t, filepath.Join(dir, "audit"), k)
	var begun []*Entry
	for range 1000 {
		e, err := l.Begin(Record{Event: "event"})
		if err != nil {
			require.ErrorIs(t, err, ErrFull, "%v", err)
			break
		}
		begun = append(begun, e)
	}
	if len(begun) < 10 || len(begun) == 1000 {
		t.Fatalf("%d records were begun", len(begun))
	}
	require.Error(t, os.WriteFile(filepath.Join(dir, "rest"), make([]byte, 1<<20), 0o600), "there was space left")
	for _, e := range begun {
		e.End(Record{Event: "event", Result: "ok"})
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "rest")))
	add(t, l, "after")
	closeLog(t, l)
	low := uint64(len(told(t, filepath.Join(dir, "audit"), EventDiskLow))) // none, where no sync came in between
	if r := verify(t, filepath.Join(dir, "audit"), k); len(r.Problems) > 0 || r.Lines != uint64(len(begun))+1+low+r.Files {
		t.Errorf("%d were begun: %+v", len(begun), r)
	}
}

// FuzzParseLine: nothing but a signed line is read.
func FuzzParseLine(f *testing.F) {
	line, err := Record{Seq: 1, Event: "event"}.line(ed25519.NewKeyFromSeed(seed))
	require.NoError(f, err)
	f.Add(line)
	f.Add([]byte("{}"))
	f.Add([]byte(`,"sig":""}`))
	f.Add([]byte(`,"sig":"}`))
	f.Add(bytes.Replace(line, []byte(`"sig":"`), []byte("\"sig\":\"\r"), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := parseLine(b, public()); err == nil && !bytes.Equal(b, line) {
			t.Errorf("%q is taken", b)
		}
	})
}

func TestLongestLineFits(t *testing.T) {
	long := strings.Repeat("\x01\u2028\"", 1000)
	r := Record{
		Seq: 1<<64 - 1, Event: long, Result: long, Process: &Process{UID: 1<<32 - 1, PID: -1 << 31, Executable: long}, Caller: long, From: long,
		Request: long, Tenant: long, Token: long, Serial: long, Slot: 1<<64 - 1, Role: long, Object: &Object{long, long, long},
		Detail: long, Tries: long, Locked: true, Repeated: 1<<64 - 1, ClockBack: "2562047h47m16.854775807s", Since: time.Now(), Prev: strings.Repeat("f", 64),
	}
	line, err := r.line(ed25519.NewKeyFromSeed(seed))
	if err != nil || len(line) >= MaxLine {
		t.Fatalf("%d bytes, %v", len(line), err)
	}
	if got, err := parseLine(line, public()); err != nil || got.Seq != r.Seq {
		t.Error(err)
	}
	if r.Process.Executable != long || r.Object.ID != long {
		t.Error("the caller's record was changed")
	}
}
