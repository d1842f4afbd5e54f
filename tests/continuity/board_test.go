package continuity

import (
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// board is memory that the test shares with its processes.
type board struct{ numbers []byte }

const boardSize = 4096

// newBoard makes a board in a file, or opens the one that is there.
func newBoard(path string) (*board, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(boardSize); err != nil {
		return nil, err
	}
	memory, err := syscall.Mmap(int(f.Fd()), 0, boardSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	return &board{numbers: memory}, err
}

func (b *board) close() { _ = syscall.Munmap(b.numbers) }

func (b *board) number(n int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&b.numbers[8*n]))
}

// crashes counts twice how often the daemon ended without handing over. It is odd while that
// may happen at any moment.
func (b *board) crashes() *atomic.Uint64 { return b.number(0) }

// steps counts the steps of a process.
func (b *board) steps(process int) *atomic.Uint64 { return b.number(1 + process) }
