package vtoken

import (
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// finder is a search that is under way: the handles that matched when it began.
type finder struct{ left []ck.ObjectHandle }

// FindObjectsInit is C_FindObjectsInit (section 5.7). The search sees the objects
// of this moment. Secret attributes match nothing, so that searching does not
// reveal them.
func (c *Client) FindObjectsInit(h ck.SessionHandle, t ck.Template) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	if s.finder != nil {
		return ck.CKR_OPERATION_ACTIVE
	}
	left := s.token().find(t, s.sees)
	left = append(left, s.attachment.find(t, s.sees)...)
	left = append(left, s.findBuiltin(t)...)
	if len(left) > maxSearchResults {
		return ck.Errorf(ck.CKR_DEVICE_MEMORY, "%d objects match; search for less at a time", len(left))
	}
	s.finder = &finder{left}
	return nil
}

// find searches under a read lock where the index that it needs is there.
func (h *home) find(t ck.Template, visible func(*object.Object) bool) []ck.ObjectHandle {
	h.mu.RLock()
	if h.objects.ready(t) {
		defer h.mu.RUnlock()
		return h.objects.find(t, visible)
	}
	h.mu.RUnlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.objects.prepare(t)
	return h.objects.find(t, visible)
}

// FindObjects is C_FindObjects (section 5.7): up to limit handles more. Objects
// that went away since, or that a logout hid, are left out.
func (c *Client) FindObjects(h ck.SessionHandle, limit uint64) ([]ck.ObjectHandle, error) {
	s, err := c.enter(h)
	if err != nil {
		return nil, err
	}
	defer s.leave()
	if s.finder == nil {
		return nil, ck.CKR_OPERATION_NOT_INITIALIZED
	}
	found := make([]ck.ObjectHandle, 0, min(limit, uint64(len(s.finder.left))))
	i := 0
	for ; i < len(s.finder.left) && uint64(len(found)) < limit; i++ {
		if _, err := s.object(s.finder.left[i]); err == nil {
			found = append(found, s.finder.left[i])
		}
	}
	s.finder.left = s.finder.left[i:]
	return slices.Clip(found), nil
}

// FindObjectsFinal is C_FindObjectsFinal (section 5.7).
func (c *Client) FindObjectsFinal(h ck.SessionHandle) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	if s.finder == nil {
		return ck.CKR_OPERATION_NOT_INITIALIZED
	}
	s.finder = nil
	return nil
}
