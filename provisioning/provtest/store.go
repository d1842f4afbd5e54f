package provtest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"maps"
	"sync"

	"vtoken/provisioning"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Store is a provisioning.Store in memory. It starts with the default tenant.
type Store struct {
	mu   sync.Mutex
	data state
	// fail is the error of the next commits, nil for none.
	fail error
	// commits counts the updates that were committed.
	commits  int
	watchers []func([]record.Change)
}

type keyName struct {
	tenant record.TenantID
	name   string
}

type state struct {
	last    uint64 // number given out last, for slots and objects
	tenants map[record.TenantID]record.Tenant
	users   map[record.UserID]record.User
	groups  map[record.GroupID]record.Group
	pending map[record.KeyID]record.PendingKey
	keys    map[keyName]record.APIKey
	tokens  map[record.TokenID]*record.Token
	objects map[record.TokenID][]*object.Object
}

// New returns a store with the default tenant.
func New() *Store {
	s := &Store{data: state{
		tenants: map[record.TenantID]record.Tenant{},
		users:   map[record.UserID]record.User{},
		groups:  map[record.GroupID]record.Group{},
		pending: map[record.KeyID]record.PendingKey{},
		keys:    map[keyName]record.APIKey{},
		tokens:  map[record.TokenID]*record.Token{},
		objects: map[record.TokenID][]*object.Object{},
	}}
	t := &tx{&s.data}
	if err := t.PutTenant(&record.Tenant{Name: record.DefaultTenant}); err != nil {
		panic(err) // an empty map has no such name
	}
	return s
}

// Fail makes commits fail with err until it is called with nil.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// FillDisk makes commits fail as a full disk does.
func (s *Store) FillDisk() {
	s.Fail(ck.Errorf(ck.CKR_DEVICE_MEMORY, "writing the store: no space left on device"))
}

// Commits returns the number of committed updates.
func (s *Store) Commits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commits
}

// View runs fn on the committed state.
func (s *Store) View(fn func(provisioning.ReadTx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	snapshot := s.data.clone()
	return fn(&tx{&snapshot})
}

// Update runs fn twice, each time on a copy of the committed state, and commits the
// second if fn succeeded.
func (s *Store) Update(fn func(provisioning.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	discarded := s.data.clone()
	_ = fn(&tx{&discarded})
	next := s.data.clone()
	if err := fn(&tx{&next}); err != nil {
		return err
	}
	if s.fail != nil {
		return s.fail
	}
	changes := changesOf(s.data, next)
	s.data = next
	s.commits++
	for _, fn := range s.watchers {
		fn(changes)
	}
	return nil
}

// Watch calls fn with the changes of tokens of every commit.
func (s *Store) Watch(fn func([]record.Change)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(s.watchers, fn)
}

// changesOf returns the tokens that differ.
func changesOf(old, now state) []record.Change {
	var list []record.Change
	for id, t := range now.tokens {
		if was := old.tokens[id]; was == nil || was.Version != t.Version {
			list = append(list, record.Change{TokenID: id, Token: t})
		}
	}
	for id := range old.tokens {
		if now.tokens[id] == nil {
			list = append(list, record.Change{TokenID: id, Deleted: true})
		}
	}
	return list
}

// HashPIN makes a verifier that is bound to the token and the role like a real one, but
// fast. It contains the key of a PIN-bound token in plain.
func (*Store) HashPIN(token record.TokenID, role pin.Role, p, bound secret.Bytes) ([]byte, error) {
	return append(mac(fmt.Sprintf("PIN %s %v ", token, role), p), bound...), nil
}

// CheckPIN checks a verifier of HashPIN.
func (s *Store) CheckPIN(
	token record.TokenID, role pin.Role, verifier []byte, p secret.Bytes,
) (right bool, bound secret.Bytes, err error) {
	want, _ := s.HashPIN(token, role, p, nil)
	if len(verifier) < len(want) || !hmac.Equal(want, verifier[:len(want)]) {
		return false, nil, nil
	}
	return true, secret.Bytes(verifier[len(want):]).Clone(), nil
}

// NewBoundKey makes a key pair whose public key is a hash of the private one.
func (*Store) NewBoundKey() (public []byte, private secret.Bytes, err error) {
	private = make(secret.Bytes, 32)
	_, _ = rand.Read(private)
	return mac("public key ", private), private, nil
}

// PresentBoundKey knows no key but the present one.
func (s *Store) PresentBoundKey(
	token record.TokenID, private secret.Bytes,
) (public []byte, present secret.Bytes, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.data.tokens[token]
	if t == nil || !hmac.Equal(mac("public key ", private), t.BoundKey) {
		return nil, nil, false
	}
	return t.BoundKey, private.Clone(), true
}

// HasPIN reports whether p is the token's PIN and, for a PIN-bound token, opens the key
// of its secrets.
func (s *Store) HasPIN(token record.TokenID, role pin.Role, p secret.Bytes) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.data.tokens[token]
	if t == nil {
		return false
	}
	right, bound, _ := s.CheckPIN(token, role, t.PIN(role).Verifier, p)
	return right && (!t.PINBound || hmac.Equal(mac("public key ", bound), t.BoundKey))
}

// Tries sets the count of wrong tries of a token's PIN, as the engine does.
func (s *Store) Tries(token record.TokenID, role pin.Role, failed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.data.tokens[token].Clone()
	t.PIN(role).Failed = failed
	s.data.tokens[token] = t
}

// OpenSecret returns a copy of the secret attributes of an object.
func (s *Store) OpenSecret(token record.TokenID, id object.ID, _ secret.Bytes) (object.Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.data.objects[token] {
		if o.ID == id {
			return o.Secret.Clone(), nil
		}
	}
	return nil, notFound("object", id)
}

// HashAPIKey returns a keyed hash.
func (*Store) HashAPIKey(key secret.Bytes) []byte { return mac("API key ", key) }

// ObjectsOf returns the objects of a token with their secrets.
func (s *Store) ObjectsOf(token record.TokenID) []*object.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*object.Object(nil), s.data.objects[token]...)
}

func mac(what string, v []byte) []byte {
	h := hmac.New(sha256.New, []byte("a key for tests"))
	h.Write([]byte(what))
	h.Write(v)
	return h.Sum(nil)
}

func (d *state) clone() state {
	c := *d
	c.tenants, c.users, c.keys = maps.Clone(d.tenants), maps.Clone(d.users), maps.Clone(d.keys)
	c.groups, c.pending = maps.Clone(d.groups), maps.Clone(d.pending)
	c.tokens, c.objects = maps.Clone(d.tokens), maps.Clone(d.objects)
	return c
}

// The contract.
var _ provisioning.Store = (*Store)(nil)
