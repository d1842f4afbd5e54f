package keystore

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"vtoken/keystore/backup"
	"vtoken/keystore/kv"
	"vtoken/keystore/kv/bolt"
	"vtoken/keystore/schema"
)

// ErrStoreExists is returned by [Restore] where the data folder has a store.
var ErrStoreExists = errors.New("the data folder has a store already")

// Backup writes the newest commit, in the format of package backup. It
// authenticates all of it first, as [Store.Check] does, and refuses a store with problems
// with [ErrTampered]. Views and updates go on meanwhile; their changes are not in the backup.
// While it runs, the store file grows by what they write.
func (s *Store) Backup(ctx context.Context, w io.Writer) (Report, error) {
	var report Report
	err := s.View(func(tx *Tx) error {
		c := newChecker(ctx, tx)
		if err := c.run(); err != nil {
			return err
		}
		if report = c.report; len(report.Problems) > 0 {
			return tampered("it has %d problems, so that no backup was written; the first: %s", len(report.Problems), report.Problems[0])
		}
		out, err := backup.NewWriter(w)
		if err != nil {
			return err
		}
		err = tx.scan(nil, nil, func(key, value []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return out.Put(key, value)
		})
		if err != nil {
			return err
		}
		return out.Close()
	})
	return report, err
}

// Restored describes the audit log of a restored store, so that the restore can be recorded
// there.
type Restored struct {
	AuditKey  ed25519.PrivateKey // the receiver wipes it
	AuditHead AuditHead
	// Accepted is set if the backup is, or may be, older than its counter, and
	// Options.AcceptRollback allowed it.
	Accepted bool
}

// Restore makes the store of a data folder from a backup: all of it, or
// nothing. The folder has no store ([ErrStoreExists]); other files in it, such
// as the key file of a KEK, stay. Nobody runs a daemon on it.
//
// One of o.KEKs, or the key file of [DefaultKEK] if there is none, must open one of the
// backup's recipients, else Restore fails with [ErrNoKEK]: it restores nothing that it cannot
// authenticate, and uses no URI that only the backup names. If the backup is older than its
// counter, or the counter does not answer here, it fails with [ErrRollback], unless
// o.AcceptRollback is set. Nothing is counted before the restored store is opened, so that a
// drill does not disturb the store that the backup was made of. Restore checks every record
// as [Store.Check] does, and compares it with the backup after it was written. It fails with
// the errors of package backup for a bad file, and as [Open] does.
func Restore(ctx context.Context, o Options, file io.ReadSeeker) (Report, error) {
	o = o.withDefaults()
	if o.trust = obeyNothing; len(o.KEKs) == 0 {
		o.KEKs = []string{DefaultKEK}
	}
	if err := prepareFolder(o.Dir); err != nil {
		return Report{}, err
	}
	lock, err := lockFolder(o.Dir)
	if err != nil {
		return Report{}, err
	}
	report, err := restore(ctx, o, file)
	return report, errors.Join(err, lock.Close())
}

func restore(ctx context.Context, o Options, file io.ReadSeeker) (report Report, err error) {
	path := filepath.Join(o.Dir, storeFile)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return report, errors.Join(fmt.Errorf("%w: %s; stop the daemon and move the file away first", ErrStoreExists, path), err)
	}
	work := path + ".restoring"
	if err := os.Remove(work); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return report, fmt.Errorf("remove what an interrupted restore left: %w", err)
	}
	done := func(error) {}
	report, restored, err := restoreAs(ctx, o, file, work)
	if err == nil && o.Restoring != nil {
		done, err = o.Restoring(restored)
	}
	if err != nil {
		if removed := os.Remove(work); !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
		return report, fmt.Errorf("restore the backup; nothing was restored: %w", err)
	}
	err = putInPlace(work, path)
	done(err)
	return report, err
}

// putInPlace gives the file its name. It makes a link, because a rename would replace a file
// that another program made meanwhile.
func putInPlace(work, path string) error {
	if err := errors.Join(os.Link(work, path), os.Remove(work)); err != nil {
		return fmt.Errorf("put the restored store in place: %w", err)
	}
	return schema.SyncDir(filepath.Dir(path))
}

// restoreAs makes the store file under another name, and authenticates it.
func restoreAs(ctx context.Context, o Options, file io.ReadSeeker, path string) (report Report, restored Restored, err error) {
	e, err := bolt.Create(path)
	if err != nil {
		return report, restored, err
	}
	db := kv.Group(e)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := fillFrom(ctx, db, file); err != nil {
		return report, restored, err
	}
	if err := sameAs(db, file); err != nil {
		return report, restored, err
	}
	s, version, err := load(ctx, o, db, true)
	if err != nil {
		return report, restored, err
	}
	defer s.wipe()
	if version == schema.Version { // an older one is migrated and checked when it is opened
		report, err = s.authenticate(ctx, o)
	}
	if err == nil && o.Restoring != nil {
		restored, err = s.restored()
	}
	return report, restored, err
}

// authenticate checks a store that is restored.
func (s *Store) authenticate(ctx context.Context, o Options) (report Report, err error) {
	if report, err = s.Check(ctx); err == nil && len(report.Problems) > 0 {
		err = tampered("the backup has %d problems; the first: %s", len(report.Problems), report.Problems[0])
	}
	if err != nil {
		return report, err
	}
	return report, s.examine(ctx, o)
}

// restored returns what the recorder of a restore needs to know of the store.
func (s *Store) restored() (r Restored, err error) {
	err = s.View(func(tx *Tx) (err error) {
		r.AuditHead, err = tx.AuditHead()
		return err
	})
	r.AuditKey, r.Accepted = s.AuditKey(), s.accepted
	return r, err
}

// restoreBatch is how many bytes of values share a commit.
const restoreBatch = 4 << 20

// fillFrom puts the records of a backup into an empty database.
func fillFrom(ctx context.Context, db *kv.DB, file io.ReadSeeker) error {
	r, err := rewound(file)
	if err != nil {
		return err
	}
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch, err := nextBatch(r)
		if more = !errors.Is(err, io.EOF); more && err != nil {
			return err
		}
		err = db.Update(func(tx kv.Tx) error {
			for _, p := range batch {
				if err := tx.Put(p.key, p.value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fault(err)
		}
	}
	return nil
}

// pair is one record of a backup.
type pair struct{ key, value []byte }

// nextBatch reads records until there is enough for a commit. It returns io.EOF
// with the last ones.
func nextBatch(r *backup.Reader) (list []pair, err error) {
	for size := 0; size < restoreBatch; {
		key, value, err := r.Next()
		if err != nil {
			return list, err
		}
		list = append(list, pair{key, value})
		size += len(key) + len(value)
	}
	return list, nil
}

func rewound(file io.ReadSeeker) (*backup.Reader, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the backup file: %w", err)
	}
	return backup.NewReader(file)
}

// errDiffers is returned where the restored file is not what was written.
var errDiffers = errors.New("the data read back differs from what was written; check the disk")

// sameAs compares a database with a backup, record by record.
func sameAs(db *kv.DB, file io.ReadSeeker) error {
	r, err := rewound(file)
	if err != nil {
		return err
	}
	err = db.View(func(tx kv.Reader) error {
		return tx.Scan(nil, nil, func(key, value []byte) error {
			k, v, err := r.Next()
			if errors.Is(err, io.EOF) || err == nil && !(bytes.Equal(k, key) && bytes.Equal(v, value)) {
				return errDiffers
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	if _, _, err := r.Next(); !errors.Is(err, io.EOF) {
		return errors.Join(errDiffers, err)
	}
	return nil
}
