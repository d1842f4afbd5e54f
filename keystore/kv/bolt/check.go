package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vtoken/keystore/kv"
)

// The layout of a bbolt file, version 2: pages of one size, each beginning with
// id (8 bytes), flags (2), count (2) and overflow (4), in the byte order of the
// machine. Pages 0 and 1 are meta pages; the newer of them names the root page
// of a B+ tree and the page of the free list.
const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSum     = 56 // offset of the checksum in a meta, and the bytes it covers
	metaSize    = 64

	pageHeader  = 16
	flagBranch  = 0x01
	flagLeaf    = 0x02
	flagMeta    = 0x04
	flagFree    = 0x10
	elementSize = 16 // of branch and of leaf pages
	bucketSize  = 16 // of a bucket's header in a leaf value

	maxDepth = 48
)

// noFreelist is in the place of the page of the free list where none is kept in the
// file.
const noFreelist = 1<<64 - 1

// byteOrder is how bbolt writes integers.
var byteOrder = binary.NativeEndian

// checkFile checks the structure of a file that no process has open for
// writing. It fails as [Open] does.
func checkFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err != nil {
		return classify(err)
	}
	defer f.Close()
	if err := lock(f, lockWait); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: it is no regular file", kv.ErrCorrupt)
	}
	if info.Size() < 2*1024 {
		return fmt.Errorf("%w: it has only %d bytes", kv.ErrCorrupt, info.Size())
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map it: %w", err)
	}
	defer func() { _ = unix.Munmap(data) }()
	return checkData(data)
}

// lock takes the lock that bbolt takes, or fails with kv.ErrLocked.
func lock(f *os.File, wait time.Duration) error {
	for deadline := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("lock it: %w", err)
		case time.Now().After(deadline):
			return fmt.Errorf("%w: stop the other daemon first", kv.ErrLocked)
		}
	}
}

// largeFile is the size in bytes from which on a file is not walked over when it is
// opened, where it was closed well and so has the list of its free pages. Its pages are
// checked when they are read.
const largeFile = 64 << 20

// checkData checks the bytes of a file. It fails with kv.ErrCorrupt.
func checkData(data []byte) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recovered(&err, "check the structure")
	c := checker{data: data}
	if err := c.metas(); err != nil {
		return err
	}
	c.used = make([]bool, c.pages)
	c.used[0], c.used[1] = true, true
	if len(data) > largeFile && c.free != noFreelist {
		_, err := c.page(c.root)
		return errors.Join(err, c.freelist())
	}
	if err := c.tree(c.root, nil, nil, 0, true); err != nil {
		return err
	}
	return c.freelist()
}

// checker walks over a file.
type checker struct {
	data     []byte
	pageSize uint64
	pages    uint64 // the high-water mark: pages that ever were used
	root     uint64
	free     uint64
	used     []bool // by page
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", kv.ErrCorrupt, fmt.Errorf(format, args...))
}

// meta is what a valid meta page says.
type meta struct{ pageSize, root, free, pages, txid uint64 }

// metas reads both meta pages and takes the newer one.
func (c *checker) metas() error {
	first, err := c.meta(0, 0)
	if err != nil {
		return err
	}
	second, err := c.meta(1, first.pageSize)
	if err != nil {
		return err
	}
	m := first
	if second.txid > first.txid {
		m = second
	}
	c.pageSize, c.root, c.free, c.pages = m.pageSize, m.root, m.free, m.pages
	if c.pages < 4 || c.pages > uint64(len(c.data))/c.pageSize {
		return damaged("it is cut off: %d pages of %d bytes are not in %d bytes", c.pages, c.pageSize, len(c.data))
	}
	return nil
}

// meta reads meta page i of pages of the given size.
func (c *checker) meta(i, pageSize uint64) (m meta, err error) {
	at := i * pageSize
	if at+pageHeader+metaSize > uint64(len(c.data)) {
		return m, damaged("it is cut off in meta page %d", i)
	}
	header, b := c.data[at:at+pageHeader], c.data[at+pageHeader:][:metaSize]
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSum])
	m = meta{
		pageSize: uint64(byteOrder.Uint32(b[8:])),
		root:     byteOrder.Uint64(b[16:]),
		free:     byteOrder.Uint64(b[32:]),
		pages:    byteOrder.Uint64(b[40:]),
		txid:     byteOrder.Uint64(b[48:]),
	}
	switch {
	case byteOrder.Uint32(b) != metaMagic:
		return m, damaged("meta page %d does not begin as a store file does", i)
	case byteOrder.Uint32(b[4:]) != metaVersion:
		return m, damaged("meta page %d has format version %d, not %d", i, byteOrder.Uint32(b[4:]), metaVersion)
	case byteOrder.Uint64(b[metaSum:]) != sum.Sum64():
		return m, damaged("meta page %d does not match its checksum", i)
	case byteOrder.Uint64(header) != i || byteOrder.Uint16(header[8:]) != flagMeta || m.txid%2 != i:
		return m, damaged("page %d is not the meta page that belongs there", i)
	case m.pageSize < 1024 || m.pageSize > 1<<16 || m.pageSize&(m.pageSize-1) != 0 || (i > 0 && m.pageSize != pageSize):
		return m, damaged("meta page %d has page size %d", i, m.pageSize)
	}
	return m, nil
}

// page returns the bytes of a page with its overflow pages, and marks them as
// used. A page that is used already is an error, which also ends walks in
// circles.
func (c *checker) page(id uint64) ([]byte, error) {
	if id < 2 || id >= c.pages {
		return nil, damaged("page %d is out of bounds", id)
	}
	b := c.data[id*c.pageSize:]
	n := 1 + uint64(byteOrder.Uint32(b[12:]))
	if byteOrder.Uint64(b) != id || n > c.pages-id {
		return nil, damaged("page %d has a wrong header", id)
	}
	for i := id; i < id+n; i++ {
		if c.used[i] {
			return nil, damaged("page %d is used twice", i)
		}
		c.used[i] = true
	}
	return b[:n*c.pageSize], nil
}

// tree checks the pages below id, whose keys are from low on and below high
// (nil is no bound). top says that this is the tree of buckets.
func (c *checker) tree(id uint64, low, high []byte, depth int, top bool) error {
	if depth > maxDepth {
		return damaged("page %d is too deep", id)
	}
	b, err := c.page(id)
	if err != nil {
		return err
	}
	switch byteOrder.Uint16(b[8:]) {
	case flagBranch:
		return c.branch(id, b, low, high, depth, top)
	case flagLeaf:
		return c.leaf(id, b, low, high, top)
	default:
		return damaged("page %d is neither branch nor leaf", id)
	}
}

// count reads the number of elements of a page and checks that they fit.
func count(id uint64, b []byte) (int, error) {
	n := int(byteOrder.Uint16(b[10:]))
	if pageHeader+n*elementSize > len(b) {
		return 0, damaged("page %d has no room for %d elements", id, n)
	}
	return n, nil
}

// slice returns the part of an element's page that begins at pos of the
// element, which itself begins at at.
func slice(id uint64, b []byte, at int, pos, size uint64) ([]byte, error) {
	from := uint64(at) + pos
	if from > uint64(len(b)) || size > uint64(len(b))-from {
		return nil, damaged("page %d has an element out of bounds", id)
	}
	return b[from : from+size], nil
}

// inOrder checks a key against its bounds.
func inOrder(id uint64, key, low, high []byte, first bool) error {
	c := bytes.Compare(key, low)
	if low != nil && (c < 0 || (c == 0 && !first)) || high != nil && bytes.Compare(key, high) >= 0 {
		return damaged("page %d has keys out of order", id)
	}
	return nil
}

// branch checks a branch page: elements of pos (4 bytes), key size (4) and page
// (8), whose keys are the first keys of the pages.
func (c *checker) branch(id uint64, b []byte, low, high []byte, depth int, top bool) error {
	n, err := count(id, b)
	if err != nil {
		return err
	}
	if n == 0 {
		return damaged("branch page %d is empty", id)
	}
	keys := make([][]byte, n+1)
	keys[n] = high
	for i := range n {
		at := pageHeader + i*elementSize
		keys[i], err = slice(id, b, at, uint64(byteOrder.Uint32(b[at:])), uint64(byteOrder.Uint32(b[at+4:])))
		if err == nil {
			err = inOrder(id, keys[i], low, high, i == 0)
		}
		if err != nil {
			return err
		}
		low = keys[i]
	}
	for i := range n {
		child := byteOrder.Uint64(b[pageHeader+i*elementSize+8:])
		if err := c.tree(child, keys[i], keys[i+1], depth+1, top); err != nil {
			return err
		}
	}
	return nil
}

// leaf checks a leaf page: elements of flags (4 bytes), pos (4), key size (4)
// and value size (4).
func (c *checker) leaf(id uint64, b []byte, low, high []byte, top bool) error {
	n, err := count(id, b)
	if err != nil {
		return err
	}
	for i := range n {
		at := pageHeader + i*elementSize
		keySize, valueSize := uint64(byteOrder.Uint32(b[at+8:])), uint64(byteOrder.Uint32(b[at+12:]))
		kv, err := slice(id, b, at, uint64(byteOrder.Uint32(b[at+4:])), keySize+valueSize)
		if err != nil {
			return err
		}
		key, value := kv[:keySize], kv[keySize:]
		if err := inOrder(id, key, low, high, i == 0); err != nil {
			return err
		}
		low = key
		if err := c.element(id, byteOrder.Uint32(b[at:]), value, top); err != nil {
			return err
		}
	}
	return nil
}

// element checks what a leaf element holds: buckets in the tree of buckets, and
// plain values in a bucket.
func (c *checker) element(id uint64, flags uint32, value []byte, top bool) error {
	switch {
	case !top && flags == 0:
		return nil
	case !top || flags != 1 || len(value) < bucketSize:
		return damaged("page %d has an element that does not belong there", id)
	}
	if root := byteOrder.Uint64(value); root != 0 {
		return c.tree(root, nil, nil, 1, false)
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader || byteOrder.Uint16(inline[8:]) != flagLeaf {
		return damaged("page %d has a damaged bucket", id)
	}
	return c.leaf(id, inline, nil, nil, false)
}

// freelist checks that the free pages exist and are free. A count of 0xFFFF
// says that the first entry is the count.
func (c *checker) freelist() error {
	id := c.free
	if id == noFreelist {
		return nil // bbolt makes it when it opens the file
	}
	b, err := c.page(id)
	if err != nil {
		return err
	}
	n, ids := uint64(byteOrder.Uint16(b[10:])), b[pageHeader:]
	if n == 0xFFFF {
		n, ids = byteOrder.Uint64(ids), ids[8:]
	}
	if byteOrder.Uint16(b[8:]) != flagFree || n > uint64(len(ids))/8 {
		return damaged("page %d is no free list", id)
	}
	for ; n > 0; n, ids = n-1, ids[8:] {
		free := byteOrder.Uint64(ids)
		if free < 2 || free >= c.pages || c.used[free] {
			return damaged("page %d is on the free list and must not be", free)
		}
		c.used[free] = true
	}
	return nil
}
