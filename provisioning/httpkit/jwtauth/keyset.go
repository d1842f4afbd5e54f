package jwtauth

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// Bounds of a key set.
const (
	maxKeySet = 256 << 10 // bytes
	maxKeys   = 100
)

// Keys are read again after some time. If that fails, the old ones are used for some time
// more. An unknown key id causes another read, but not too often.
const (
	keysFresh = 15 * time.Minute
	keysUsed  = 24 * time.Hour
	keysApart = time.Minute
)

// ParseKeySet reads a key set (RFC 7517, section 5) and returns the public keys that can
// verify tokens, by their kid. It ignores other keys and refuses a repeated kid.
func ParseKeySet(data []byte) (map[string]crypto.PublicKey, error) {
	if len(data) > maxKeySet {
		return nil, fmt.Errorf("the key set has more than %d bytes", maxKeySet)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("reading the key set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set has more than %d keys", maxKeys)
	}
	keys := map[string]crypto.PublicKey{}
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil || !checksTokens(k) {
			continue
		}
		if keys[k.KeyID] != nil {
			return nil, fmt.Errorf("the key set has two keys with the kid %.64q", k.KeyID)
		}
		keys[k.KeyID] = k.Key
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no key that checks tokens: RSA of 2048 bits or more, or EC on P-256, with a kid")
	}
	return keys, nil
}

// checksTokens reports whether a key can verify tokens that name it.
func checksTokens(k jose.JSONWebKey) bool {
	algorithm := AlgorithmOf(k.Key) // none for private and secret keys
	return algorithm != "" && k.KeyID != "" && (k.Use == "" || k.Use == "sig") && (k.Algorithm == "" || k.Algorithm == algorithm)
}

// KeySet is a key set that is read from its source, and again when its keys may have
// changed. It is safe for concurrent use.
type KeySet struct {
	read func(context.Context) ([]byte, error)
	now  func() time.Time

	mu    sync.Mutex
	keys  map[string]crypto.PublicKey
	since time.Time // when keys were read
	tried time.Time // when that was tried last

	reading sync.Mutex // held by the one who reads
}

// NewKeySet returns the key set that read returns, such as [FromFile] and [FromURL]. now
// is the clock; nil is time.Now. It is first read when a key is needed.
func NewKeySet(read func(context.Context) ([]byte, error), now func() time.Time) *KeySet {
	if now == nil {
		now = time.Now
	}
	return &KeySet{read: read, now: now}
}

// Key returns the key with that kid. An unknown kid makes it read the set again, at most
// once a minute.
func (s *KeySet) Key(ctx context.Context, kid string) (crypto.PublicKey, error) {
	key, again := s.look(kid)
	if !again {
		return found(key, kid)
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	if key, again = s.look(kid); !again { // another one has read it meanwhile
		return found(key, kid)
	}
	err := s.reload(ctx)
	if key, _ = s.look(kid); key == nil && err != nil {
		return nil, err
	}
	return found(key, kid)
}

func found(key crypto.PublicKey, kid string) (crypto.PublicKey, error) {
	if key == nil {
		return nil, fmt.Errorf("there is no key with the kid %.64q", kid)
	}
	return key, nil
}

// look returns a known key, and reports whether the set must be read again first.
func (s *KeySet) look(kid string) (key crypto.PublicKey, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if now.Sub(s.since) > keysUsed {
		s.keys = nil
	}
	key = s.keys[kid]
	fresh := key != nil && now.Sub(s.since) < keysFresh
	return key, !fresh && (s.tried.IsZero() || now.Sub(s.tried) >= keysApart)
}

func (s *KeySet) reload(ctx context.Context) error {
	data, err := s.read(ctx)
	var keys map[string]crypto.PublicKey
	if err == nil {
		keys, err = ParseKeySet(data)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried = s.now()
	if err == nil {
		s.keys, s.since = keys, s.tried
	}
	return err
}
