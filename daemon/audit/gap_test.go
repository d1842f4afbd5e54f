package audit

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// told are the records of a log with an event.
func told(t *testing.T, dir, event string) (list []Record) {
	t.Helper()
	lines, _, err := Lines(dir, 0, 1e6)
	require.NoError(t, err)
	for _, line := range lines {
		var r Record
		require.NoError(t, json.Unmarshal(line, &r))
		if r.Event == event {
			list = append(list, r)
		}
	}
	return list
}

// TestGapsAreTold: what was removed while the daemon was off is told by a signed line at
// the next start, once, and verify fails until an administrator says that the lines are
// kept elsewhere. Lines in the clear and encrypted ones alike.
func TestGapsAreTold(t *testing.T) {
	for name, remove := range map[string]func(t *testing.T, dir string) (want []string){
		"the folder": func(t *testing.T, dir string) []string {
			require.NoError(t, os.RemoveAll(dir))
			return nil
		},
		"the first file": func(t *testing.T, dir string) []string {
			names, err := files(dir)
			require.NoError(t, err)
			require.NoError(t, os.Remove(filepath.Join(dir, names[0])))
			return []string{Range{1, firstOf(names[1]) - 1}.String()}
		},
		"two files in the middle": func(t *testing.T, dir string) (want []string) {
			names, err := files(dir)
			require.NoError(t, err)
			require.Greater(t, len(names), 4)
			for _, i := range []int{1, 3} {
				require.NoError(t, os.Remove(filepath.Join(dir, names[i])))
				want = append(want, Range{firstOf(names[i]), firstOf(names[i+1]) - 1}.String())
			}
			return want
		},
		"the last file": func(t *testing.T, dir string) []string {
			names, err := files(dir)
			require.NoError(t, err)
			require.NoError(t, os.Remove(filepath.Join(dir, names[len(names)-1])))
			return nil
		},
		"the last line": func(t *testing.T, dir string) []string {
			names, err := files(dir)
			require.NoError(t, err)
			path := filepath.Join(dir, names[len(names)-1])
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			at := strings.LastIndexByte(string(text[:len(text)-1]), '\n')
			require.NoError(t, os.WriteFile(path, text[:at+1], 0o600))
			return nil
		},
	} {
		for _, sealed := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " sealed ", sealed), func(t *testing.T) {
				dir, k := filepath.Join(t.TempDir(), "audit"), &keeper{}
				var to []age.Recipient
				if sealed {
					to = append(to, auditor(t).Recipient())
				}
				l := openSealed(t, dir, k, to...)
				for range 30 {
					add(t, l, "event")
				}
				closeLog(t, l)
				require.Empty(t, verify(t, dir, k).Problems)
				last := k.head.Seq
				want := remove(t, dir)
				for range 2 {
					l = openSealed(t, dir, k, to...)
					require.NotEmpty(t, l.Missing())
					closeLog(t, l)
				}
				gaps := told(t, dir, EventGap)
				require.Len(t, gaps, max(1, len(want)), "%v", gaps)
				for i, text := range want {
					require.Equal(t, text, gaps[i].Detail)
				}
				if want == nil {
					require.Contains(t, gaps[0].Detail, fmt.Sprint(last))
				}
				require.NotEmpty(t, verify(t, dir, k).Problems)
			})
		}
	}
}

// TestArchive: files that were archived may go, and no others; what was lost is taken for
// archived where an administrator says so.
func TestArchive(t *testing.T) {
	dir, k := written(t, 60)
	names, err := files(dir)
	require.NoError(t, err)
	l := open(t, dir, k)
	by := Record{Event: EventArchive, Result: "ok", Caller: "root"}
	for _, n := range []uint64{firstOf(names[1]), firstOf(names[1]) - 2, 1 << 40} {
		_, err := l.Archive(n, by)
		require.ErrorIs(t, err, ErrNotArchived)
	}
	through, err := l.Archive(firstOf(names[2])-1, by)
	require.NoError(t, err)
	require.Equal(t, through, k.now().Archived, "it is kept before Archive returns")
	require.Empty(t, verify(t, dir, k).Problems, "the files are still there")
	require.NoError(t, os.Remove(filepath.Join(dir, names[0])))
	require.NoError(t, os.Remove(filepath.Join(dir, names[1])))
	require.Empty(t, verify(t, dir, k).Problems)
	closeLog(t, l)
	l = open(t, dir, k)
	require.Empty(t, l.Missing())
	closeLog(t, l)
	require.NoError(t, os.Remove(filepath.Join(dir, names[2])))
	require.Len(t, verify(t, dir, k).Problems, 1)
	l = open(t, dir, k)
	require.Len(t, l.Missing(), 1)
	_, err = l.Archive(firstOf(names[3])-1, by)
	require.NoError(t, err)
	closeLog(t, l)
	require.Empty(t, verify(t, dir, k).Problems)
	require.Empty(t, k.head.Missing)
	require.Len(t, told(t, dir, EventGap), 1)
	archives := told(t, dir, EventArchive)
	require.NotEmpty(t, archives)
	require.Equal(t, "root", archives[len(archives)-1].Caller)
}

// TestKilledBeforeTheLine: what was begun when the program was killed, and may have been
// done, has a line after the next start.
func TestKilledBeforeTheLine(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprint("sealed ", sealed), func(t *testing.T) {
			dir, k := filepath.Join(t.TempDir(), "audit"), &keeper{}
			var to []age.Recipient
			key := auditor(t)
			if sealed {
				to = append(to, key.Recipient())
			}
			l := openSealed(t, dir, k, to...)
			add(t, l, "before")
			var begun []*Entry
			for i := range 100 {
				e, err := l.Begin(Record{Event: "set-pin", Process: &Process{UID: 1000 + uint32(i)}})
				require.NoError(t, err)
				begun = append(begun, e)
			}
			for _, e := range begun[3:] {
				e.End(Record{Event: "set-pin", Result: "ok"})
			}
			begun[2].Cancel()
			killed := filepath.Join(t.TempDir(), "audit") // as the kill left it
			require.NoError(t, os.CopyFS(killed, os.DirFS(dir)))
			if sealed {
				note, err := os.ReadFile(filepath.Join(killed, begunFile))
				require.NoError(t, err)
				require.NotContains(t, string(note), "set-pin")
			}
			for _, e := range begun[:2] {
				e.Cancel()
			}
			head, _ := l.Head()
			closeLog(t, l)
			k.head = head
			for range 2 { // the second start has nothing to tell
				l = openSealed(t, killed, k, to...)
				closeLog(t, l)
			}
			require.Empty(t, verify(t, killed, k).Problems)
			lines, _, err := Lines(killed, 0, 1000)
			require.NoError(t, err)
			n := 0
			for _, line := range lines {
				if _, r := opened(t, line, key); r.Event == EventInterrupted {
					n++
					require.False(t, r.Since.IsZero())
					if !sealed {
						require.Equal(t, "set-pin", r.Detail)
						require.Contains(t, []uint32{1000, 1001}, r.Process.UID)
					}
				}
			}
			require.Equal(t, 2, n)
		})
	}
}

// TestHalfNotes: whatever is in the file of notes, the log opens.
func TestHalfNotes(t *testing.T) {
	dir, k := written(t, 1)
	text := strings.Repeat("x", slotSize*(mostCut+10)) + "{\"event\":"
	require.NoError(t, os.WriteFile(filepath.Join(dir, begunFile), []byte(text), 0o600))
	l := open(t, dir, k)
	closeLog(t, l)
	list := told(t, dir, EventInterrupted)
	require.Len(t, list, mostCut+1)
	require.Equal(t, "11 more", list[mostCut].Detail)
	require.Empty(t, verify(t, dir, k).Problems)
}

// TestClockBack: time that runs backwards is marked in the line, and told by verify.
func TestClockBack(t *testing.T) {
	dir, k := filepath.Join(t.TempDir(), "audit"), &keeper{}
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	openAt := func() *Log {
		l, err := Open(Options{
			Dir: dir, Key: ed25519.NewKeyFromSeed(seed), Head: k.head, Anchor: k.anchor, Now: func() time.Time { return now },
			Failed: func(err error) { t.Error(err) },
		})
		require.NoError(t, err)
		return l
	}
	l := openAt()
	add(t, l, "one")
	require.Empty(t, verify(t, dir, &keeper{}).Notes)
	closeLog(t, l)
	now = now.Add(-time.Hour) // while it was off
	l = openAt()
	add(t, l, "two", "three")
	closeLog(t, l)
	r := verify(t, dir, k)
	require.Empty(t, r.Problems)
	require.Len(t, r.Notes, 1)
	require.Contains(t, r.Notes[0], "1h0m0s")
	require.Equal(t, "1h0m0s", told(t, dir, "two")[0].ClockBack)
	require.Empty(t, told(t, dir, "three")[0].ClockBack)
}

// TestRotatesUnderLoad: a log in which something is always pending begins new files.
func TestRotatesUnderLoad(t *testing.T) {
	dir, k := filepath.Join(t.TempDir(), "audit"), &keeper{}
	l := open(t, dir, k)
	held, err := l.Begin(Record{Event: "slow"}) // is pending all the time
	require.NoError(t, err)
	var all sync.WaitGroup
	var lines atomic.Uint64
	for range 8 {
		all.Go(func() {
			for range 50 {
				e, err := l.Begin(Record{Event: "event"})
				if err != nil {
					t.Error(err)
					return
				}
				e.End(Record{Event: "event", Result: "ok"})
				lines.Add(1)
			}
		})
	}
	all.Wait()
	held.End(Record{Event: "slow", Result: "ok"})
	closeLog(t, l)
	r := verify(t, dir, k)
	require.Empty(t, r.Problems)
	require.Equal(t, lines.Load()+1+r.Files, r.Lines)
	require.Greater(t, r.Files, uint64(20))
	names, err := files(dir)
	require.NoError(t, err)
	for _, name := range names {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Less(t, info.Size(), int64(3*MaxLine), name)
	}
}

// TestDiskLow: a disk that is nearly full is told once, in the log and to the daemon.
func TestDiskLow(t *testing.T) {
	disk := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"), "this test mounts a small file system: run it as root")
	defer func() { require.NoError(t, unix.Unmount(disk, unix.MNT_DETACH)) }()
	dir, k := filepath.Join(disk, "audit"), &keeper{}
	var low atomic.Int64 // the log watches, too
	l, err := Open(Options{
		Dir: dir, Key: ed25519.NewKeyFromSeed(seed), Head: k.head, Anchor: k.anchor,
		Low: func(int64) { low.Add(1) }, Failed: func(err error) { t.Error(err) },
	})
	require.NoError(t, err)
	defer func() { closeLog(t, l) }()
	l.watchSpace()
	require.Zero(t, low.Load())
	rest := filepath.Join(disk, "rest")
	require.NoError(t, os.WriteFile(rest, make([]byte, 7400<<10), 0o600))
	l.watchSpace()
	l.watchSpace()
	require.EqualValues(t, 1, low.Load())
	require.NoError(t, os.Remove(rest))
	l.watchSpace()
	require.EqualValues(t, 1, low.Load())
	require.Len(t, told(t, dir, EventDiskLow), 1)
}
