package main

import (
	"sync"

	"vtoken/daemon/turns"
	"vtoken/vtoken/record"
)

// users counts the applications of each OS user, and tells the queue of slow work whether
// there is more than one user to share the processors.
type users struct {
	queue *turns.Queue

	mu           sync.Mutex
	applications map[uint32]int
}

func newUsers(q *turns.Queue) *users {
	q.Share(false)
	return &users{queue: q, applications: make(map[uint32]int)}
}

// come counts an application, until the caller calls gone.
func (u *users) come(p record.Peer) (gone func()) {
	u.count(p.UID, 1)
	return sync.OnceFunc(func() { u.count(p.UID, -1) })
}

func (u *users) count(uid uint32, by int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	before := len(u.applications)
	if u.applications[uid] += by; u.applications[uid] == 0 {
		delete(u.applications, uid)
	}
	if after := len(u.applications); (before > 1) != (after > 1) {
		u.queue.Share(after > 1)
	}
}
