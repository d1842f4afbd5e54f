package schema

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"vtoken/keystore/kv"
)

// Version is the version of the layout that this program writes.
const Version uint32 = 1

const magic = "vtoken"

// ErrNewer is returned for a store of a newer version than [Version].
var ErrNewer = errors.New("the store was written by a newer vtoken")

// Format is the value of [KeyFormat].
func Format(version uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte(magic), version)
}

// ReadVersion reads the version of a store. It fails with kv.ErrCorrupt where
// the store is none of ours, and with [ErrNewer].
func ReadVersion(r kv.Reader) (uint32, error) {
	v, err := r.Get(KeyFormat())
	if errors.Is(err, kv.ErrNotFound) || err == nil && (len(v) != len(magic)+4 || string(v[:len(magic)]) != magic) {
		return 0, fmt.Errorf("%w: it does not say that it is a vtoken store", kv.ErrCorrupt)
	}
	if err != nil {
		return 0, err
	}
	version := binary.BigEndian.Uint32(v[len(magic):])
	if version > Version {
		return 0, fmt.Errorf("%w: its version is %d, this program knows %d; nothing was changed, run the newer program", ErrNewer, version, Version)
	}
	if version == 0 {
		return 0, fmt.Errorf("%w: its version is 0", kv.ErrCorrupt)
	}
	return version, nil
}

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
}

// Kept is where the file of an old version is kept.
func (u Upgrader) Kept(version uint32) string { return fmt.Sprintf("%s.v%d", u.Path, version) }

// Upgrade brings the store from version from to version to. It works on a
// copy: killed or failing at any point, it leaves either the old store in place
// or the new one, and in the end the old file under the name [Upgrader.Kept].
// Nobody has the store open meanwhile.
func (u Upgrader) Upgrade(from, to uint32) error {
	work := u.Path + ".migrating"
	if err := os.Remove(work); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what an interrupted migration left: %w", err)
	}
	if err := copyFile(work, u.Path); err != nil {
		return fmt.Errorf("copy the store to migrate it: %w", err)
	}
	if err := u.migrate(work, from, to); err != nil {
		return errors.Join(fmt.Errorf("migrate the store, which stays as it was: %w", err), os.Remove(work))
	}
	if err := os.Link(u.Path, u.Kept(from)); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keep the old store: %w", err)
	}
	if err := os.Rename(work, u.Path); err != nil {
		return fmt.Errorf("put the migrated store in place: %w", err)
	}
	return SyncDir(filepath.Dir(u.Path))
}

// migrate runs the migrations on the copy and reads it back.
func (u Upgrader) migrate(path string, from, to uint32) (err error) {
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
		err := db.Update(func(tx kv.Tx) error {
			if err := m.Run(tx); err != nil {
				return err
			}
			return tx.Put(KeyFormat(), Format(version+1))
		})
		if err != nil {
			return fmt.Errorf("from version %d (%s): %w", version, m.Name, err)
		}
	}
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

// copyFile copies a file to stable storage, readable by its owner only.
func copyFile(to, from string) error {
	data, err := os.Open(from)
	if err != nil {
		return err
	}
	defer data.Close()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.ReadFrom(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// SyncDir makes renames in a folder durable.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
