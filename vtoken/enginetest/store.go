package enginetest

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"sync"
	"time"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Store is a [vtoken.Store] in memory.
type Store struct {
	// BeforeCommit, where set, is called before each commit; its error fails the
	// update and nothing of it is stored. Change it only while no update runs.
	BeforeCommit func() error
	// Quota bounds the objects of tokens where it is set.
	Quota record.Quota
	// ForgetLogins is what ForgetsLogins reports. Change it only while nobody logs in.
	ForgetLogins bool
	// hashes counts the calls of CheckPIN, which is slow in a real store.
	hashes int

	commitMu sync.Mutex // one update at a time, its watchers included

	mu       sync.RWMutex
	users    map[uint32][]*record.User
	tokens   map[record.TokenID]*record.Token
	objects  map[record.TokenID]map[object.ID]*object.Object
	watchers []func([]record.Change)
	lastSlot ck.SlotID
	lastID   object.ID
	runs     int
}

var _ vtoken.Store = (*Store)(nil)

// New is an empty store.
func New() *Store {
	return &Store{
		users:   map[uint32][]*record.User{},
		tokens:  map[record.TokenID]*record.Token{},
		objects: map[record.TokenID]map[object.ID]*object.Object{},
	}
}

// MapUser makes the processes of uid act for the user, beside those it acts for.
func (s *Store) MapUser(uid uint32, user record.UserID) {
	s.mu.Lock()
	s.users[uid] = append(s.users[uid], &record.User{ID: user, Login: string(user), Enabled: true})
	s.mu.Unlock()
	s.tell([]record.Change{{UserID: user}})
}

// UnmapUser ends all that processes of uid act for.
func (s *Store) UnmapUser(uid uint32) {
	s.unmap(uid, func(*record.User) bool { return true })
}

// UnmapOne ends that processes of uid act for the user.
func (s *Store) UnmapOne(uid uint32, user record.UserID) {
	s.unmap(uid, func(u *record.User) bool { return u.ID == user })
}

func (s *Store) unmap(uid uint32, chosen func(*record.User) bool) {
	var lost, left []*record.User
	s.mu.Lock()
	for _, u := range s.users[uid] {
		if chosen(u) {
			lost = append(lost, u)
		} else {
			left = append(left, u)
		}
	}
	s.users[uid] = left
	s.mu.Unlock()
	for _, u := range lost {
		s.tell([]record.Change{{UserID: u.ID, UserLost: true}})
	}
}

// AddToken stores a complete token of the user with both PINs set.
func (s *Store) AddToken(user record.UserID, label, userPIN, soPIN string) (*record.Token, error) {
	return s.addToken(user, false, label, userPIN, soPIN)
}

// AddBoundToken stores a PIN-bound token that is otherwise like that of AddToken.
func (s *Store) AddBoundToken(user record.UserID, label, userPIN, soPIN string) (*record.Token, error) {
	return s.addToken(user, true, label, userPIN, soPIN)
}

func (s *Store) addToken(user record.UserID, bound bool, label, userPIN, soPIN string) (*record.Token, error) {
	t := &record.Token{
		PINBound: bound,
		Holders:  record.HeldBy(user, time.Time{}, ""), Label: label, Initialized: true, Activation: record.Activated, Complete: true, Enabled: true, MaxRSABits: 8192,
		UserPIN: pin.State{Policy: pin.Default}, SOPIN: pin.State{Policy: pin.Default},
	}
	err := s.Update(func(tx vtoken.Tx) error {
		stored := *t
		if err := tx.NewToken(&stored); err != nil {
			return err
		}
		t = &stored
		return nil
	})
	if err != nil {
		return nil, err
	}
	public, private, err := s.NewBoundKey()
	if err != nil {
		return nil, err
	}
	if !t.PINBound {
		public, private = nil, nil
	}
	return t, s.Update(func(tx vtoken.Tx) error {
		old, err := tx.Token(t.ID)
		if err != nil {
			return err
		}
		t = old.Clone()
		t.BoundKey = public
		for role, p := range map[pin.Role]string{pin.User: userPIN, pin.SO: soPIN} {
			v, err := s.HashPIN(t.ID, role, secret.Bytes(p), private)
			if err != nil {
				return err
			}
			*t.PIN(role) = t.PIN(role).Change(v, time.Now())
		}
		return tx.PutToken(t)
	})
}

// ChangeToken is an administrator's change of a token.
func (s *Store) ChangeToken(id record.TokenID, change func(*record.Token)) error {
	return s.Update(func(tx vtoken.Tx) error {
		t, err := tx.Token(id)
		if err != nil {
			return err
		}
		t = t.Clone()
		change(t)
		return tx.PutToken(t)
	})
}

// DeleteToken removes a token and its objects.
func (s *Store) DeleteToken(id record.TokenID) error {
	return s.Update(func(t vtoken.Tx) error { return t.(*tx).deleteToken(id) })
}

// Hashes is how often a PIN was compared with a verifier.
func (s *Store) Hashes() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.hashes
}

// View implements [vtoken.Store].
func (s *Store) View(fn func(tx vtoken.ReadTx) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return fn(newTx(s))
}

// Update implements [vtoken.Store]. Every third closure runs twice.
func (s *Store) Update(fn func(tx vtoken.Tx) error) error {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	s.runs++
	if s.runs%3 == 0 {
		if err := s.run(fn, newTx(s)); err != nil {
			return err
		}
	}
	t := newTx(s)
	if err := s.run(fn, t); err != nil {
		return err
	}
	if s.BeforeCommit != nil {
		if err := s.BeforeCommit(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	t.commit()
	s.mu.Unlock()
	s.tell(t.changes)
	return nil
}

func (s *Store) run(fn func(tx vtoken.Tx) error, t *tx) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return fn(t)
}

func (s *Store) tell(changes []record.Change) {
	for _, fn := range s.watchers {
		fn(changes)
	}
}

// Watch implements [vtoken.Store].
func (s *Store) Watch(fn func([]record.Change)) { s.watchers = append(s.watchers, fn) }

// HashPIN implements [vtoken.Store], quickly and without any strength. The key of
// a PIN-bound token stands behind the hash as it is.
func (s *Store) HashPIN(token record.TokenID, role pin.Role, p, bound secret.Bytes) ([]byte, error) {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	return append(append(salt, digest(salt, token, role, p)...), bound...), nil
}

// CheckPIN implements [vtoken.Store].
func (s *Store) CheckPIN(token record.TokenID, role pin.Role, verifier []byte, p secret.Bytes) (bool, secret.Bytes, error) {
	s.mu.Lock()
	s.hashes++
	s.mu.Unlock()
	if len(verifier) < 16+sha256.Size {
		return false, nil, nil
	}
	want := digest(verifier[:16], token, role, p)
	if subtle.ConstantTimeCompare(want, verifier[16:16+sha256.Size]) != 1 {
		return false, nil, nil
	}
	return true, secret.Bytes(verifier[16+sha256.Size:]).Clone(), nil
}

// NewBoundKey implements [vtoken.Store]: the public key is the hash of the
// private one.
func (s *Store) NewBoundKey() (public []byte, private secret.Bytes, err error) {
	private = make(secret.Bytes, 32)
	_, _ = rand.Read(private)
	sum := sha256.Sum256(private)
	return sum[:], private, nil
}

func digest(salt []byte, token record.TokenID, role pin.Role, p secret.Bytes) []byte {
	sum := sha256.Sum256(bytes.Join([][]byte{salt, []byte(token), {byte(role)}, p}, []byte{0}))
	return sum[:]
}

// OpenSecret implements [vtoken.Store].
func (s *Store) OpenSecret(token record.TokenID, id object.ID, bound secret.Bytes) (object.Set, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.objects[token][id]
	if o == nil {
		return nil, fmt.Errorf("object %d: %w", id, record.ErrNotFound)
	}
	if t := s.tokens[token]; len(t.BoundKey) > 0 && o.Private() {
		if bound == nil {
			return nil, ck.Errorf(ck.CKR_USER_NOT_LOGGED_IN, "object %d of token %s opens with a PIN only", id, token)
		}
		if sum := sha256.Sum256(bound); !bytes.Equal(sum[:], t.BoundKey) {
			return nil, ck.Errorf(ck.CKR_DEVICE_ERROR, "object %d of token %s is sealed to another key", id, token)
		}
	}
	return o.Secret.Clone(), nil
}
