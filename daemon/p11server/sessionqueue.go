package p11server

import (
	"sync"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// Limits of one connection.
const (
	// maxRequests bounds the requests that were read and are not yet answered,
	// and maxRequestBytes their bodies: beyond, the connection is not read.
	maxRequests     = 64
	maxRequestBytes = 2 * p11rpc.MaxBody
	// maxWaits bounds the calls of C_WaitForSlotEvent under way.
	maxWaits = 8
)

// sessionQueues keeps the requests that goroutines other than the reader handle. Each session
// with such a request has a queue: its requests in their order, handled by one goroutine.
type sessionQueues struct {
	mu      sync.Mutex
	freed   sync.Cond // of mu: a request was answered
	waiting map[ck.SessionHandle][]*task
	count   int // requests in lines and under way
	bytes   int // of their bodies
	waits   int
	workers sync.WaitGroup
}

func (l *sessionQueues) init() {
	l.freed.L = &l.mu
	l.waiting = make(map[ck.SessionHandle][]*task)
}

// pending is the number of requests that were queued and are not answered yet.
func (l *sessionQueues) pending() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// has reports whether the session has a queue. Only the reader adds queues, so false stays
// true until the reader joins one.
func (l *sessionQueues) has(s ck.SessionHandle) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.waiting[s]
	return ok
}

func (l *sessionQueues) hasRoom(size int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.room(size)
}

func (l *sessionQueues) room(size int) bool {
	return l.count == 0 || l.count < maxRequests && l.bytes+size <= maxRequestBytes
}

// join appends a request to its session's queue, once there is room. start reports whether the
// caller has to start a worker for it.
func (l *sessionQueues) join(t *task) (start bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.room(len(t.body)) {
		l.freed.Wait()
	}
	l.count++
	l.bytes += len(t.body)
	if t.session != 0 {
		line, busy := l.waiting[t.session]
		if busy {
			l.waiting[t.session] = append(line, t)
			return false
		}
		l.waiting[t.session] = nil
	}
	l.workers.Add(1)
	return true
}

// next ends a request of that size, and returns the next one of the queue, or nil at its end.
func (l *sessionQueues) next(s ck.SessionHandle, size int) *task {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
	l.bytes -= size
	l.freed.Signal()
	if s == 0 {
		return nil
	}
	line := l.waiting[s]
	if len(line) == 0 {
		delete(l.waiting, s)
		return nil
	}
	l.waiting[s] = line[1:]
	return line[0]
}

// addWait counts a call that waits, if the limit allows it.
func (l *sessionQueues) addWait() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waits == maxWaits {
		return false
	}
	l.waits++
	l.workers.Add(1)
	return true
}

// endWait ends the count of a call that waits. Its worker continues.
func (l *sessionQueues) endWait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits--
}
