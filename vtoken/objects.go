package vtoken

import (
	"errors"
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// What one application can make the daemon hold in memory.
const (
	maxSessionObjects = 1 << 16  // for each token
	maxSessionBytes   = 64 << 20 // of their values, for each token
	maxSearchResults  = 1 << 20
)

// spaceOf returns the space to which the handle belongs.
func (s *session) spaceOf(h ck.ObjectHandle) *objectSpace {
	if h&sessionObjectBit != 0 {
		return &s.attachment.objectSpace
	}
	return &s.token().objectSpace
}

// sees reports whether the session may see the object.
func (s *session) sees(o *object.Object) bool { return !o.Private() || s.isUser() }

// object returns the object with the handle if the session may see it; otherwise
// CKR_OBJECT_HANDLE_INVALID.
func (s *session) object(h ck.ObjectHandle) (*object.Object, error) {
	o := s.spaceOf(h).get(h)
	if o == nil && h&builtinBit != 0 {
		o = s.builtin(h)
	}
	if o == nil || !s.sees(o) {
		return nil, ck.CKR_OBJECT_HANDLE_INVALID
	}
	return o, nil
}

// mayWrite checks that the session may make or change an object like o (section 4.4: sessions
// and access to objects).
func (s *session) mayWrite(o *object.Object) error {
	switch {
	case o.Token() && !s.writable:
		return ck.Errorf(ck.CKR_SESSION_READ_ONLY, "token objects can be changed only in a read-write session")
	case o.Private() && !s.isUser():
		return ck.Errorf(ck.CKR_USER_NOT_LOGGED_IN, "private objects require the user to be logged in")
	}
	return nil
}

// toWrite returns an object that this session may change.
func (s *session) toWrite(obj ck.ObjectHandle) (*object.Object, error) {
	o, err := s.object(obj)
	if err != nil {
		return nil, err
	}
	return o, s.mayWrite(o)
}

// isSO reports whether the SO is logged in.
func (s *session) isSO() bool {
	r, in := s.role()
	return in && r == pin.SO
}

// CreateObject is C_CreateObject (section 5.7).
func (c *Client) CreateObject(h ck.SessionHandle, t ck.Template) (ck.ObjectHandle, error) {
	return c.performMaking(h, ActCreate, 0, t, func(s *session) (*object.Object, error) {
		return s.build(object.Source{Origin: object.Create}, t)
	})
}

// addObject adds one object, see addObjects.
func (s *session) addObject(o *object.Object) (ck.ObjectHandle, error) {
	handles, err := s.addObjects(o)
	if err != nil {
		return 0, err
	}
	return handles[0], nil
}

// addObjects adds new objects, all or none: first those of the token, in one commit, then
// those of the session.
func (s *session) addObjects(objects ...*object.Object) ([]ck.ObjectHandle, error) {
	for i, o := range objects {
		err := s.mayWrite(o)
		if err == nil {
			err = s.attachment.reserve(o)
		}
		if err != nil {
			s.attachment.release(objects[:i]...)
			return nil, err
		}
	}
	handles, err := s.store(objects)
	if err != nil {
		s.attachment.release(objects...)
		return nil, err
	}
	for i, o := range objects {
		if !o.Token() {
			handles[i] = s.attachment.addSessionObject(s, o)
		}
	}
	return handles, nil
}

// store commits the token objects among the new ones.
func (s *session) store(objects []*object.Object) ([]ck.ObjectHandle, error) {
	handles := make([]ck.ObjectHandle, len(objects))
	if !slices.ContainsFunc(objects, (*object.Object).Token) {
		return handles, nil
	}
	id := s.token().id
	err := s.update(func(tx Tx) error {
		for i, o := range objects {
			if !o.Token() {
				continue
			}
			stored := *o
			if err := tx.PutObject(id, &stored); err != nil {
				return err
			}
			handles[i] = ck.ObjectHandle(stored.ID)
		}
		return nil
	})
	return handles, err
}

// update commits a change of the token's objects, if the token is still usable. fn may be
// called more than once.
func (s *session) update(fn func(tx Tx) error) error {
	id := s.token().id
	return s.engine().store.Update(func(tx Tx) error {
		r, err := tx.Token(id)
		if err != nil {
			return asRemoved(err, "changing objects")
		}
		if !r.Usable(s.engine().opts.Now()) || !r.Initialized {
			return ck.Errorf(ck.CKR_DEVICE_REMOVED, "the token has been disabled")
		}
		return fn(tx)
	})
}

// addSessionObject adds a session object for which reserve has charged. It ends with the
// session, and a private one also with the login. If either has ended already, the returned
// handle is never valid.
func (a *attachment) addSessionObject(s *session, o *object.Object) ck.ObjectHandle {
	h := sessionObjectBit | ck.ObjectHandle(a.client.engine.handles.Add(1))
	a.keepSessionObject(h, s, o)
	return h
}

// keepSessionObject adds a session object under a handle, unless that is in use, or the session
// or the login has ended. Then it refunds what reserve has charged.
func (a *attachment) keepSessionObject(h ck.ObjectHandle, s *session, o *object.Object) (kept bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.closed.Load() || !s.sees(o) || a.owners[h] != nil {
		a.release(o)
		return false
	}
	a.objects.put(h, o)
	a.bytes += o.Size()
	a.trackObject(h, s, o)
	return true
}

// trackObject records which session a session object belongs to. objectSpace.mu is locked.
func (a *attachment) trackObject(h ck.ObjectHandle, s *session, o *object.Object) {
	a.owners[h] = s
	if s.objects == nil {
		s.objects = map[ck.ObjectHandle]struct{}{}
	}
	s.objects[h] = struct{}{}
	if o.Private() {
		a.private[h] = struct{}{}
	}
}

// dropObjects destroys the objects of a session and returns their keys.
func (a *attachment) dropObjects(s *session) []*liveKey {
	return a.drop(func() map[ck.ObjectHandle]struct{} { return s.objects })
}

// dropPrivate destroys the private session objects and returns their keys.
func (a *attachment) dropPrivate() []*liveKey {
	return a.drop(func() map[ck.ObjectHandle]struct{} { return a.private })
}

// drop destroys the session objects of a list and returns their keys.
func (a *attachment) drop(list func() map[ck.ObjectHandle]struct{}) []*liveKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	var keys []*liveKey
	for h := range list() {
		keys = append(keys, a.dropLocked(h)...)
	}
	return keys
}

// dropLocked destroys a session object. objectSpace.mu is locked.
func (a *attachment) dropLocked(h ck.ObjectHandle) []*liveKey {
	o := a.objects.get(h)
	a.bytes -= o.Size()
	a.release(o)
	a.objects.remove(h)
	delete(a.owners[h].objects, h)
	delete(a.owners, h)
	delete(a.private, h)
	return a.takeKey(h)
}

// CopyObject is C_CopyObject (section 5.7).
func (c *Client) CopyObject(h ck.SessionHandle, obj ck.ObjectHandle, t ck.Template) (made ck.ObjectHandle, err error) {
	s, err := c.enter(h)
	if err != nil {
		return 0, err
	}
	defer s.leave()
	o, err := s.object(obj)
	if err != nil {
		return 0, err
	}
	asked := describe(o)
	if _, given := t.Find(ck.CKA_TOKEN); given {
		asked.Token = askedFor(t).Token
	}
	e := Event{Act: ActCopy, Object: asked}
	e.setSession(s)
	err = c.perform(e, func(e *Event) error {
		copied, handle, err := s.copyObject(obj, o, t)
		if err == nil {
			e.Object, made = describe(copied), handle
		}
		return err
	})
	return made, err
}

// copyObject adds a copy of an object.
func (s *session) copyObject(h ck.ObjectHandle, o *object.Object, t ck.Template) (*object.Object, ck.ObjectHandle, error) {
	copied, err := s.copied(h, o, t)
	if err != nil {
		return nil, 0, err
	}
	handle, err := s.addObject(copied)
	return copied, handle, err
}

// copied makes the copy of an object, which is in no space yet.
func (s *session) copied(h ck.ObjectHandle, o *object.Object, t ck.Template) (*object.Object, error) {
	o, err := s.openSecrets(h, o)
	if err != nil {
		return nil, err
	}
	if h&sessionObjectBit == 0 {
		defer o.Secret.Wipe()
	}
	return o.Copy(t, s.isSO())
}

// openSecrets returns the object with its secret attributes. The caller wipes those of a token
// object.
func (s *session) openSecrets(h ck.ObjectHandle, o *object.Object) (*object.Object, error) {
	if !o.Sealed() {
		return o, nil
	}
	bound := s.token().secrets.boundKey()
	defer bound.Wipe()
	set, err := s.engine().store.OpenSecret(s.token().id, object.ID(h), bound)
	if errors.Is(err, record.ErrNotFound) {
		return nil, ck.Errorf(ck.CKR_OBJECT_HANDLE_INVALID, "the object has been destroyed in the meantime: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return o.WithSecret(set), nil
}

// DestroyObject is C_DestroyObject (section 5.7). The handle stays valid until
// the object is gone from the disk, so that no object comes back after a restart
// (softhsm/SoftHSMv2#903).
func (c *Client) DestroyObject(h ck.SessionHandle, obj ck.ObjectHandle) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	o, err := s.object(obj)
	if err != nil {
		return err
	}
	e := Event{Act: ActDestroy, Object: describe(o)}
	e.setSession(s)
	return c.perform(e, func(*Event) error { return s.destroyObject(obj, o) })
}

func (s *session) destroyObject(obj ck.ObjectHandle, o *object.Object) error {
	if err := s.mayWrite(o); err != nil {
		return err
	}
	if !o.Destroyable() {
		return ck.Errorf(ck.CKR_ACTION_PROHIBITED, "the object's CKA_DESTROYABLE is false")
	}
	if obj&sessionObjectBit != 0 {
		return s.attachment.destroy(obj)
	}
	err := s.update(func(tx Tx) error { return tx.DeleteObject(s.token().id, object.ID(obj)) })
	if errors.Is(err, record.ErrNotFound) {
		return ck.Errorf(ck.CKR_OBJECT_HANDLE_INVALID, "the object has been destroyed in the meantime: %w", err)
	}
	return err
}

// destroy destroys a session object, unless another thread has done so.
func (a *attachment) destroy(h ck.ObjectHandle) error {
	a.mu.Lock()
	var keys []*liveKey
	if a.owners[h] != nil {
		keys = a.dropLocked(h)
	}
	a.mu.Unlock()
	a.client.engine.wipeKeys(keys)
	return nil
}
