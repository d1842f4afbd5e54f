package keystore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"vtoken/keystore/backup"
	"vtoken/keystore/schema"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"

	"github.com/stretchr/testify/require"
)

// backedUp makes a store with a record of every kind and its backup.
func backedUp(t *testing.T) (dir string, file []byte, want []string) {
	t.Helper()
	dir, want = small(t)
	s := open(t, dir)
	defer closeStore(t, s)
	return dir, backupOf(t, s), want
}

func backupOf(t *testing.T, s *Store) []byte {
	t.Helper()
	var file bytes.Buffer
	_, err := s.Backup(t.Context(), &file)
	require.NoError(t, err)
	return file.Bytes()
}

// elsewhere is a new data folder in which the KEK of another one opens.
func elsewhere(t *testing.T, dir string) Options {
	t.Helper()
	o := options(tempDir(t))
	o.KEKs = []string{"file:" + filepath.Join(dir, "kek.key")}
	return o
}

// TestRestore: the restored store has the same records, byte for byte, and goes
// on where the old one was.
func TestRestore(t *testing.T) {
	dir, file, want := backedUp(t)
	o := elsewhere(t, dir)
	report, err := Restore(t.Context(), o, bytes.NewReader(file))
	require.NoError(t, err)
	require.EqualValues(t, 2, report.Tokens)
	require.Empty(t, report.Problems)
	require.Equal(t, raw(t, o.Dir), raw(t, dir), "the restored store has other records")
	info, err := os.Stat(filepath.Join(o.Dir, storeFile))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	defer closeStore(t, s)
	got := state(t, s)
	require.Equal(t, want, got)
	var users []*record.User
	var old []*record.Token
	view(t, s, func(tx *Tx) error {
		tenant, err := tx.TenantByName(record.DefaultTenant)
		if err != nil {
			return err
		}
		old, _ = tx.TokensOfTenant(tenant.ID, 0, 0)
		users, err = tx.Users(tenant.ID)
		return err
	})
	next := addToken(t, s, *users[0], "next")
	require.Equal(t, old[len(old)-1].Slot+1, next.Slot,
		"the next token has slot %d after %d", next.Slot, old[len(old)-1].Slot)
}

// TestRestoreRefuses: a restore that fails leaves no store, and says why.
func TestRestoreRefuses(t *testing.T) {
	dir, file, _ := backedUp(t)
	newer := append([]byte("vtoken backup\n"), binary.BigEndian.AppendUint32(nil, backup.Version+1)...)
	tests := map[string]struct {
		file []byte
		want error
	}{
		"empty":         {nil, backup.ErrDamaged},
		"no backup":     {[]byte("-----BEGIN CERTIFICATE-----\nMIIB"), backup.ErrDamaged},
		"newer":         {newer, backup.ErrNewer},
		"newer store":   {remade(t, file, string(schema.KeyFormat()), func([]byte) []byte { return schema.Format(schema.Version + 1) }), schema.ErrNewer},
		"forged":        {remade(t, file, string(schema.KeyNode(thisNode)), func(v []byte) []byte { return []byte(flip(string(v), 40)) }), ErrTampered},
		"record gone":   {remade(t, file, "k", func([]byte) []byte { return nil }), ErrTampered},
		"secret forged": {remade(t, file, "o", func(v []byte) []byte { return []byte(flip(string(v), 60)) }), ErrTampered},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := elsewhere(t, dir)
			_, err := Restore(t.Context(), o, bytes.NewReader(test.file))
			require.ErrorIs(t, err, test.want)
			nothingIn(t, o.Dir)
		})
	}
	t.Run("cut", func(t *testing.T) {
		o := elsewhere(t, dir)
		for n := 0; n < len(file); n += len(file)/40 + 1 {
			if _, err := Restore(t.Context(), o, bytes.NewReader(file[:n])); !errors.Is(err, backup.ErrDamaged) {
				t.Errorf("cut at %d: %v", n, err)
			}
			nothingIn(t, o.Dir)
		}
	})
	t.Run("no KEK", func(t *testing.T) {
		o := options(tempDir(t))
		_, err := Restore(t.Context(), o, bytes.NewReader(file))
		require.ErrorIs(t, err, ErrNoKEK)
		nothingIn(t, o.Dir)
	})
	t.Run("store there", func(t *testing.T) {
		before := raw(t, dir)
		_, err := Restore(t.Context(), options(dir), bytes.NewReader(file))
		require.ErrorIs(t, err, ErrStoreExists)
		require.Equal(t, raw(t, dir), before, "the store that was there is another")
	})
	t.Run("interrupted before", func(t *testing.T) {
		o := elsewhere(t, dir)
		require.NoError(t, os.MkdirAll(o.Dir, 0o700))
		write(t, filepath.Join(o.Dir, storeFile+".restoring"), "half a store", 0o600)
		_, err := Restore(t.Context(), o, bytes.NewReader(file))
		require.NoError(t, err)
	})
}

// remade is a backup, with a good hash, in which the first record whose key
// begins with prefix has another value, or is gone.
func remade(t *testing.T, file []byte, prefix string, change func(value []byte) []byte) []byte {
	t.Helper()
	r, err := backup.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	var out bytes.Buffer
	w, err := backup.NewWriter(&out)
	require.NoError(t, err)
	changed := false
	for {
		key, value, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if !changed && bytes.HasPrefix(key, []byte(prefix)) {
			changed = true
			if value = change(value); value == nil {
				continue
			}
		}
		require.NoError(t, w.Put(key, value))
	}
	err = w.Close()
	require.NoError(t, err)
	require.True(t, changed, "nothing was changed")
	return out.Bytes()
}

// nothingIn fails where a data folder has anything but the lock.
func nothingIn(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		if f.Name() != lockFile {
			t.Errorf("the restore left %s", f.Name())
		}
	}
}

// TestBackupWhileWriting: each of many backups under writers is one commit, in
// which no token has half of a pair.
func TestBackupWhileWriting(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	tok := addToken(t, s, addUser(t, s, "alice"), "label")
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := s.Update(func(tx *Tx) error {
					a, b := newObject("a", "hidden"), newObject("b", "hidden")
					if err := errors.Join(tx.PutObject(tok.ID, a), tx.PutObject(tok.ID, b)); err != nil {
						return err
					}
					list, err := tx.Objects(tok.ID)
					if err != nil || len(list) < 40 {
						return err
					}
					return errors.Join(tx.DeleteObject(tok.ID, list[0].ID), tx.DeleteObject(tok.ID, list[1].ID))
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	last := object.ID(0)
	for range 8 {
		o := elsewhere(t, dir)
		_, err := Restore(t.Context(), o, bytes.NewReader(backupOf(t, s)))
		require.NoError(t, err)
		r, err := Open(t.Context(), o)
		require.NoError(t, err)
		view(t, r, func(tx *Tx) error {
			list, err := tx.Objects(tok.ID)
			if err != nil || len(list)%2 != 0 {
				t.Errorf("%d objects, %v", len(list), err)
			}
			if n := len(list); n > 0 && list[n-1].ID < last {
				t.Errorf("object %d is newer than %d", last, list[n-1].ID)
			} else if n > 0 {
				last = list[n-1].ID
			}
			return nil
		})
		closeStore(t, r)
	}
	close(stop)
	writers.Wait()
	closeStore(t, s)
}

// A store with a problem is not backed up, and nothing of it is written.
func TestBackupRefusesDamage(t *testing.T) {
	s, engine := full(t)
	good := map[string]string{}
	view(t, s, func(tx *Tx) error {
		return tx.scan([]byte("o"), nil, func(k, v []byte) error { good[string(k)] = string(v); return nil })
	})
	for k, v := range good {
		swap(t, engine, good, map[string]string{k: flip(v, 50)})
		break
	}
	var out bytes.Buffer
	_, err := s.Backup(t.Context(), &out)
	require.ErrorIs(t, err, ErrTampered, "%v, %d bytes", err, out.Len())
	require.Zero(t, out.Len(), "%v, %d bytes", err, out.Len())
}
