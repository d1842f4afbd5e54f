package keystore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// childEnv makes the test binary play a part in a test of another process: its
// value is the part, and the arguments are the data folder and the token.
const childEnv = "KEYSTORE_TEST_PART"

func TestMain(m *testing.M) {
	part := os.Getenv(childEnv)
	if part == "" {
		os.Exit(m.Run())
	}
	err := map[string]func(dir string, token record.TokenID) error{"write": writeForever, "fill": fill, "rotate": rotateForever, "try": tryForever, "pins": changePINsForever}[part](os.Args[1], record.TokenID(os.Args[2]))
	fmt.Fprintln(os.Stderr, err)
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, part, dir string, token record.TokenID) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, dir, string(token))
	cmd.Env = append(os.Environ(), childEnv+"="+part)
	return cmd
}

// writeForever stores objects, renames the token and counts its PIN up from
// several goroutines, and prints what was acknowledged.
func writeForever(dir string, token record.TokenID) error {
	s, err := Open(context.Background(), options(dir))
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for err == nil {
				var id object.ID
				e := s.Update(func(tx *Tx) error {
					o := newObject("label", "hidden")
					err := tx.PutObject(token, o)
					id = o.ID
					return err
				})
				if e != nil {
					panic(e)
				}
				fmt.Println("object", id)
			}
		})
	}
	for i := 1; ; i++ {
		e := s.Update(func(tx *Tx) error {
			t, err := tx.Token(token)
			if err != nil {
				return err
			}
			t.UserPIN.Failed, t.Label = i, "label "+strconv.Itoa(i)
			return tx.PutToken(t)
		})
		if e != nil {
			return e
		}
		fmt.Println("token", i)
	}
}

// TestKilled kills a writing process again and again: what it printed is there,
// and nothing is half done.
func TestKilled(t *testing.T) {
	for round := range 12 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel() // most of it is waiting for the disk
			testKilled(t, 5+37*round)
		})
	}
}

func testKilled(t *testing.T, lines int) {
	dir := tempDir(t)
	s := open(t, dir)
	tok := addToken(t, s, addUser(t, s, "alice"), "label 0")
	closeStore(t, s)
	objects, last := killAfter(t, child(t, "write", dir, tok.ID), lines)
	s = open(t, dir)
	view(t, s, func(tx *Tx) error {
		got, err := tx.Token(tok.ID)
		if err != nil {
			return err
		}
		if got.UserPIN.Failed < last || got.UserPIN.Failed > last+1 || got.Label != "label "+strconv.Itoa(got.UserPIN.Failed) {
			t.Errorf("acknowledged %d, stored %d and %q", last, got.UserPIN.Failed, got.Label)
		}
		list, err := tx.Objects(tok.ID)
		if err != nil {
			return err
		}
		for _, o := range list {
			hidden, err := hiddenOf(tx, tok.ID, o.ID)
			if err != nil || string(hidden.Get(ck.CKA_VALUE)) != "hidden" {
				t.Errorf("object %d is half there: %v", o.ID, err)
			}
			delete(objects, o.ID)
		}
		return nil
	})
	if len(objects) > 0 {
		t.Errorf("%d acknowledged objects are lost", len(objects))
	}
	closeStore(t, s)
}

// killAfter kills a process when it has printed n lines, and says what it
// printed until it died.
func killAfter(t *testing.T, cmd *exec.Cmd, n int) (objects map[object.ID]bool, last int) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	objects = make(map[object.ID]bool)
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		if i == n {
			require.NoError(t, cmd.Process.Kill())
		}
		kind, text, _ := strings.Cut(lines.Text(), " ")
		number, err := strconv.Atoi(text)
		switch {
		case err != nil:
			t.Fatalf("the process printed %q", lines.Text())
		case kind == "token":
			last = number
		default:
			objects[object.ID(number)] = true
		}
	}
	require.Error(t, cmd.Wait(), "the process ended by itself")
	return objects, last
}

// TestFullDisk runs fill in a process of its own, because the limit that makes
// the disk full is one of the process.
func TestFullDisk(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	tok := addToken(t, s, addUser(t, s, "alice"), "label")
	addObject(t, s, tok.ID, "first", "hidden")
	closeStore(t, s)
	out, err := child(t, "fill", dir, tok.ID).CombinedOutput()
	require.NoError(t, err, "%s", out)
	s = open(t, dir)
	defer closeStore(t, s)
	lines := state(t, s)
	last := func(line string) bool { return strings.HasSuffix(line, "after space came back hidden") }
	require.True(t, slices.ContainsFunc(lines, last),
		"the last object is missing in %d lines", len(lines))
}

// fill writes until the file may not grow, and checks that the refused update
// changed nothing and that updates work again when it may.
func fill(dir string, token record.TokenID) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := Open(context.Background(), options(dir))
	if err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(dir, storeFile))
	if err != nil {
		return err
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(info.Size()), Max: old.Max}); err != nil {
		return err
	}
	told, stored := 0, 0
	s.Watch(func(c []record.Change) { told += len(c) })
	put := func(label string) error {
		return s.Update(func(tx *Tx) error { return tx.PutObject(token, newObject(label, "hidden")) })
	}
	for refused := 0; refused < 20; { // it stays full, but for a page freed here and there
		switch err := put(strings.Repeat("x", 50000)); {
		case err == nil && stored < 1000:
			stored++
		case ck.CodeOf(err) == ck.CKR_DEVICE_MEMORY:
			refused++
		default:
			return fmt.Errorf("after %d objects: %w", stored, err)
		}
	}
	if err := expect(s, token, 1+stored); err != nil || told != stored {
		return fmt.Errorf("told of %d changes, stored %d: %w", told, stored, err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := put("after space came back"); err != nil {
		return err
	}
	return errors.Join(expect(s, token, 2+stored), s.Close())
}

func expect(s *Store, token record.TokenID, n int) error {
	return s.View(func(tx *Tx) error {
		list, err := tx.Objects(token)
		if err == nil && len(list) != n {
			err = fmt.Errorf("there are %d objects, not %d", len(list), n)
		}
		return err
	})
}
