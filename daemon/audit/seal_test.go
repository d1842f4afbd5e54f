package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
)

// auditor makes an auditor's key.
func auditor(t *testing.T) *age.X25519Identity {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	return key
}

// openSealed opens a log whose lines only the recipients read, with files of 2 kB.
func openSealed(t *testing.T, dir string, k *keeper, to ...age.Recipient) *Log {
	t.Helper()
	l, err := Open(Options{
		Dir: dir, Key: ed25519.NewKeyFromSeed(seed), Head: k.head, Anchor: k.anchor, Recipients: to, Rotate: 2 << 10,
		Failed: func(err error) { t.Error(err) },
	})
	require.NoError(t, err)
	return l
}

// opened decrypts the record of a line.
func opened(t *testing.T, line []byte, as age.Identity) (outer, inner Record) {
	t.Helper()
	require.NoError(t, json.Unmarshal(line, &outer))
	if outer.Event != EventSealed {
		return outer, outer
	}
	plain, err := age.Decrypt(bytes.NewReader(outer.Sealed), as)
	require.NoError(t, err)
	text, err := io.ReadAll(plain)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &inner))
	return outer, inner
}

// TestSealedLines: nothing of a record is in the folder, the log verifies without the
// auditor's key, over several files and runs, and each auditor reads all of it.
func TestSealedLines(t *testing.T) {
	dir, k := filepath.Join(t.TempDir(), "audit"), &keeper{}
	one, two := auditor(t), auditor(t)
	const runs, each = 3, 8
	for range runs {
		l := openSealed(t, dir, k, one.Recipient(), two.Recipient())
		require.Empty(t, l.Missing())
		for range each {
			add(t, l, "secret-event")
		}
		closeLog(t, l)
	}
	r := verify(t, dir, k)
	require.Empty(t, r.Problems)
	require.Greater(t, r.Files, uint64(2))
	require.Equal(t, runs*each+r.Files, r.Lines)

	names, err := files(dir)
	require.NoError(t, err)
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		for _, word := range []string{"secret-event", "/usr/bin/ssh", "executable"} {
			require.NotContains(t, string(text), word)
		}
	}
	lines, _, err := Lines(dir, 0, 1000)
	require.NoError(t, err)
	for _, as := range []age.Identity{one, two} {
		n := 0
		for _, line := range lines {
			outer, inner := opened(t, line, as)
			if outer.Event == EventBegin {
				continue
			}
			n++
			require.Equal(t, "secret-event", inner.Event)
			require.Equal(t, "/usr/bin/ssh", inner.Process.Executable)
			require.NotZero(t, outer.Seq)
			require.Zero(t, inner.Seq)
		}
		require.Equal(t, runs*each, n)
	}
}

// TestSealedChangesAreFound: a record that is put into another line is found, as any
// change is, without the auditor's key.
func TestSealedChangesAreFound(t *testing.T) {
	dir, k := filepath.Join(t.TempDir(), "audit"), &keeper{}
	l := openSealed(t, dir, k, auditor(t).Recipient())
	add(t, l, "one")
	closeLog(t, l)
	path := filepath.Join(dir, fileName(1))
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		require.NotEmpty(t, verify(t, dir, k).Problems, "byte %d", i)
	}
}

// TestSealedAfterClear: recipients may come and go; each line stays as it was written.
func TestSealedAfterClear(t *testing.T) {
	dir, k := filepath.Join(t.TempDir(), "audit"), &keeper{}
	l := open(t, dir, k)
	add(t, l, "in the clear")
	closeLog(t, l)
	l = openSealed(t, dir, k, auditor(t).Recipient())
	add(t, l, "sealed away")
	closeLog(t, l)
	l = open(t, dir, k)
	add(t, l, "in the clear again")
	closeLog(t, l)
	require.Empty(t, verify(t, dir, k).Problems)
	text, err := os.ReadFile(filepath.Join(dir, fileName(1)))
	require.NoError(t, err)
	require.Contains(t, string(text), "in the clear again")
	require.NotContains(t, string(text), "sealed away")
}

// TestSealedLinesFit: the longest record fits into a line, its texts cut where there are
// many recipients; more recipients than that are refused at once.
func TestSealedLinesFit(t *testing.T) {
	long := strings.Repeat("\x01", 4*MaxText)
	longest := Record{
		Seq: 1<<63 - 1, Event: long, Result: long, Caller: long, From: long, Request: long, Tenant: long, Token: long, Serial: long,
		Role: long, Detail: long, Slot: 1<<64 - 1, Locked: true, Process: &Process{UID: 1<<32 - 1, PID: 1<<31 - 1, Executable: long}, Object: &Object{Class: long, Type: long, ID: long}, Prev: strings.Repeat("0", 64),
	}
	var to []age.Recipient
	for range 100 {
		to = append(to, auditor(t).Recipient())
		if checkRecipients(to) != nil {
			break
		}
		sealed, err := seal(longest, to)
		require.NoError(t, err)
		sealed.Seq, sealed.Prev, sealed.Time = longest.Seq, longest.Prev, longest.Time
		line, err := sealed.line(ed25519.NewKeyFromSeed(seed))
		require.NoError(t, err)
		require.Less(t, len(line), MaxLine)
		_, err = parseLine(line, public())
		require.NoError(t, err)
	}
	require.Greater(t, len(to), 4)
	_, err := Open(Options{Dir: t.TempDir(), Key: ed25519.NewKeyFromSeed(seed), Recipients: to, Failed: func(error) {}})
	require.ErrorContains(t, err, "name fewer")
	hybrid, err := age.GenerateHybridIdentity()
	require.NoError(t, err)
	require.NoError(t, checkRecipients([]age.Recipient{hybrid.Recipient()}), "one that holds against quantum computers")
}
