package main

import (
	"context"
	"strconv"
	"sync"

	"vtoken/daemon/turns"
	"vtoken/vtoken/record"
)

// users counts who is active: OS users with applications, and API credentials with slow work.
// It tells the queue of slow work whether they have to share the processors.
type users struct {
	queue *turns.Queue

	mu    sync.Mutex
	about map[string]int // applications, or pieces of work
}

func newUsers(q *turns.Queue) *users {
	q.Share(false)
	return &users{queue: q, about: make(map[string]int)}
}

// come counts somebody until gone is called.
func (u *users) come(who string) (gone func()) {
	u.count(who, 1)
	return sync.OnceFunc(func() { u.count(who, -1) })
}

// application counts an application of an OS user.
func (u *users) application(p record.Peer) (gone func()) {
	return u.come("uid " + strconv.FormatUint(uint64(p.UID), 10))
}

func (u *users) count(who string, by int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	before := u.shared()
	if u.about[who] += by; u.about[who] == 0 {
		delete(u.about, who)
	}
	if after := u.shared(); before != after {
		u.queue.Share(after)
	}
}

// shared reports whether more than one is active. u.mu is locked.
func (u *users) shared() bool { return len(u.about) > 1 }

// apiTurns is the queue of slow work for the APIs. A credential is active while its work runs
// or waits.
type apiTurns struct{ users *users }

// Do implements the queue's Do.
func (a apiTurns) Do(ctx context.Context, owner string, work func(pause func() error)) error {
	defer a.users.come(owner)()
	return a.users.queue.Do(ctx, owner, work)
}
