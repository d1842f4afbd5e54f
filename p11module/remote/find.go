package remote

import (
	"slices"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// A search takes one round trip where it finds little: C_FindObjectsInit asks
// for the first objects in the same write, C_FindObjects answers from those, and
// the end of the search is told to the daemon without waiting for its answer. To
// a host nothing changes: the daemon fixes what a search finds when it starts,
// and works on the calls of a session in their order.

// search is a search of a session.
type search struct {
	active bool
	found  []ck.ObjectHandle // by the daemon, and not yet asked for by the host
	whole  bool              // there are no more than those
	had    []ck.ObjectHandle // all that the daemon has found
	again  bool              // it was started again, and finds those once more
	doubts uint64            // session.doubts when it began
}

// firstFound is how many objects the start of a search asks for.
const firstFound = 64

// mostObjects is how many handles one answer may hold.
const mostObjects = 64 << 10

// FindObjectsInit is C_FindObjectsInit (section 5.7.7).
func (c *Client) FindObjectsInit(h ck.SessionHandle, t ck.Template) error {
	s, err := c.session(h)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
	init := s.begin(p11rpc.CallFindObjectsInit)
	defer init.free()
	init.enc.Template(t)
	if err := init.enc.End(); err != nil {
		return err
	}
	if s.searching() {
		if s.version == p11rpc.Joined {
			return ck.CKR_OPERATION_ACTIVE // a daemon that was restarted does not know
		}
		return init.sendPlain() // the daemon refuses it, and is not to be asked for more
	}
	return s.startSearch(init)
}

// searching reports whether a search is under way.
func (s *session) searching() bool {
	if s.search.active && s.search.doubts != s.doubts.Load() {
		s.search = search{}
	}
	return s.search.active
}

// startSearch sends the start and the first question.
func (s *session) startSearch(init *exchange) error {
	first := s.begin(p11rpc.CallFindObjects)
	defer first.free()
	first.enc.UlongBuffer(firstFound)
	if err := first.enc.End(); err != nil {
		return err
	}
	doubts := s.doubts.Load()
	if err := s.client.perform(s, init, first); err != nil {
		return err
	}
	err := init.answer
	if err == nil {
		err = init.done()
	}
	init.settle(err)
	if err != nil {
		return err
	}
	found, err := first.objects(firstFound)
	s.search = search{
		active: true,
		found:  found,
		whole:  err == nil && len(found) < firstFound,
		had:    slices.Clip(found),
		doubts: doubts,
	}
	return nil // an error comes again with C_FindObjects
}

// objects opens the answer to a FindObjects for that many.
func (x *exchange) objects(most uint64) ([]ck.ObjectHandle, error) {
	if x.answer != nil {
		return nil, x.answer
	}
	found, n := p11rpc.UlongList[ck.ObjectHandle](&x.dec)
	if err := x.done(); err != nil {
		return nil, err
	}
	if n > most {
		err := ck.Errorf(ck.CKR_DEVICE_ERROR, "%d objects where at most %d were asked for", n, most)
		x.conn.lose(err)
		return nil, err
	}
	return found, nil
}

// FindObjects is C_FindObjects (section 5.7.8). It returns fewer than most
// handles only where there are no more.
func (c *Client) FindObjects(h ck.SessionHandle, most uint64) ([]ck.ObjectHandle, error) {
	s, err := c.session(h)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.searching() {
		return nil, ck.CKR_OPERATION_NOT_INITIALIZED
	}
	for uint64(len(s.search.found)) < most && !s.search.whole {
		if err := s.findMore(min(most-uint64(len(s.search.found)), mostObjects)); err != nil {
			s.search = search{} // an error ends it (section 5.2)
			s.refuse(p11rpc.CallFindObjects)
			return nil, err
		}
	}
	n := min(most, uint64(len(s.search.found)))
	result := s.search.found[:n:n]
	s.search.found = s.search.found[n:]
	return result, nil
}

// findMore asks for more, and leaves out what a search that was started again finds twice.
func (s *session) findMore(most uint64) error {
	if s.search.again {
		most = mostObjects
	}
	x := s.begin(p11rpc.CallFindObjects)
	defer x.free()
	x.enc.UlongBuffer(most)
	if err := x.enc.End(); err != nil {
		return err
	}
	replays := s.replays
	if err := s.client.perform(s, x); err != nil {
		return err
	}
	found, err := x.objects(most)
	if err != nil {
		return err
	}
	s.search.whole = uint64(len(found)) < most
	s.search.again = s.search.again || s.replays != replays
	if s.search.again {
		found = without(found, s.search.had)
	}
	s.search.found = append(s.search.found, found...)
	s.search.had = append(s.search.had, found...)
	return nil
}

// without are the objects that are not in had.
func without(found, had []ck.ObjectHandle) []ck.ObjectHandle {
	is := make(map[ck.ObjectHandle]bool, len(had))
	for _, o := range had {
		is[o] = true
	}
	return slices.DeleteFunc(found, func(o ck.ObjectHandle) bool { return is[o] })
}

// FindObjectsFinal is C_FindObjectsFinal (section 5.7.9).
func (c *Client) FindObjectsFinal(h ck.SessionHandle) error {
	s, err := c.session(h)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.searching() {
		return ck.CKR_OPERATION_NOT_INITIALIZED
	}
	s.search = search{}
	s.state.Lock()
	s.ops[kindSearch].active = false
	s.state.Unlock()
	x := s.begin(p11rpc.CallFindObjectsFinal)
	defer x.free()
	if err := x.enc.End(); err != nil {
		return err
	}
	return s.post(x)
}

// post sends a request that ends an operation. Nobody waits for the answer, which the next one
// to read drops. Where it cannot be sent, the next call of the session ends the operation.
func (s *session) post(x *exchange) error {
	n := s.conn.Load()
	if p := s.pin.Load(); p != nil {
		n = p.conn
	}
	sent := n.post(x, time.Now().Add(s.client.options.Timeout))
	switch {
	case sent && n.version == p11rpc.Joined:
		s.pin.Store(&pin{conn: n, code: x.code, flags: disturbs(x.call)})
	case n.version == p11rpc.Joined:
		s.doubt(disturbs(x.call))
	case !sent:
		return n.why()
	}
	return nil
}
