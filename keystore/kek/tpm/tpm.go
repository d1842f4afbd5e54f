package tpm

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"

	"github.com/google/go-tpm/tpm2"

	"vtoken/keystore/kek"
	"vtoken/vtoken/secret"
)

const (
	keySize     = 32
	maxAuthFile = 4096
	protects    = "from everyone without this very TPM: a copied disk or backup is worthless"
)

// provider is a TPM. It connects for each piece of work, so that it recovers when a TPM comes
// back.
type provider struct {
	target target
	uri    kek.URI
	auth   secret.Bytes // empty without auth-file
	file   string       // of it
	failed *kek.Refusals
	before []byte     // a wrapped key of the TPM that wraps another one, or nil
	one    sync.Mutex // held during a piece of work: a TPM has little room
}

// String names the provider and nothing of its secret.
func (p *provider) String() string { return Scheme + ":" + p.target.network + "=" + p.target.address }

// Open checks that the TPM can be used.
func Open(ctx context.Context, uri kek.URI, env kek.Env) (kek.Provider, error) {
	t, err := parse(uri)
	if err != nil {
		return nil, err
	}
	p := &provider{target: t.within(env.Dir), uri: uri, file: env.Path(t.auth), failed: env.Refused, before: env.Before}
	if t.auth != "" {
		if p.auth, err = readAuth(p.file); err != nil {
			return nil, err
		}
	}
	if _, err := p.Status(ctx); err != nil {
		p.auth.Wipe()
		return nil, err
	}
	return p, nil
}

// readAuth makes an auth value of the secret in a file: at most 32 bytes, as
// the TPM has it, without zeros, at which it would be cut.
func readAuth(path string) (secret.Bytes, error) {
	text, err := kek.ReadSecretFile(path, maxAuthFile)
	if err != nil {
		return nil, fmt.Errorf("read the TPM's auth value: %w", err)
	}
	defer text.Wipe()
	if n := len(text); n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
	}
	if len(text) == 0 {
		return nil, fmt.Errorf("%w: the file of the auth value, %s, is empty; write a secret into it", kek.ErrUnavailable, path)
	}
	sum := sha256.Sum256(text)
	defer clear(sum[:])
	return base64.StdEncoding.AppendEncode(nil, sum[:24]), nil
}

// usePrimary connects, makes the primary, and runs fn.
func (p *provider) usePrimary(ctx context.Context, fn func(*primary) error) (err error) {
	p.one.Lock()
	defer p.one.Unlock()
	c, err := dial(ctx, p.target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	return c.withFreeSlots(func() error { return withPrimary(c, fn) })
}

// Wrap seals a fresh KEK in the TPM and encrypts the key under it.
func (p *provider) Wrap(ctx context.Context, key secret.Bytes) ([]byte, error) {
	fresh := make(secret.Bytes, keySize)
	defer fresh.Wipe()
	_, _ = rand.Read(fresh)
	b := &blob{auth: len(p.auth) > 0}
	err := p.usePrimary(ctx, func(pr *primary) (err error) {
		if err := p.sameTPM(pr); err != nil {
			return err
		}
		if b.pcrs, err = readPCRs(pr.c, p.target.pcrs); err != nil {
			return err
		}
		return pr.seal(b, fresh, p.auth)
	})
	if err != nil {
		return nil, err
	}
	header := b.header()
	sealed, err := kek.Seal(fresh, key, header)
	if err != nil {
		return nil, err
	}
	return append(header, sealed...), nil
}

// sameTPM fails where the keys before were wrapped by another TPM.
func (p *provider) sameTPM(pr *primary) error {
	if p.before == nil {
		return nil
	}
	b, err := parseBlob(p.before)
	if err != nil {
		return err
	}
	return pr.wrapped(b)
}

// Unwrap is the inverse of Wrap. The PCRs that count are those of the wrapped
// key.
func (p *provider) Unwrap(ctx context.Context, wrapped []byte) (secret.Bytes, error) {
	b, err := parseBlob(wrapped)
	if err != nil {
		return nil, err
	}
	auth := p.auth
	switch {
	case b.auth && len(auth) == 0:
		return nil, fmt.Errorf("%w: it was wrapped with an auth value, and the URI has no auth-file", kek.ErrWrongKey)
	case !b.auth && len(auth) > 0:
		return nil, fmt.Errorf("%w: it was wrapped without an auth value, and the URI has auth-file, so that somebody else may have wrapped it; "+
			"where it was you, `vtoken kek remove` it and `vtoken kek add` it with auth-file", kek.ErrWrongKey)
	case !b.auth:
	default:
		if err := p.failed.Refused(p.uri, p.file, auth); err != nil {
			return nil, err
		}
	}
	var key secret.Bytes
	defer func() { key.Wipe() }()
	err = p.usePrimary(ctx, func(pr *primary) (err error) {
		key, err = pr.unseal(b, auth)
		return err
	})
	if errors.Is(err, errAuth) {
		p.failed.Note(p.uri, p.file, auth)
	}
	if err != nil {
		return nil, err
	}
	if len(key) != keySize {
		return nil, fmt.Errorf("%w: the TPM has %d bytes sealed", kek.ErrWrongKey, len(key))
	}
	return kek.Unseal(key, b.sealed, b.header())
}

// Status asks the TPM whether it can be used.
func (p *provider) Status(ctx context.Context) (s kek.Status, err error) {
	p.one.Lock()
	defer p.one.Unlock()
	c, err := dial(ctx, p.target)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	locked, err := lockedOut(c)
	if err != nil {
		return s, unavailable("ask the TPM for its state", err)
	}
	if locked && len(p.auth) > 0 {
		return s, unavailable("ask the TPM for its state", tpm2.TPMRCLockout)
	}
	return kek.Status{Kind: Scheme, Protects: protects}, nil
}

// lockedOut asks for inLockout of TPMA_PERMANENT (TPM 2.0 Part 2 section 8.6).
func lockedOut(c *conn) (bool, error) {
	rsp, err := tpm2.GetCapability{Capability: tpm2.TPMCapTPMProperties, Property: uint32(tpm2.TPMPTPermanent), PropertyCount: 1}.Execute(c)
	if err != nil {
		return false, err
	}
	list, err := rsp.CapabilityData.Data.TPMProperties()
	if err != nil || len(list.TPMProperty) != 1 {
		return false, errors.Join(errors.New("it does not tell"), err)
	}
	const inLockout = 1 << 9
	return list.TPMProperty[0].Value&inLockout != 0, nil
}

// Close forgets the auth value.
func (p *provider) Close() error {
	p.auth.Wipe()
	return nil
}
