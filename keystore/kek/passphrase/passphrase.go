// Package passphrase is the KEK that a passphrase makes (Argon2id, RFC 9106).
//
//	passphrase:file=/etc/vtoken/passphrase            a file that only its owner may open
//	passphrase:file=/run/credentials/vtokend/kek      a systemd credential
//
// One newline at the end of the file is not part of the passphrase. An empty
// passphrase is refused. How hard guessing is depends on the passphrase alone:
// a try takes a tenth of a second and 64 MiB.
//
// # Format of a wrapped key
//
//	bytes 0-1     'P', 1
//	bytes 2-5     passes of Argon2id, big endian
//	bytes 6-9     memory in KiB, big endian
//	byte 10       lanes
//	bytes 11-26   salt
//	bytes 27-     nonce, ciphertext and tag of AES-256-GCM; bytes 0-26 are authenticated
package passphrase

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/argon2"

	"vtoken/keystore/kek"
	"vtoken/vtoken/secret"
)

// Scheme is the scheme of the URIs.
const Scheme = "passphrase"

const (
	maxFile    = 4096
	saltSize   = 16
	headerSize = 2 + 4 + 4 + 1 + saltSize
	protects   = "from everyone who does not know the passphrase, as far as it cannot be guessed"
)

// cost is the price of one guess.
type cost struct {
	passes, memory uint32 // memory in KiB
	lanes          uint8
}

// The second recommended option of RFC 9106 section 4, and what a wrapped key
// may ask of us at most and at least.
var (
	costNow = cost{3, 64 << 10, 4}
	costMax = cost{16, 256 << 10, 16}
	costMin = cost{1, 8 << 10, 1}
)

// maxWork bounds passes × memory: eight times what a new key costs. A backup that
// somebody made up has up to 64 of these headers, each of which is tried.
const maxWork = 8 * 3 * 64 << 10

func (c cost) valid() bool {
	return uint64(c.passes)*uint64(c.memory) <= maxWork && c.passes >= costMin.passes && c.passes <= costMax.passes &&
		c.memory >= costMin.memory && c.memory <= costMax.memory &&
		c.lanes >= costMin.lanes && c.lanes <= costMax.lanes
}

type provider struct{ passphrase secret.Bytes }

// Open reads the passphrase.
func Open(_ context.Context, uri kek.URI, env kek.Env) (kek.Provider, error) {
	attrs, err := kek.Attributes(uri.Opaque)
	if err != nil {
		return nil, err
	}
	path, ok := attrs["file"]
	if !ok || path == "" || len(attrs) != 1 || uri.Query != "" {
		return nil, fmt.Errorf("%w: %s is not of the form passphrase:file=/path", kek.ErrURI, uri)
	}
	path = env.Path(path)
	if env.Generate {
		if within, err := filepath.Rel(env.Dir, path); err == nil && filepath.IsLocal(within) {
			return nil, fmt.Errorf("%w: a passphrase in the data folder is copied with it; name a file elsewhere, with its whole path", kek.ErrURI)
		}
		if err := generate(path); err != nil {
			return nil, fmt.Errorf("make the passphrase file %s: %w: %w", path, kek.ErrUnavailable, err)
		}
	}
	text, err := kek.ReadSecretFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("read the passphrase: %w", err)
	}
	if n := len(text); n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
	}
	if len(text) == 0 {
		return nil, fmt.Errorf("%w: the passphrase in %s is empty; write one into it", kek.ErrUnavailable, path)
	}
	return &provider{text}, nil
}

// generated is how many random bytes a passphrase has that is made here.
const generated = 24

// generate makes a file with a passphrase that nobody can guess, in letters that a
// person can type.
func generate(path string) error {
	raw := make(secret.Bytes, generated)
	defer raw.Wipe()
	_, _ = rand.Read(raw)
	return kek.CreateSecretFile(path, secret.Bytes(base64.RawURLEncoding.EncodeToString(raw)+"\n"))
}

// Wrap encrypts a key under the passphrase and a fresh salt.
func (p *provider) Wrap(_ context.Context, key secret.Bytes) ([]byte, error) {
	header := append(make([]byte, 0, headerSize), 'P', 1)
	header = binary.BigEndian.AppendUint32(header, costNow.passes)
	header = binary.BigEndian.AppendUint32(header, costNow.memory)
	header = append(header, costNow.lanes)
	header = header[:headerSize]
	_, _ = rand.Read(header[headerSize-saltSize:])
	derived := p.derive(costNow, header[headerSize-saltSize:])
	defer derived.Wipe()
	sealed, err := kek.Seal(derived, key, header)
	if err != nil {
		return nil, err
	}
	return append(header, sealed...), nil
}

// Unwrap is the inverse of Wrap.
func (p *provider) Unwrap(_ context.Context, wrapped []byte) (secret.Bytes, error) {
	if len(wrapped) < headerSize || !strings.HasPrefix(string(wrapped), "P\x01") {
		return nil, fmt.Errorf("%w: it was not wrapped by a passphrase", kek.ErrWrongKey)
	}
	header, sealed := wrapped[:headerSize], wrapped[headerSize:]
	c := cost{binary.BigEndian.Uint32(header[2:]), binary.BigEndian.Uint32(header[6:]), header[10]}
	if !c.valid() {
		return nil, fmt.Errorf("%w: it asks for Argon2id with %d passes over %d KiB in %d lanes", kek.ErrWrongKey, c.passes, c.memory, c.lanes)
	}
	derived := p.derive(c, header[headerSize-saltSize:])
	defer derived.Wipe()
	key, err := kek.Unseal(derived, sealed, header)
	if errors.Is(err, kek.ErrWrongKey) {
		return nil, fmt.Errorf("%w: the passphrase in the file is another one; compare it, letter by letter, with what was written down when the KEK was added", err)
	}
	return key, err
}

func (p *provider) derive(c cost, salt []byte) secret.Bytes {
	return argon2.IDKey(p.passphrase, salt, c.passes, c.memory, c.lanes, 32)
}

// Status says what the passphrase protects.
func (p *provider) Status(context.Context) (kek.Status, error) {
	return kek.Status{Kind: Scheme, Protects: protects}, nil
}

// Close forgets the passphrase.
func (p *provider) Close() error {
	p.passphrase.Wipe()
	return nil
}
