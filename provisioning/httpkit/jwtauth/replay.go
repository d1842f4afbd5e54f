package jwtauth

import (
	"container/heap"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// Bounds of the remembered ids: of one client, and of all.
const (
	maxIDsEach = 1_000
	maxIDs     = 10_000
)

// Replays remembers the ids (jti) of tokens that may be used once. It is safe for
// concurrent use, and its memory is bounded: when it is full, it refuses tokens until
// others have expired, because it must not forget a used one.
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

// NewReplays returns Replays that have seen no token. now is the clock; nil is time.Now.
func NewReplays(now func() time.Time) *Replays {
	if now == nil {
		now = time.Now
	}
	return &Replays{now: now, used: map[[sha256.Size]byte]bool{}, each: map[string]int{}}
}

// Errors of [Replays.Use].
var (
	errNoID   = errors.New("the token has no jti; give each token one of its own")
	errReplay = errors.New("the token was used before; sign a new one for each request")
	errFull   = errors.New("too many tokens are in use; let them expire sooner, or try again later")
)

// Use records the use of a client's token by its verified claims, and refuses a token
// that was used before.
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

// forget deletes expired ids, whose tokens are refused anyway.
func (r *Replays) forget(now time.Time) {
	for len(r.ends) > 0 && !now.Before(r.ends[0].ends) {
		old := heap.Pop(&r.ends).(use)
		delete(r.used, old.id)
		if r.each[old.client]--; r.each[old.client] == 0 {
			delete(r.each, old.client)
		}
	}
}

// ending is a heap of uses. The first to end is on top.
type ending []use

// Len returns the number of uses.
func (e ending) Len() int { return len(e) }

// Less reports which one ends first.
func (e ending) Less(i, j int) bool { return e[i].ends.Before(e[j].ends) }

// Swap swaps two uses.
func (e ending) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push appends a use.
func (e *ending) Push(x any) { *e = append(*e, x.(use)) }

// Pop removes the last use.
func (e *ending) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
