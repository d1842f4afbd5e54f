package bolt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"vtoken/keystore/kv"
)

// scrubPages is how many pages are looked at in one turn: 8 MiB, for which an
// update waits some milliseconds.
const scrubPages = 2048

// Scrub overwrites free pages with zeros. bbolt leaves in them what was deleted or
// replaced, until it needs them for something else, which may be never. One call
// looks at some pages from a position on, the first one at 0, and returns the next
// position, which is 0 when it was the last one.
//
// Behind the last page of the tree the file has room for more, and there is what a
// commit wrote that was killed before it ended. It is overwritten as well.
//
// A page that is free now is in no tree that anybody reads: bbolt itself would take
// it for the next commit. Pages that a view of an older state still reads are free
// as well, and are not to be told from the others, so that it is [kv.ErrInUse] while
// there is such a view.
func (e *Engine) Scrub(from int) (next int, err error) {
	if err := e.enter(); err != nil {
		return 0, err
	}
	defer e.using.Done()
	e.update.Lock()
	defer e.update.Unlock()
	if e.broken != nil {
		return 0, e.broken
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	if err := e.released(); err != nil {
		return 0, err
	}
	tx, err := e.begin(true)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }()
	return e.scrub(tx, max(from, 2))
}

// released has bbolt release the pages that no view reads any more, as it does when
// a transaction begins, and fails where there are others.
func (e *Engine) released() error {
	tx, err := e.begin(true)
	if err != nil {
		return err
	}
	if err := tx.Rollback(); err != nil {
		return classify(err)
	}
	if n := e.db.Stats().PendingPageN; n > 0 {
		return fmt.Errorf("%w: a view reads %d pages of an older state", kv.ErrInUse, n)
	}
	return nil
}

// scrub overwrites pages in a transaction, so that nobody takes them meanwhile.
func (e *Engine) scrub(tx *bbolt.Tx, from int) (next int, err error) {
	defer recovered(&err, "overwrite free pages")
	f, err := openNoFollow(e.db.Path(), os.O_RDWR, 0)
	if err != nil {
		return 0, classify(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, classify(err)
	}
	p := pageEraser{file: f, page: make([]byte, e.db.Info().PageSize), zeros: make([]byte, e.db.Info().PageSize)}
	for id := from; id < from+scrubPages; id++ {
		info, err := tx.Page(id)
		if err != nil || int64(id+1)*int64(len(p.page)) > size {
			return 0, errors.Join(err, p.sync())
		}
		if info != nil && info.Type != "free" {
			continue
		}
		if err := p.erase(id); err != nil {
			return 0, classify(err)
		}
	}
	return from + scrubPages, p.sync()
}

// pageEraser overwrites pages of a file.
type pageEraser struct {
	file        *os.File
	page, zeros []byte
	wrote       bool
}

// erase overwrites a page, where it is not zeros already.
func (p *pageEraser) erase(id int) error {
	at := int64(id) * int64(len(p.page))
	if _, err := p.file.ReadAt(p.page, at); err != nil {
		return err
	}
	if string(p.page) == string(p.zeros) {
		return nil
	}
	p.wrote = true
	_, err := p.file.WriteAt(p.zeros, at)
	return err
}

func (p *pageEraser) sync() error {
	if !p.wrote {
		return nil
	}
	return unix.Fdatasync(int(p.file.Fd()))
}
