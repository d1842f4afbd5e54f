package schema

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vtoken/keystore/kv"
)

// Migration brings a store from version From to the next.
type Migration struct {
	From uint32
	Name string // what changes, for the log
	// Run changes everything in one update. It does not write the version.
	Run func(tx kv.Tx) error
}

// Upgrader says how an old store file is brought up to date.
type Upgrader struct {
	Path string
	// List has one migration for each version from the oldest known, in order.
	List []Migration
	// Open opens a store file.
	Open func(path string) (*kv.DB, error)
	// Verify reads everything in a migrated store and fails where anything does
	// not read back.
	Verify func(db *kv.DB) error
	// Step is told of every step on the way before it is taken, so that a test can end the
	// program there; nil is nobody.
	Step func(name string)
}

// copyChunk is how many bytes of the old file are copied in a step.
const copyChunk = 64 << 10

// Upgrade brings the store from version from to version to, and returns the path at
// which the old file is kept ([Keep]). It works on a copy: killed or failing at any point,
// it leaves either the old store in place or the new one. Nobody changes the store
// meanwhile.
func (u Upgrader) Upgrade(from, to uint32) (kept string, err error) {
	if u.Step == nil {
		u.Step = func(string) {}
	}
	work := u.Path + ".migrating"
	u.Step("begin")
	if err := os.Remove(work); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("remove what an interrupted migration left: %w", err)
	}
	err = u.copyFile(work, u.Path)
	if err == nil {
		err = u.migrate(work, from, to)
	}
	if err == nil {
		u.Step("keep the old file")
		kept, err = Keep(u.Path, from)
	}
	if err != nil {
		if removed := os.Remove(work); !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
		return "", fmt.Errorf("migrate the store from version %d to %d, which needs as much room again in the data folder as the store has; it stays as it was: %w", from, to, err)
	}
	u.Step("replace the old file")
	if err := os.Rename(work, u.Path); err != nil {
		return "", fmt.Errorf("put the migrated store in place: %w", err)
	}
	u.Step("sync the folder")
	return kept, SyncDir(filepath.Dir(u.Path))
}

// migrate runs the migrations on the copy and reads it back.
func (u Upgrader) migrate(path string, from, to uint32) (err error) {
	u.Step("open the copy")
	db, err := u.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for version := from; version < to; version++ {
		m, ok := u.find(version)
		if !ok {
			return fmt.Errorf("there is no way from version %d to %d", version, version+1)
		}
		u.Step("change the copy")
		err := db.Update(func(tx kv.Tx) error {
			if err := m.Run(watched{tx, u.Step}); err != nil {
				return err
			}
			u.Step("commit")
			return tx.Put(KeyFormat(), Format(version+1))
		})
		if err != nil {
			return fmt.Errorf("from version %d (%s): %w", version, m.Name, err)
		}
	}
	u.Step("verify the copy")
	return u.Verify(db)
}

func (u Upgrader) find(version uint32) (Migration, bool) {
	for _, m := range u.List {
		if m.From == version {
			return m, true
		}
	}
	return Migration{}, false
}

// watched tells of the writes of a migration.
type watched struct {
	kv.Tx
	step func(string)
}

func (w watched) Put(key, value []byte) error {
	w.step("write")
	return w.Tx.Put(key, value)
}

func (w watched) Delete(key []byte) error {
	w.step("delete")
	return w.Tx.Delete(key)
}

// copyFile copies a file to stable storage, readable by its owner only.
func (u Upgrader) copyFile(to, from string) error {
	data, err := os.Open(from)
	if err != nil {
		return err
	}
	defer data.Close()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	for err == nil {
		u.Step("copy")
		_, err = io.CopyN(f, data, copyChunk)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	u.Step("sync the copy")
	return errors.Join(err, f.Sync(), f.Close())
}

// keptSuffix begins what is added to the name of a store that is kept.
const keptSuffix = ".v"

// Keep gives the file of a store another name beside its own: the version, and a number
// where that is taken by another file. It returns that name.
func Keep(path string, version uint32) (kept string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	for n := 0; ; n++ {
		kept = fmt.Sprintf("%s%s%d", path, keptSuffix, version)
		if n > 0 {
			kept += fmt.Sprintf(".%d", n)
		}
		err := os.Link(path, kept)
		if errors.Is(err, fs.ErrExist) {
			if other, err := os.Lstat(kept); err == nil && os.SameFile(info, other) {
				break // a migration that was interrupted here
			}
			continue
		}
		if err != nil {
			return "", fmt.Errorf("keep the old store as %s: %w", kept, err)
		}
		break
	}
	now := time.Now()
	return kept, os.Chtimes(kept, now, now)
}

// Drop overwrites and removes the files that [Keep] kept of a store before a time, which
// is zero for all of them. It returns their names.
func Drop(path string, before time.Time) (dropped []string, err error) {
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	present, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), filepath.Base(path)+keptSuffix) {
			continue
		}
		kept := filepath.Join(filepath.Dir(path), e.Name())
		info, err := os.Lstat(kept)
		switch {
		case err != nil:
			return dropped, err
		case !info.Mode().IsRegular() || !before.IsZero() && !info.ModTime().Before(before):
			continue
		case !os.SameFile(info, present): // a migration was killed before it replaced it
			if err := overwrite(kept, info.Size()); err != nil {
				return dropped, err
			}
		}
		if err := os.Remove(kept); err != nil {
			return dropped, err
		}
		dropped = append(dropped, kept)
	}
	if len(dropped) == 0 {
		return nil, nil
	}
	return dropped, SyncDir(filepath.Dir(path))
}

// overwrite fills a file with zeroes, on stable storage.
func overwrite(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, zeroes{}, size)
	return errors.Join(err, f.Sync(), f.Close())
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// SyncDir makes renames in a folder durable.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
