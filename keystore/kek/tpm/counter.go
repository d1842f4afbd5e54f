package tpm

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"vtoken/keystore/kek"
	"vtoken/vtoken/secret"
)

var _ kek.Counter = (*provider)(nil)

// Counters are NV indices of type TPM2_NT_COUNTER (TPM 2.0 Part 1 section 37.2.4), in the
// owner's range of handles. Using a counter takes an auth value, which is random and known
// only to the store, so that other programs on this machine cannot increment it; the owner of
// the TPM can remove it. A TPM starts a new counter above all that it ever had, so that
// removing one does not set it back. The auth value keys the sessions: they detect an answer
// that is not from the TPM with this counter.
//
// The name of a counter is
//
//	'C', 1
//	4 bytes    handle, big endian
//	32 bytes   auth value
const (
	counterFormat  = "C\x01"
	counterAuth    = 32
	counterName    = len(counterFormat) + 4 + counterAuth
	counterSize    = 8 // bytes of the value
	firstHandle    = tpm2.TPMHandle(0x01800000)
	handleRange    = 0x400000
	handleAttempts = 8
)

// counter is a parsed name.
type counter struct {
	handle tpm2.TPMHandle
	auth   secret.Bytes // of the name, not a copy
}

func (c counter) String() string { return fmt.Sprintf("NV index %#x", uint32(c.handle)) }

// parseCounter reads a name.
func parseCounter(name secret.Bytes) (c counter, err error) {
	if len(name) != counterName || string(name[:len(counterFormat)]) != counterFormat {
		return c, fmt.Errorf("%w: its name is none of a TPM's counter", kek.ErrNoCounter)
	}
	c.handle = tpm2.TPMHandle(binary.BigEndian.Uint32(name[len(counterFormat):]))
	if c.handle < firstHandle || c.handle-firstHandle >= handleRange {
		return c, fmt.Errorf("%w: its name is none of a TPM's counter", kek.ErrNoCounter)
	}
	c.auth = name[len(counterFormat)+4:]
	return c, nil
}

// newCounterName makes a name at random. As an auth value has no zeros at its
// end, at which the TPM would cut it, it is text.
func newCounterName() secret.Bytes {
	var b [4 + counterAuth*3/4]byte
	_, _ = rand.Read(b[:])
	defer clear(b[:])
	handle := firstHandle + tpm2.TPMHandle(binary.BigEndian.Uint32(b[:])%handleRange)
	name := binary.BigEndian.AppendUint32([]byte(counterFormat), uint32(handle))
	return base64.StdEncoding.AppendEncode(name, b[4:])
}

// public is the public area of the counter. It is written from its first
// increment on, which is part of its TPM name.
func (c counter) public(written bool) *tpm2.TPMSNVPublic {
	return &tpm2.TPMSNVPublic{
		NVIndex:    c.handle,
		NameAlg:    tpm2.TPMAlgSHA256,
		Attributes: tpm2.TPMANV{NT: tpm2.TPMNTCounter, AuthRead: true, AuthWrite: true, NoDA: true, Written: written},
		DataSize:   counterSize,
	}
}

// named returns the counter as a handle for commands, and authorized the same with its auth
// value.
func (c counter) named(written bool) (named tpm2.NamedHandle, authorized tpm2.AuthHandle, err error) {
	name, err := tpm2.NVName(c.public(written))
	if err != nil {
		return named, authorized, err
	}
	return tpm2.NamedHandle{Handle: c.handle, Name: *name},
		tpm2.AuthHandle{Handle: c.handle, Name: *name, Auth: tpm2.HMAC(tpm2.TPMAlgSHA256, nonceSize, tpm2.Auth(c.auth))}, nil
}

// NewCounter defines an NV index and increments it once, which gives it its
// value.
func (p *provider) NewCounter(ctx context.Context) (name secret.Bytes, value uint64, err error) {
	err = p.usePrimary(ctx, func(pr *primary) error {
		name, err = pr.defineCounter()
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	c, err := parseCounter(name)
	if err != nil {
		return nil, 0, err
	}
	err = p.connected(ctx, func(conn *conn) error {
		value, err = c.increment(conn, false)
		return err
	})
	return name, value, err
}

// defineCounter defines an NV index at a free handle. Its auth value is
// encrypted on its way to the TPM.
func (p *primary) defineCounter() (secret.Bytes, error) {
	const doing = "make a counter in the TPM"
	for range handleAttempts {
		name := newCounterName()
		c, err := parseCounter(name)
		if err != nil {
			return nil, err
		}
		_, err = tpm2.NVDefineSpace{
			AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.HMAC(tpm2.TPMAlgSHA256, nonceSize,
				tpm2.Salted(p.handle, p.public), tpm2.AESEncryption(128, tpm2.EncryptIn))},
			Auth:       tpm2.TPM2BAuth{Buffer: c.auth},
			PublicInfo: tpm2.New2B(*c.public(false)),
		}.Execute(p.c)
		switch {
		case errors.Is(err, tpm2.TPMRCNVDefined):
			continue
		case err != nil:
			return nil, owned(doing, err)
		}
		return name, nil
	}
	return nil, unavailable(doing, errors.New("every handle that was tried is taken"))
}

// ReadCounter reads an NV index.
func (p *provider) ReadCounter(ctx context.Context, name secret.Bytes) (value uint64, err error) {
	c, err := parseCounter(name)
	if err != nil {
		return 0, err
	}
	err = p.connected(ctx, func(conn *conn) error {
		value, err = c.read(conn)
		return err
	})
	return value, err
}

// IncrementCounter increments an NV index.
func (p *provider) IncrementCounter(ctx context.Context, name secret.Bytes) (value uint64, err error) {
	c, err := parseCounter(name)
	if err != nil {
		return 0, err
	}
	err = p.connected(ctx, func(conn *conn) error {
		value, err = c.increment(conn, true)
		return err
	})
	return value, err
}

// RemoveCounter removes an NV index.
func (p *provider) RemoveCounter(ctx context.Context, name secret.Bytes) error {
	c, err := parseCounter(name)
	if err != nil {
		return err
	}
	return p.connected(ctx, func(conn *conn) error {
		if _, err := c.read(conn); err != nil { // only what is ours
			return err
		}
		named, _, err := c.named(true)
		if err != nil {
			return err
		}
		_, err = tpm2.NVUndefineSpace{
			AuthHandle: owner(), NVIndex: named,
		}.Execute(conn)
		return c.failed("remove a counter from the TPM", err)
	})
}

func (c counter) increment(conn *conn, written bool) (uint64, error) {
	named, authorized, err := c.named(written)
	if err != nil {
		return 0, err
	}
	if _, err := (tpm2.NVIncrement{AuthHandle: authorized, NVIndex: named}).Execute(conn); err != nil {
		return 0, c.failed("increment a counter of the TPM", err)
	}
	return c.read(conn)
}

func (c counter) read(conn *conn) (uint64, error) {
	const doing = "read a counter of the TPM"
	named, authorized, err := c.named(true)
	if err != nil {
		return 0, err
	}
	rsp, err := tpm2.NVRead{AuthHandle: authorized, NVIndex: named, Size: counterSize}.Execute(conn)
	if err != nil {
		return 0, c.failed(doing, err)
	}
	if len(rsp.Data.Buffer) != counterSize {
		return 0, unavailable(doing, fmt.Errorf("it gives %d bytes", len(rsp.Data.Buffer)))
	}
	return binary.BigEndian.Uint64(rsp.Data.Buffer), nil
}

// failed is the error of a command on a counter: the answers that mean that
// there is none, or another one, are [kek.ErrNoCounter].
func (c counter) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	for _, gone := range []tpm2.TPMRC{tpm2.TPMRCHandle, tpm2.TPMRCBadAuth, tpm2.TPMRCAuthFail, tpm2.TPMRCNVAuthorization,
		tpm2.TPMRCNVUninitialized, tpm2.TPMRCAttributes, tpm2.TPMRCNVRange} {
		if errors.Is(err, gone) {
			return fmt.Errorf("%s: %w: the TPM was cleared, is another one, or its owner removed %v (%w)", doing, kek.ErrNoCounter, c, err)
		}
	}
	return unavailable(doing, err)
}

// connected connects and runs fn, for what needs no primary.
func (p *provider) connected(ctx context.Context, fn func(*conn) error) (err error) {
	p.one.Lock()
	defer p.one.Unlock()
	c, err := dial(ctx, p.target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	return c.withFreeSlots(func() error { return fn(c) })
}
