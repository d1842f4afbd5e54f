package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"vtoken/keystore/kv"
)

// lockWait bounds the wait for another process to let go of the file, as a
// daemon that is being replaced does.
const lockWait = 2 * time.Second

const (
	mapSize   = 16 << 30 // bytes of address space for the file
	allocSize = 1 << 20  // bytes by which the file grows
)

// bucketName is the one bucket that holds all keys.
const bucketName = "v"

// Engine is a bbolt file.
type Engine struct {
	db   *bbolt.DB
	path string
	file os.FileInfo // of the open file

	mu     sync.Mutex     // guards closed
	closed bool           // no more views and updates begin
	using  sync.WaitGroup // views and updates that run

	update sync.Mutex // held by the one update; guards broken
	broken error      // set by the update that broke it
}

var _ kv.Engine = (*Engine)(nil)

// Create makes a new file, readable by its owner only, and opens it. It fails
// with fs.ErrExist where there is one.
func Create(path string) (*Engine, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create the store file: %w", classify(err))
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("create the store file: %w", classify(err))
	}
	e, err := open(path)
	if err != nil {
		return nil, err
	}
	err = e.db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte(bucketName))
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lay out the store file %s: %w", path, classify(err)), e.Close())
	}
	return e, nil
}

// Open checks the structure of an existing file and opens it. It fails with
// fs.ErrNotExist, kv.ErrCorrupt, kv.ErrLocked or kv.ErrReadOnly, and then has
// not changed the file.
func Open(path string) (*Engine, error) {
	if err := checkFile(path); err != nil {
		return nil, fmt.Errorf("open the store file %s: %w", path, err)
	}
	e, err := open(path)
	if err != nil {
		return nil, err
	}
	err = e.View(func(kv.Reader) error { return nil })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the store file %s: %w", path, err), e.Close())
	}
	return e, nil
}

// open opens the file with bbolt.
func open(path string) (e *Engine, err error) {
	defer recovered(&err, "open the store file "+path)
	e = &Engine{path: path}
	e.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:      lockWait,
		FreelistType: bbolt.FreelistMapType,
		// After a large import thousands of pages are free for ever, and each commit
		// would sort and write their list. Open walks over the file where it is not there
		// (see keepFreelist).
		NoFreelistSync: true,
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := openNoFollow(path, flag, mode)
			if err == nil {
				e.file, err = f.Stat()
			}
			return f, err
		},
		// Address space only. bbolt stops all readers to map more, and a reader
		// that waits for a writer would wait for ever.
		InitialMmapSize: mapSize,
		// So the file does not outgrow it.
		MaxSize: most(path),
	})
	if err != nil {
		return nil, fmt.Errorf("open the store file %s: %w", path, classify(err))
	}
	e.db.AllocSize = allocSize
	return e, nil
}

// most is the size that the file may have: that of the mapping, or its own where it is
// larger.
func most(path string) int {
	if info, err := os.Stat(path); err == nil {
		return max(mapSize, int(info.Size()))
	}
	return mapSize
}

// openNoFollow refuses a symbolic link, so that nobody can point the daemon at
// another file.
func openNoFollow(path string, flag int, mode os.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag|unix.O_NOFOLLOW, mode)
}

// Close waits for views and updates and closes the file.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.using.Wait()
	return errors.Join(e.keepFreelist(), e.db.Close())
}

// keepFreelist writes the list of free pages into a large file that is closed, so that
// the next Open does not walk over it. Where that fails, it does.
func (e *Engine) keepFreelist() (err error) {
	defer recovered(&err, "close the store file")
	info, err := os.Lstat(e.path)
	if err != nil || info.Size() <= largeFile || e.broken != nil || e.inPlace() != nil {
		return nil
	}
	e.db.NoFreelistSync = false
	_ = e.db.Update(func(*bbolt.Tx) error { return nil })
	return nil
}

// enter begins a use of the engine, which ends with e.using.Done. It is no
// read lock, because a view within a view would wait for a Close that waits
// for the outer one.
func (e *Engine) enter() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return kv.ErrClosed
	}
	e.using.Add(1)
	return nil
}

// View runs fn on the newest committed snapshot.
func (e *Engine) View(fn func(kv.Reader) error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.using.Done()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	tx, err := e.begin(false)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	r, err := newReader(tx)
	if err != nil {
		return err
	}
	return fn(r)
}

// Update runs fn and commits what it wrote.
func (e *Engine) Update(fn func(kv.Writer) error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.using.Done()
	e.update.Lock()
	defer e.update.Unlock()
	if e.broken != nil {
		return e.broken
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	tx, err := e.begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	r, err := newReader(tx)
	if err != nil {
		return err
	}
	w := newWriter(r)
	if err := fn(w); err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	id := tx.ID()
	if err := commit(tx); err != nil {
		return e.failed(id, err)
	}
	return e.inPlace()
}

// inPlace breaks the engine where its file is not the one under its path any more,
// so that nothing is acknowledged that the next start would not find.
func (e *Engine) inPlace() error {
	now, err := os.Lstat(e.path)
	if err == nil && os.SameFile(now, e.file) {
		return nil
	}
	if err == nil {
		err = errors.New("another file is there")
	}
	e.broken = fmt.Errorf("%w: %w: %s: %w; put the file back that the program had, and restart it", kv.ErrBroken, kv.ErrReplaced, e.path, err)
	return e.broken
}

func (e *Engine) begin(writable bool) (tx *bbolt.Tx, err error) {
	defer recovered(&err, "begin a transaction")
	tx, err = e.db.Begin(writable)
	return tx, classify(err)
}

func commit(tx *bbolt.Tx) (err error) {
	defer recovered(&err, "commit")
	return tx.Commit()
}

// failed returns the error of a failed commit. The old state holds, unless the meta page of the
// transaction may have reached the file: then the outcome is unknown, and the engine breaks.
func (e *Engine) failed(id int, cause error) error {
	cause = classify(cause)
	tx, err := e.begin(false)
	if err == nil {
		defer func() { _ = tx.Rollback() }()
		if tx.ID() < id && !errors.Is(cause, kv.ErrCorrupt) {
			return fmt.Errorf("commit to the store file: %w", cause)
		}
	}
	e.broken = fmt.Errorf("%w; restart the daemon and see whether the last change is there: %w", kv.ErrBroken, cause)
	return e.broken
}

// reader is a snapshot. It converts what bbolt throws at a damaged page.
type reader struct{ b *bbolt.Bucket }

func newReader(tx *bbolt.Tx) (r reader, err error) {
	defer recovered(&err, "find the keys")
	if r.b = tx.Bucket([]byte(bucketName)); r.b == nil {
		return r, fmt.Errorf("%w: it has no bucket %q, so it is no store of ours", kv.ErrCorrupt, bucketName)
	}
	return r, nil
}

// Get returns the value of a key.
func (r reader) Get(key []byte) (value []byte, err error) {
	defer recovered(&err, "read a key")
	if value = r.b.Get(key); value == nil {
		return nil, kv.ErrNotFound
	}
	// A copy, so that a fault over a file that was cut off happens here.
	return append(make([]byte, 0, len(value)), value...), nil
}

// Scan walks over the keys with a prefix.
func (r reader) Scan(prefix, after []byte, fn func(key, value []byte) error) error {
	c := r.b.Cursor()
	from := prefix
	if bytes.Compare(after, prefix) > 0 {
		from = after
	}
	key, value, err := move(func() ([]byte, []byte) { return c.Seek(from) })
	if after != nil && bytes.Equal(key, after) && err == nil {
		key, value, err = move(c.Next)
	}
	for ; err == nil && key != nil && bytes.HasPrefix(key, prefix); key, value, err = move(c.Next) {
		if err := fn(key, value); err == kv.ErrStop {
			return nil
		} else if err != nil {
			return err
		}
	}
	return err
}

// move is one step of a cursor.
func move(step func() (key, value []byte)) (key, value []byte, err error) {
	defer recovered(&err, "go to the next key")
	key, value = step()
	return key, value, nil
}

// recovered turns a panic or a fault over a damaged page into kv.ErrCorrupt.
func recovered(err *error, doing string) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s: %w: %v", doing, kv.ErrCorrupt, r)
	}
}

// classify wraps an error of bbolt or of the system in the kv error that it is.
func classify(err error) error {
	if errors.Is(err, berrors.ErrMaxSizeReached) {
		return fmt.Errorf("%w: the store file has %d GiB, which is the limit; delete unused tokens and objects, or move some tenants to another store: %w",
			kv.ErrNoSpace, mapSize>>30, err)
	}
	for _, row := range errorTable {
		if is(err, row.cause) {
			return fmt.Errorf("%w: %w", row.kind, err)
		}
	}
	return err
}

// is is errors.Is, which also finds a system error that bbolt flattened to text,
// as it does where it cannot make the file larger.
func is(err, cause error) bool {
	if errors.Is(err, cause) {
		return true
	}
	var number syscall.Errno
	return err != nil && errors.As(cause, &number) && strings.HasSuffix(err.Error(), ": "+number.Error())
}

// errorTable lists what an error of bbolt or the system means, the first match
// winning.
var errorTable = []struct{ cause, kind error }{
	{kv.ErrCorrupt, kv.ErrCorrupt},
	{syscall.ENOSPC, kv.ErrNoSpace},
	{syscall.EDQUOT, kv.ErrNoSpace},
	{syscall.EFBIG, kv.ErrNoSpace},
	{berrors.ErrMaxSizeReached, kv.ErrNoSpace},
	{syscall.EROFS, kv.ErrReadOnly},
	{fs.ErrPermission, kv.ErrReadOnly},
	{berrors.ErrDatabaseReadOnly, kv.ErrReadOnly},
	{berrors.ErrTimeout, kv.ErrLocked},
	{berrors.ErrDatabaseNotOpen, kv.ErrClosed},
	{berrors.ErrInvalid, kv.ErrCorrupt},
	{berrors.ErrVersionMismatch, kv.ErrCorrupt},
	{berrors.ErrChecksum, kv.ErrCorrupt},
}
