package keystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kek"
	"vtoken/keystore/kv"
	"vtoken/keystore/kv/bolt"
	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
)

// The files in the data folder that belong to the keystore.
const (
	storeFile = "vtoken.db"
	lockFile  = "vtoken.lock"
	// DefaultKEK is the KEK of a store that is made without one.
	DefaultKEK = "file:kek.key"
)

// Open opens the store of a data folder, and makes it on first start. It fails
// with [ErrFolder], [ErrNoKEK], [ErrTampered], schema.ErrNewer, or one of the
// errors of package kv, each in a sentence that says what to do.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := o.first(); err != nil {
		return nil, err
	}
	if err := prepareFolder(o.Dir); err != nil {
		return nil, err
	}
	lock, err := lockFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	s, err := openFile(ctx, o, filepath.Join(o.Dir, storeFile))
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	if err := s.protect(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.offerRecovery(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := errors.Join(s.resumeRotation(), s.resumeRenewal()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.dropKept(s.path(), time.Now().Add(-keptFor))
	if !o.Later {
		s.Begin()
	}
	return s, nil
}

// Begin has a store that was opened with Options.Later overwrite the remains of deleted records,
// and verify all others, in the background from now on. It is called once.
func (s *Store) Begin() {
	s.scrub()
	s.patrol()
}

// offerRecovery logs at each start that a store has no recovery passphrase.
func (s *Store) offerRecovery() error {
	list, err := s.recipients()
	if err == nil && !slices.ContainsFunc(list, recipient.recovery) {
		s.log.Warn("the store has no recovery passphrase: if its KEKs are lost, so is every key; " +
			"make one with `vtoken kek add --generate passphrase:file=FILE`, print the file, lock that away, and remove it")
	}
	return err
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.tries == nil {
		o.tries, o.refused, o.added = new(tries), new(kek.Refusals), new(added)
	}
	return o
}

// prepareFolder makes the data folder, or checks that it is ours alone.
func prepareFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%w: %s is no folder, or a link to one; name the folder itself", ErrFolder, dir)
	case !ok || int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("%w: %s belongs to another user than %d, who runs this daemon", ErrFolder, dir, os.Geteuid())
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%w: %s has mode %04o and holds keys; run chmod 700 on it", ErrFolder, dir, info.Mode().Perm())
	}
	return nil
}

// lockFolder keeps other daemons out of the folder while the file is open.
func lockFolder(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: lock it: %w", ErrFolder, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%w: another daemon runs on %s; stop it first: %w", kv.ErrLocked, dir, err)
	}
	return f, nil
}

// openFile opens the store file under the folder's lock.
func openFile(ctx context.Context, o Options, path string) (*Store, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := createFile(ctx, o, path); err != nil {
			return nil, fmt.Errorf("make a new store in %s: %w%s", o.Dir, err, o.onFirstStart(err))
		}
	}
	s, version, err := openAs(ctx, o, path)
	if err != nil {
		return nil, err
	}
	if version == schema.Version {
		return s, nil
	}
	if err := s.migrate(ctx, o, path, version); err != nil {
		return nil, err
	}
	s, _, err = openAs(ctx, o, path)
	return s, err
}

// onFirstStart returns what to do if a named KEK cannot be used for a new store.
func (o Options) onFirstStart(err error) string {
	if len(o.KEKs) == 0 || !errors.Is(err, kek.ErrUnavailable) {
		return ""
	}
	return "; no store was made. Correct that, or start without --kek, whose store has a key file, and then `vtoken kek add` this KEK and `vtoken kek remove " + DefaultKEK + "`"
}

func openDB(path string) (*kv.DB, error) {
	e, err := bolt.Open(path)
	if err != nil {
		return nil, err
	}
	return kv.Group(e), nil
}

// openAs opens the store file, whatever version it has. It verifies a store of
// the current version.
func openAs(ctx context.Context, o Options, path string) (*Store, uint32, error) {
	db, err := openDB(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open the store: %w", err), db.Close())
	}
	// In a planned restart applications wait, and the daemon before has verified the store.
	all := info.Size() <= wholeFile && !o.lazily && o.Root == nil
	s, version, err := load(ctx, o, db, all)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open the store %s: %w", path, err), db.Close())
	}
	return s, version, nil
}

// load opens the store in a database. It verifies a store of this version: all of it except the
// objects, or, if it is large, what every use needs.
func load(ctx context.Context, o Options, db *kv.DB, all bool) (*Store, uint32, error) {
	var version uint32
	var recipients []recipient
	err := db.View(func(r kv.Reader) (err error) {
		if version, err = schema.ReadVersion(r); err == nil {
			recipients, err = readRecipients(r)
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	root, err := unwrapRoot(ctx, o, recipients)
	if err != nil {
		return nil, 0, err
	}
	s := newStore(db, o)
	if err := s.unlock(root); err != nil {
		return nil, 0, err
	}
	if err := s.pinned(o); err != nil {
		s.wipe()
		return nil, 0, err
	}
	if version == schema.Version {
		err = s.verify(all)
	}
	if err != nil {
		s.wipe()
		return nil, 0, err
	}
	return s, version, nil
}

// createFile makes a store file under a temporary name and renames it when it is complete, so
// that there is never half a store.
func createFile(ctx context.Context, o Options, path string) error {
	work := path + ".new"
	if err := os.Remove(work); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	root := envelope.RandomKey()
	defer root.Wipe()
	uris := o.KEKs
	if len(uris) == 0 {
		uris = []string{DefaultKEK}
	}
	recipients, err := wrapRoot(ctx, o, uris, root)
	if err != nil {
		return err
	}
	e, err := bolt.Create(work)
	if err != nil {
		return err
	}
	db := kv.Group(e)
	if err := errors.Join(initialize(db, o, root, recipients), db.Close()); err != nil {
		return errors.Join(err, os.Remove(work))
	}
	if err := os.Rename(work, path); err != nil {
		return err
	}
	if err := schema.SyncDir(o.Dir); err != nil {
		return err
	}
	o.Log.Info("made a new store", "file", path, "keks", uris)
	return nil
}

// initialize writes what every store has: its format, recipients, system key,
// header and the default tenant.
func initialize(db *kv.DB, o Options, root []byte, recipients []recipient) error {
	key, err := envelope.NewKey(root)
	if err != nil {
		return err
	}
	system := envelope.RandomKey()
	defer system.Wipe()
	s := newStore(db, o)
	s.root = newRootKeys(key)
	if s.sys, err = newSystemKeys(system); err != nil {
		return err
	}
	return s.db.Update(func(w kv.Tx) error {
		tx := &Tx{s: s, r: w, w: w, node: &node{nextObject: 1}}
		if err := w.Put(schema.KeyFormat(), schema.Format(schema.Version)); err != nil {
			return err
		}
		for _, r := range recipients {
			if err := tx.put(schema.Record(schema.PrefixRecipient, r.ID), r.encode()); err != nil {
				return err
			}
		}
		if err := tx.seal(key, schema.KeySystem(), nil, place(schema.ID{}, schema.ID{}, 0, fieldSystemKey), system); err != nil {
			return err
		}
		if err := tx.putStore(); err != nil {
			return err
		}
		if err := tx.PutTenant(&record.Tenant{Name: record.DefaultTenant}); err != nil {
			return err
		}
		return tx.flush()
	})
}
