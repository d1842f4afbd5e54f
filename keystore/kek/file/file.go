// Package file is the KEK in a file, for a daemon that has no other.
//
//	file:/var/lib/vtoken/kek.key    an absolute path
//	file:kek.key                    a path in the data folder
//
// The file holds one line, "vtoken-kek-1 " and 32 bytes in base64. It is made
// when the KEK gets its first use, readable by its owner only.
//
// Anyone who can read the file can open every copy of the store. Beside the store it protects
// only the store file alone; on another disk, such as one that is not backed up, it protects
// the backups.
package file

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"vtoken/keystore/kek"
	"vtoken/vtoken/secret"
)

// Scheme is the scheme of the URIs.
const Scheme = "file"

const (
	keySize  = 32
	prefix   = "vtoken-kek-1 "
	maxFile  = 256
	protects = "only from a copy of the store without this file: a copy of both opens every key"
)

// wrapHeader is what a wrapped key begins with.
var wrapHeader = [...]byte{'F', 1}

type provider struct{ key secret.Bytes }

// Open reads the key file, or makes it where env.Create is set and there is
// none.
func Open(_ context.Context, uri kek.URI, env kek.Env) (kek.Provider, error) {
	if uri.Query != "" {
		return nil, fmt.Errorf("%w: %s takes nothing after a question mark", kek.ErrURI, uri)
	}
	path := env.Path(uri.Opaque)
	key, err := read(path)
	if errors.Is(err, fs.ErrNotExist) && env.Create {
		if err := create(path); err != nil {
			return nil, fmt.Errorf("make the key file %s: %w: %w", path, kek.ErrUnavailable, err)
		}
		env.Log.Warn("made a key file that opens every copy of the store; "+
			"it does not protect from anyone who can copy the data folder: use a TPM, an HSM or a passphrase for that", "file", path)
		key, err = read(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	return &provider{key}, nil
}

// read parses a key file.
func read(path string) (secret.Bytes, error) {
	text, err := kek.ReadSecretFile(path, maxFile)
	if err != nil {
		return nil, err
	}
	defer text.Wipe()
	line, ok := strings.CutPrefix(strings.TrimSuffix(string(text), "\n"), prefix)
	if !ok {
		return nil, fmt.Errorf("%w: %s is no vtoken key file", kek.ErrUnavailable, path)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(line)
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("%w: the key in %s is damaged; put back a copy of the file", kek.ErrUnavailable, path)
	}
	return key, nil
}

// create makes a key file.
func create(path string) error {
	key := make(secret.Bytes, keySize)
	defer key.Wipe()
	_, _ = rand.Read(key)
	return kek.CreateSecretFile(path, secret.Bytes(prefix+base64.StdEncoding.EncodeToString(key)+"\n"))
}

// Wrap encrypts a key under the key of the file.
func (p *provider) Wrap(_ context.Context, key secret.Bytes) ([]byte, error) {
	sealed, err := kek.Seal(p.key, key, wrapHeader[:])
	if err != nil {
		return nil, err
	}
	return append(wrapHeader[:len(wrapHeader):len(wrapHeader)], sealed...), nil
}

// Unwrap is the inverse of Wrap.
func (p *provider) Unwrap(_ context.Context, wrapped []byte) (secret.Bytes, error) {
	sealed, ok := strings.CutPrefix(string(wrapped), string(wrapHeader[:]))
	if !ok {
		return nil, fmt.Errorf("%w: it was not wrapped by a key file", kek.ErrWrongKey)
	}
	return kek.Unseal(p.key, []byte(sealed), wrapHeader[:])
}

// Status says what the file protects.
func (p *provider) Status(context.Context) (kek.Status, error) {
	return kek.Status{Kind: Scheme, Protects: protects}, nil
}

// Close forgets the key.
func (p *provider) Close() error {
	p.key.Wipe()
	return nil
}
