package p11server

import (
	"sync"
	"sync/atomic"

	"vtoken/vtoken/ck"
)

// slowSessions are the sessions of a connection whose calls take long by their key. To look
// there is one atomic load as long as there are none.
type slowSessions struct {
	count atomic.Int32 // len(of)
	mu    sync.Mutex
	of    map[ck.SessionHandle]struct{}
}

// note is for Client.OnSlow.
func (s *slowSessions) note(h ck.SessionHandle, slow bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[ck.SessionHandle]struct{}{}
	}
	if slow {
		s.of[h] = struct{}{}
	} else {
		delete(s.of, h)
	}
	s.count.Store(int32(len(s.of)))
}

func (s *slowSessions) has(h ck.SessionHandle) bool {
	if s.count.Load() == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.of[h]
	return ok
}
