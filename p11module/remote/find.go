package remote

import (
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
	if s.search.active {
		return init.plain() // the daemon refuses it, and is not to be asked for more
	}
	if err := init.enc.End(); err != nil {
		return err
	}
	return s.startSearch(init)
}

// startSearch sends the start and the first question.
func (s *session) startSearch(init *exchange) error {
	first := s.begin(p11rpc.CallFindObjects)
	defer first.free()
	first.enc.UlongBuffer(firstFound)
	if err := first.enc.End(); err != nil {
		return err
	}
	if err := s.conn.roundTrip(s.conn.limit, init, first); err != nil {
		return err
	}
	if err := init.open(); err != nil {
		return err
	}
	if err := init.done(); err != nil {
		return err
	}
	found, err := first.objects(firstFound)
	s.search = search{active: true, found: found, whole: err == nil && len(found) < firstFound}
	return nil // an error comes again with C_FindObjects
}

// objects opens the answer to a FindObjects for that many.
func (x *exchange) objects(most uint64) ([]ck.ObjectHandle, error) {
	if err := x.open(); err != nil {
		return nil, err
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
	if !s.search.active {
		return nil, ck.CKR_OPERATION_NOT_INITIALIZED
	}
	n := min(most, uint64(len(s.search.found)))
	result := s.search.found[:n:n]
	s.search.found = s.search.found[n:]
	for uint64(len(result)) < most && !s.search.whole {
		more, err := s.findMore(min(most-uint64(len(result)), mostObjects))
		if err != nil {
			return nil, err
		}
		result = append(result, more...)
	}
	return result, nil
}

func (s *session) findMore(most uint64) ([]ck.ObjectHandle, error) {
	x := s.begin(p11rpc.CallFindObjects)
	defer x.free()
	x.enc.UlongBuffer(most)
	if err := x.enc.End(); err != nil {
		return nil, err
	}
	if err := x.conn.roundTrip(x.limit(), x); err != nil {
		return nil, err
	}
	found, err := x.objects(most)
	s.search.whole = err == nil && uint64(len(found)) < most
	return found, err
}

// FindObjectsFinal is C_FindObjectsFinal (section 5.7.9).
func (c *Client) FindObjectsFinal(h ck.SessionHandle) error {
	s, err := c.session(h)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.search.active {
		return ck.CKR_OPERATION_NOT_INITIALIZED
	}
	s.search = search{}
	x := s.begin(p11rpc.CallFindObjectsFinal)
	defer x.free()
	return x.post()
}
