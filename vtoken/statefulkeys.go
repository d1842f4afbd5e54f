package vtoken

import (
	"errors"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// advance is the step before the last of an operation. If the mechanism uses up a state of the
// key ([mech.Stateful]), it commits the next state before anything is made with this one. For
// all other mechanisms it does nothing. An error ends the operation.
//
// The key is not held during the commit, because applyChanges may have to wipe it.
func (s *session) advance(k kind, op *operation, part any) error {
	stateful, ok := part.(mech.Stateful)
	if !ok {
		return nil
	}
	err := op.requirePIN()
	if err == nil {
		err = s.commitAdvance(op.handle, stateful)
	}
	if err != nil {
		s.ops[k] = nil
	}
	return err
}

func (s *session) commitAdvance(key ck.ObjectHandle, part mech.Stateful) error {
	now := s.engine().opts.Now()
	o := s.spaceOf(key).get(key)
	if o == nil {
		return ck.Errorf(ck.CKR_OPERATION_NOT_INITIALIZED, "the key has been destroyed in the meantime")
	}
	if next, err := part.Advance(o.Attrs, now); err != nil || len(next) == 0 {
		return err
	}
	if key&sessionObjectBit != 0 {
		return s.attachment.advance(key, part, now)
	}
	err := s.update(func(tx Tx) error {
		// The store's object, not ours: another session may just use it.
		o, err := tx.Object(s.token().id, object.ID(key))
		if err != nil {
			return err
		}
		next, err := part.Advance(o.Attrs, now)
		if err != nil {
			return err
		}
		return tx.PutObject(s.token().id, o.Advanced(next))
	})
	if errors.Is(err, record.ErrNotFound) {
		return ck.Errorf(ck.CKR_OPERATION_NOT_INITIALIZED, "the key has been destroyed in the meantime: %w", err)
	}
	return err
}

// advance advances the state of a session object.
func (a *attachment) advance(h ck.ObjectHandle, part mech.Stateful, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.objects.get(h)
	if o == nil {
		return ck.Errorf(ck.CKR_OPERATION_NOT_INITIALIZED, "the key has been destroyed in the meantime")
	}
	next, err := part.Advance(o.Attrs, now)
	if err != nil {
		return err
	}
	changed := o.Advanced(next)
	a.bytes += changed.Size() - o.Size()
	a.objects.put(h, changed)
	return nil
}
