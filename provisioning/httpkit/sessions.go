package httpkit

import (
	"container/list"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Bounds of [Sessions]: of one credential, and of all. Beyond them, the oldest session
// ends for a new one.
const (
	maxSessionsEach = 64
	maxSessions     = 10_000
)

// Credentials authenticates credentials again; provisioning.Service implements it.
type Credentials interface {
	Reauthenticate(ctx context.Context, c provisioning.Credential) (provisioning.Credential, error)
}

// Sessions are the tokens that a dialect issued to authenticated clients: 256 random
// bits, of which it keeps a hash, in memory only. A session ends after its lifetime, and
// with its credential. It is safe for concurrent use.
type Sessions struct {
	credentials Credentials
	lifetime    time.Duration
	now         func() time.Time

	mu  sync.Mutex
	of  map[[sha256.Size]byte]*session
	all *list.List // of *session, the one begun first in front
	own map[owner]*list.List
}

type owner struct {
	tenant record.TenantID
	name   string
}

type session struct {
	id         [sha256.Size]byte
	credential provisioning.Credential
	rights     record.Rights
	ends       time.Time
	owner      owner
	inAll      *list.Element
	inOwn      *list.Element
}

// NewSessions returns sessions of that lifetime. now is the clock; nil is time.Now.
func NewSessions(c Credentials, lifetime time.Duration, now func() time.Time) *Sessions {
	if now == nil {
		now = time.Now
	}
	return &Sessions{
		credentials: c, lifetime: lifetime, now: now,
		of: map[[sha256.Size]byte]*session{}, all: list.New(), own: map[owner]*list.List{},
	}
}

// Begin starts a session of an authenticated credential, with those of its rights that
// are in the set. The token is in base64url; the caller wipes it.
func (s *Sessions) Begin(c provisioning.Credential, rights record.Rights) (token secret.Bytes, begins, ends time.Time) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: it stops the process instead
	defer clear(random[:])
	token = base64.RawURLEncoding.AppendEncode(nil, random[:])
	begins = s.now()
	made := &session{
		id: sha256.Sum256(token), credential: c, rights: rights, ends: begins.Add(s.lifetime),
		owner: owner{c.Caller.Tenant, c.Caller.Name},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(made.owner, begins)
	s.add(made)
	return token, begins, made.ends
}

// Lifetime returns how long a session lasts.
func (s *Sessions) Lifetime() time.Duration { return s.lifetime }

// Caller returns the caller of a session by its token. An unknown token, or one whose
// session or credential has ended, is Unauthenticated.
func (s *Sessions) Caller(ctx context.Context, token secret.Bytes) (provisioning.Caller, error) {
	refused := provisioning.Errorf(provisioning.Unauthenticated,
		"the access token is unknown or has expired; get a new one with your credential")
	if len(token) == 0 || len(token) > base64.RawURLEncoding.EncodedLen(32) {
		return provisioning.Caller{}, refused
	}
	found := s.find(sha256.Sum256(token))
	if found == nil {
		return provisioning.Caller{}, refused
	}
	c, err := s.credentials.Reauthenticate(ctx, found.credential)
	if provisioning.KindOf(err) == provisioning.Unauthenticated && err != nil {
		s.End(token)
		return provisioning.Caller{}, refused
	}
	return c.Caller.Limited(found.rights), err
}

// End ends the session of a token.
func (s *Sessions) End(token secret.Bytes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.of[sha256.Sum256(token)]; found != nil {
		s.remove(found)
	}
}

func (s *Sessions) find(id [sha256.Size]byte) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.of[id]
	if found != nil && !s.now().Before(found.ends) {
		s.remove(found)
		return nil
	}
	return found
}

// makeRoom ends expired sessions, and the oldest ones beyond the bounds.
func (s *Sessions) makeRoom(o owner, now time.Time) {
	for first := s.all.Front(); first != nil && !now.Before(first.Value.(*session).ends); first = s.all.Front() {
		s.remove(first.Value.(*session))
	}
	if own := s.own[o]; own != nil && own.Len() >= maxSessionsEach {
		s.remove(own.Front().Value.(*session))
	}
	if s.all.Len() >= maxSessions {
		s.remove(s.all.Front().Value.(*session))
	}
}

func (s *Sessions) add(made *session) {
	if s.own[made.owner] == nil {
		s.own[made.owner] = list.New()
	}
	s.of[made.id] = made
	made.inAll, made.inOwn = s.all.PushBack(made), s.own[made.owner].PushBack(made)
}

func (s *Sessions) remove(old *session) {
	delete(s.of, old.id)
	s.all.Remove(old.inAll)
	own := s.own[old.owner]
	if own.Remove(old.inOwn); own.Len() == 0 {
		delete(s.own, old.owner)
	}
}
