package vtoken

import (
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// finder is a running search: the handles that matched when it began.
type finder struct {
	left   []ck.ObjectHandle
	weight int
}

// FindObjectsInit is C_FindObjectsInit (section 5.7). The search returns objects that match
// now. Secret attributes never match, so searching does not reveal them.
func (c *Client) FindObjectsInit(h ck.SessionHandle, t ck.Template) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	if s.finder != nil {
		return ck.CKR_OPERATION_ACTIVE
	}
	left := s.find(t)
	if otp, ok := asOTPKey(t); ok && len(left) == 0 {
		left = s.find(otp)
	}
	if len(left) > maxSearchResults {
		return ck.Errorf(ck.CKR_DEVICE_MEMORY, "%d objects match; use a narrower search", len(left))
	}
	weight := 8 * cap(left)
	if err := s.Reserve(weight); err != nil {
		return err
	}
	s.finder = &finder{left, weight}
	return nil
}

// find returns every matching object that the session may see.
func (s *session) find(t ck.Template) []ck.ObjectHandle {
	left := s.token().find(t, s.sees)
	left = append(left, s.attachment.find(t, s.sees)...)
	return append(left, s.findBuiltin(t)...)
}

// asOTPKey replaces a search for a private or secret key by id alone with one for an OTP key.
// pkcs11-tool looks for nothing else to sign with, and would find no key to make a one-time
// password.
func asOTPKey(t ck.Template) (ck.Template, bool) {
	class, _ := classOf(t)
	id, ok := t.Find(ck.CKA_ID)
	if len(t) != 2 || class != ck.CKO_SECRET_KEY && class != ck.CKO_PRIVATE_KEY || !ok || len(id.Value) == 0 {
		return nil, false
	}
	return ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_OTP_KEY), id}, true
}

// find searches under a read lock if the index that it needs exists.
func (h *objectSpace) find(t ck.Template, visible func(*object.Object) bool) []ck.ObjectHandle {
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

// FindObjects is C_FindObjects (section 5.7). It returns up to limit more handles, without
// objects that were destroyed or that a logout hid.
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
