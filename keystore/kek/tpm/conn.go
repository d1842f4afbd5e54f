package tpm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/google/go-tpm/tpm2"

	"vtoken/keystore/kek"
)

const (
	// maxResponse bounds an answer in bytes; a TPM's own bound is 4096.
	maxResponse    = 8192
	responseHeader = 10 // tag, size, code (TPM 2.0 Part 1 section 18)
	// A TPM takes seconds to make a key and says so by its silence.
	commandTime = 30 * time.Second
	// How long a busy TPM is asked again.
	busyTime  = 20 * time.Second
	busyFirst = 5 * time.Millisecond
	busyMost  = 500 * time.Millisecond
)

// stream is what carries commands: a device file or a socket.
type stream interface {
	io.ReadWriteCloser
	SetDeadline(time.Time) error
}

// conn is a connection to a TPM for one piece of work. It is a go-tpm
// transport.
type conn struct {
	ctx context.Context
	s   stream
	buf [maxResponse]byte
	// managed is set where a resource manager has room for everybody.
	managed bool
}

// dial connects. It fails with [kek.ErrUnavailable].
func dial(ctx context.Context, t target) (*conn, error) {
	s, err := open(ctx, t)
	switch {
	case errors.Is(err, fs.ErrNotExist) && t.network == "device":
		return nil, fmt.Errorf("%w: there is no TPM at %s; check that it is enabled in the firmware: %w", kek.ErrUnavailable, t.address, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: the daemon's user may not open %s; put it into the group of that device (tss): %w", kek.ErrUnavailable, t.address, err)
	case err != nil:
		return nil, fmt.Errorf("%w: no TPM answers at %s: %w", kek.ErrUnavailable, t.address, err)
	}
	return &conn{ctx: ctx, s: s, managed: t.network == "device"}, nil
}

func open(ctx context.Context, t target) (stream, error) {
	if t.network == "device" {
		return os.OpenFile(t.address, os.O_RDWR, 0)
	}
	var d net.Dialer
	ctx, cancel := context.WithTimeout(ctx, busyTime)
	defer cancel()
	for wait := busyFirst; ; wait = min(2*wait, busyMost) {
		c, err := d.DialContext(ctx, t.network, t.address)
		if err == nil {
			return c, nil
		}
		// A software TPM serves one after the other and lets few wait.
		if !errors.Is(err, syscall.EAGAIN) || pause(ctx, wait) != nil {
			return nil, err
		}
	}
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Send sends a command and reads the answer; it sends the command again while
// the TPM is busy (TPM 2.0 Part 2 section 6.6.3). A busy TPM has changed
// nothing, so that sessions go on.
func (c *conn) Send(command []byte) ([]byte, error) {
	until := time.Now().Add(busyTime)
	for wait := busyFirst; ; wait = min(2*wait, busyMost) {
		answer, err := c.once(command)
		if err != nil {
			return nil, fmt.Errorf("%w: the TPM does not answer: %w", kek.ErrUnavailable, err)
		}
		code := tpm2.TPMRC(binary.BigEndian.Uint32(answer[6:]))
		if !busy(code) {
			return answer, nil
		}
		if time.Now().Add(wait).After(until) {
			return nil, fmt.Errorf("%w: the TPM was busy for %v (%w); try again", kek.ErrUnavailable, busyTime, code)
		}
		if err := pause(c.ctx, wait); err != nil {
			return nil, fmt.Errorf("%w: %w", kek.ErrUnavailable, err)
		}
	}
}

func busy(code tpm2.TPMRC) bool {
	switch code {
	case tpm2.TPMRCRetry, tpm2.TPMRCYielded, tpm2.TPMRCTesting,
		tpm2.TPMRCNVRate, tpm2.TPMRCNVUnavailable: // it spares its memory
		return true
	}
	return false
}

// once is one command and its answer. A device gives a whole answer in one
// read, a socket gives it in pieces.
func (c *conn) once(command []byte) ([]byte, error) {
	if err := c.s.SetDeadline(time.Now().Add(commandTime)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return nil, err
	}
	stop := context.AfterFunc(c.ctx, func() { _ = c.s.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.s.Write(command); err != nil {
		return nil, err
	}
	n, err := io.ReadAtLeast(c.s, c.buf[:], responseHeader)
	if err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(c.buf[2:])
	if size < responseHeader || size > maxResponse || int(size) < n {
		return nil, fmt.Errorf("it answers %d bytes and says that they are %d", n, size)
	}
	if _, err := io.ReadFull(c.s, c.buf[n:size]); err != nil {
		return nil, err
	}
	return append([]byte(nil), c.buf[:size]...), nil
}

func (c *conn) close() error {
	clear(c.buf[:])
	return c.s.Close()
}
