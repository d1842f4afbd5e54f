//go:build cgo

package p11hsm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/miekg/pkcs11"

	"vtoken/keystore/kek"
	"vtoken/vtoken/secret"
)

const (
	keySize  = 32
	maxPIN   = 256
	protects = "from everyone who may not use the key in the HSM: a copied disk or backup is worthless"
)

// Modules are the PKCS#11 modules of a program. Each is loaded once, and stays.
// The zero value has none. It is safe for concurrent use.
type Modules struct {
	mu     sync.Mutex
	loaded map[string]*module
}

// module is a loaded module. One goroutine uses it at a time, because no other call may run
// while it is finalized and initialized again (PKCS#11 section 5.4, C_Finalize).
type module struct {
	*pkcs11.Ctx
	mu     sync.Mutex
	begins int // how often it was initialized: earlier handles are invalid
}

// load loads a module, unless that was done.
func (m *Modules) load(path string) (*module, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found, ok := m.loaded[path]; ok {
		return found, nil
	}
	ctx := pkcs11.New(path)
	if ctx == nil {
		return nil, fmt.Errorf("%w: %s cannot be loaded; it is no PKCS#11 module for this machine, or a library that it needs is missing", kek.ErrUnavailable, path)
	}
	if m.loaded == nil {
		m.loaded = make(map[string]*module)
	}
	m.loaded[path] = &module{Ctx: ctx}
	return m.loaded[path], nil
}

// provider is a key in an HSM.
type provider struct {
	target target
	uri    kek.URI
	pin    secret.Bytes
	file   string // of the PIN
	failed *kek.Refusals
	module *module
	key    *hsmKey // nil without a session; used under the module's lock
}

// String names the provider and nothing of its secret.
func (p *provider) String() string { return Scheme + ":" + p.target.module }

// Open loads the module, logs in and finds the key, or makes it where
// env.Generate is set.
func (m *Modules) Open(_ context.Context, uri kek.URI, env kek.Env) (kek.Provider, error) {
	t, err := parse(uri)
	if err != nil {
		return nil, err
	}
	if env.Count {
		return nil, kek.ErrCountsNothing
	}
	path, err := checkModule(env.Path(t.module), env.Dir)
	if err != nil {
		return nil, err
	}
	p := &provider{target: t, uri: uri, file: env.Path(t.pin), failed: env.Refused}
	if t.pin != "" {
		if p.pin, err = readPIN(p.file); err != nil {
			return nil, err
		}
	}
	if p.module, err = m.load(path); err != nil {
		p.pin.Wipe()
		return nil, err
	}
	if env.Generate {
		err = p.generate()
	}
	if err == nil {
		_, err = p.Status(context.Background())
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func readPIN(path string) (secret.Bytes, error) {
	text, err := kek.ReadSecretFile(path, maxPIN)
	if err != nil {
		return nil, fmt.Errorf("read the HSM's PIN: %w", err)
	}
	if n := len(text); n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
	}
	if len(text) == 0 {
		return nil, fmt.Errorf("%w: the file of the HSM's PIN, %s, is empty; write the PIN into it", kek.ErrUnavailable, path)
	}
	return text, nil
}

// use runs fn with the key. If the HSM says that session or key are gone, it looks for them
// once more, and at last initializes the module again.
func (p *provider) use(fn func(*hsmKey) error) error {
	p.module.mu.Lock()
	defer p.module.mu.Unlock()
	err := p.try(fn)
	if gone(err) {
		p.drop()
		err = p.try(fn)
	}
	if in(err, lost[:]) || errors.Is(err, errNoToken) {
		p.restart()
		err = p.try(fn)
	}
	return err
}

// try runs fn with the key, once it is found.
func (p *provider) try(fn func(*hsmKey) error) (err error) {
	if p.key == nil || p.key.begins != p.module.begins {
		if p.key, err = p.find(); err != nil {
			return err
		}
	}
	return fn(p.key)
}

// drop forgets the session.
func (p *provider) drop() {
	if p.key != nil && p.key.begins == p.module.begins {
		_ = p.module.CloseSession(p.key.session) // it may be gone already
	}
	p.key = nil
}

// restart finalizes and initializes the module, as it must when it lost its HSM for good. Other
// users of the module lose their sessions, and log in again.
func (p *provider) restart() {
	p.drop()
	_ = p.module.Finalize() // it may not have begun
	p.module.begins++
}

// Wrap wraps a fresh KEK in the HSM and encrypts the key under it.
func (p *provider) Wrap(_ context.Context, key secret.Bytes) ([]byte, error) {
	fresh := make(secret.Bytes, keySize)
	defer fresh.Wipe()
	_, _ = rand.Read(fresh)
	var b *blob
	err := p.use(func(k *hsmKey) (err error) {
		b, err = k.wrap(fresh)
		return err
	})
	if err != nil {
		return nil, unavailable("wrap a key in the HSM", err)
	}
	header := b.header()
	sealed, err := kek.Seal(fresh, key, header)
	if err != nil {
		return nil, err
	}
	return append(header, sealed...), nil
}

// Unwrap is the inverse of Wrap.
func (p *provider) Unwrap(_ context.Context, wrapped []byte) (secret.Bytes, error) {
	b, err := parseBlob(wrapped)
	if err != nil {
		return nil, err
	}
	var key secret.Bytes
	defer func() { key.Wipe() }()
	err = p.use(func(k *hsmKey) (err error) {
		key, err = k.unwrap(b)
		return err
	})
	switch {
	case err != nil:
		return nil, refused("unwrap a key in the HSM", err)
	case len(key) != keySize:
		return nil, fmt.Errorf("%w: the HSM unwraps %d bytes", kek.ErrWrongKey, len(key))
	}
	return kek.Unseal(key, b.sealed, b.header())
}

// Status looks whether the key is there.
func (p *provider) Status(context.Context) (kek.Status, error) {
	err := p.use(func(k *hsmKey) error {
		_, err := k.module.GetAttributeValue(k.session, k.handle, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, nil)})
		return err
	})
	if err != nil {
		return kek.Status{}, unavailable("look for the key in the HSM", err)
	}
	return kek.Status{Kind: Scheme, Protects: protects}, nil
}

// Close ends the session, which logs out where it was the last one, and
// forgets the PIN.
func (p *provider) Close() error {
	p.module.mu.Lock()
	defer p.module.mu.Unlock()
	p.drop()
	p.pin.Wipe()
	return nil
}
