package jwtauth

import (
	"container/heap"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// Bounds of the ids that are remembered: of one client, and of all.
const (
	maxIDsEach = 1_000
	maxIDs     = 10_000
)

// Replays remembers the ids (jti) of tokens that may be used once. It is safe for
// concurrent use, and its memory is bounded: where it is full, tokens are refused
// until others have expired, because none that was used must be forgotten.
type Replays struct {
	now func() time.Time

	mu   sync.Mutex
	used map[[sha256.Size]byte]bool
	each map[string]int
	ends ending
}

// use is one use of an id.
type use struct {
	id     [sha256.Size]byte
	client string
	ends   time.Time
}

// NewReplays has seen no token. now is the clock; nil is time.Now.
func NewReplays(now func() time.Time) *Replays {
	if now == nil {
		now = time.Now
	}
	return &Replays{now: now, used: map[[sha256.Size]byte]bool{}, each: map[string]int{}}
}

// What [Replays.Use] refuses.
var (
	errNoID   = errors.New("the token has no jti; give each token one of its own")
	errReplay = errors.New("the token was used before; sign a new one for each request")
	errFull   = errors.New("too many tokens are in use; let them expire sooner, or try again later")
)

// Use notes the use of a token of a client by the claims that were verified, and
// refuses it if it was used before.
func (r *Replays) Use(client string, c Claims) error {
	if c.ID == "" || c.ExpiresAt == nil {
		return errNoID
	}
	id := sha256.Sum256([]byte(client + "\x00" + c.ID))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(r.now())
	switch {
	case r.used[id]:
		return errReplay
	case len(r.used) >= maxIDs || r.each[client] >= maxIDsEach:
		return errFull
	}
	r.used[id] = true
	r.each[client]++
	heap.Push(&r.ends, use{id, client, c.ExpiresAt.Add(Skew)})
	return nil
}

// forget drops what has expired, and could not be used again anyway.
func (r *Replays) forget(now time.Time) {
	for len(r.ends) > 0 && !now.Before(r.ends[0].ends) {
		old := heap.Pop(&r.ends).(use)
		delete(r.used, old.id)
		if r.each[old.client]--; r.each[old.client] == 0 {
			delete(r.each, old.client)
		}
	}
}

// ending is a heap of uses, the one that ends first on top.
type ending []use

// Len is how many there are.
func (e ending) Len() int { return len(e) }

// Less is which ends first.
func (e ending) Less(i, j int) bool { return e[i].ends.Before(e[j].ends) }

// Swap swaps two.
func (e ending) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push adds one at the end.
func (e *ending) Push(x any) { *e = append(*e, x.(use)) }

// Pop takes the last.
func (e *ending) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
