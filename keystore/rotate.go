package keystore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
	"vtoken/vtoken/secret"
)

// A rotation has two parts. One commit makes a new root key the present one: it
// wraps it for every recipient, seals the system key and the old root key under
// it. From then on the store opens with the new root key only. Afterwards, in
// the background and across restarts, tenant keys are sealed under it, a batch
// in each commit; a tenant key says itself under which root key it is. The last
// commit removes the old root key.

const (
	rotationBatch = 64
	// How long the background waits after a failure, such as a full disk.
	rotationWait    = time.Second
	rotationWaitMax = time.Minute
)

// background is one goroutine that ends with the store.
type background struct {
	once sync.Once
	ends chan struct{}
	done sync.WaitGroup
}

func (b *background) init() { b.once.Do(func() { b.ends = make(chan struct{}) }) }

func (b *background) start(fn func(ends <-chan struct{})) {
	b.init()
	b.done.Go(func() { fn(b.ends) })
}

// stop ends what runs. It is called once.
func (b *background) stop() {
	b.init()
	close(b.ends)
	b.done.Wait()
}

// RotateRoot gives the store a new root key, so that the old one, and a KEK that unwraps it, do
// not open the store any more. Tenant keys stay: an attacker who has them from an older copy
// has them for the newer one. It returns when the new root key is in use; tenant keys are
// sealed under it in the background. Clients go on meanwhile.
//
// Every recipient takes part. If one cannot be used now, or another rotation is under way, it
// fails with [ErrKEK] and changes nothing.
func (s *Store) RotateRoot(ctx context.Context) error {
	s.keks.Lock()
	defer s.keks.Unlock()
	left, err := s.RotationLeft()
	if err != nil {
		return err
	}
	if left > 0 {
		return fmt.Errorf("%w: a rotation is under way, %d keys of tenants are left; wait for its end", ErrKEK, left)
	}
	raw := envelope.RandomKey()
	defer raw.Wipe()
	fresh, err := envelope.NewKey(raw)
	if err != nil {
		return err
	}
	list, err := s.wrapForAll(ctx, raw)
	if err != nil {
		return err
	}
	s.dropKept(s.path(), time.Time{}) // before: a kill between would leave the old root key
	s.root.add(fresh)
	if err := s.Update(func(tx *Tx) error { return tx.replaceRoot(fresh, list) }); err != nil {
		if errors.Is(err, kv.ErrBroken) {
			return fmt.Errorf("store a new root key: it may or may not have been committed, and the KEKs open the store in both cases; restart the daemon, check with `vtoken status` whether a rotation is under way, and rotate again if not: %w", err)
		}
		return fmt.Errorf("store a new root key; the old one stays in use: %w", err)
	}
	s.log.Info("the root key was rotated; tenant keys are rewrapped in the background", "keks", len(list))
	s.rewrap.start(s.finishRotation)
	return nil
}

// wrapForAll wraps a new root key for every recipient.
func (s *Store) wrapForAll(ctx context.Context, root secret.Bytes) ([]recipient, error) {
	list, err := s.recipients()
	if err != nil {
		return nil, err
	}
	var failed []error
	for i := range list {
		r := &list[i]
		uris, reason := s.options.candidates(*r, obeyReading)
		for _, uri := range uris {
			// Another URI is used only if it names the same KEK in another place.
			if reason = s.opens(ctx, uri, *r); reason != nil {
				continue
			}
			if r.Wrapped, reason = wrapUnder(ctx, s.options, uri, root, firstUse{before: r.Wrapped}); reason == nil {
				break
			}
		}
		if reason != nil {
			failed = append(failed, fmt.Errorf("%s: %w", r.URI, reason))
		}
	}
	if len(failed) > 0 {
		return nil, fmt.Errorf("%w: every KEK must wrap the new root key, and %d cannot be used now; "+
			"make it available (a recovery passphrase: put its file in place), or remove it: %w", ErrKEK, len(failed), errors.Join(failed...))
	}
	return list, nil
}

// replaceRoot makes another root key the present one.
func (tx *Tx) replaceRoot(fresh *envelope.Key, list []recipient) error {
	tx.count(promptly, owner{})
	for _, r := range list {
		if err := tx.put(schema.Record(schema.PrefixRecipient, r.ID), r.encode()); err != nil {
			return err
		}
	}
	blob, err := tx.get(schema.KeySystem())
	if err != nil {
		return err
	}
	where := place(schema.ID{}, schema.ID{}, 0, fieldSystemKey)
	system, _, err := tx.s.root.Open(where, blob)
	if err != nil {
		return tampered("open the system key: %w", err)
	}
	defer clear(system)
	if err := tx.seal(fresh, schema.KeySystem(), nil, where, system); err != nil {
		return err
	}
	old := tx.s.root.sealing().Raw()
	defer old.Wipe()
	if err := tx.seal(fresh, schema.KeyOldRoot(), nil, placeOldRoot(), old); err != nil {
		return err
	}
	tx.w.OnCommit(func() { tx.s.root.use(fresh) })
	return nil
}

// RotationLeft counts what a rotation that is under way has left to do: the
// tenant keys under the old root key, and one for the old root key itself. It is
// 0 where none is.
func (s *Store) RotationLeft() (left int, err error) {
	err = s.View(func(tx *Tx) error {
		left = 0
		old, err := tx.get(schema.KeyOldRoot())
		if err != nil || old == nil {
			return err
		}
		keys, err := tx.underOld(math.MaxInt)
		left = 1 + len(keys)
		return err
	})
	return left, err
}

func (tx *Tx) underPresent(blob []byte) bool {
	h, err := envelope.Parse(blob)
	return err == nil && h.Key == tx.s.root.sealing().ID()
}

// resumeRotation resumes a rotation that a stop of the daemon interrupted.
func (s *Store) resumeRotation() error {
	left, err := s.RotationLeft()
	if err != nil || left == 0 {
		return err
	}
	s.log.Info("resuming the rotation of the root key", "left", left)
	s.rewrap.start(s.finishRotation)
	return nil
}

// finishRotation seals tenant keys under the present root key until none is
// left, or the store is closed.
func (s *Store) finishRotation(ends <-chan struct{}) {
	for wait := rotationWait; ; {
		select {
		case <-ends:
			return
		default:
		}
		done, err := s.rotateBatch()
		switch {
		case done:
			s.log.Info("the rotation of the root key is finished")
			s.scrub()
			return
		case err == nil:
			wait = rotationWait
			continue
		case errors.Is(err, kv.ErrClosed):
			return
		}
		s.log.Warn("the rotation of the root key failed and will be retried", "error", err, "for", wait)
		select {
		case <-ends:
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, rotationWaitMax)
	}
}

// rotateBatch seals some tenant keys under the present root key. If none is left, it removes the
// old root key and reports that it is done.
func (s *Store) rotateBatch() (done bool, err error) {
	err = s.Update(func(tx *Tx) error {
		keys, err := tx.underOld(rotationBatch)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := tx.resealTenantKey(key); err != nil {
				return err
			}
		}
		if done = len(keys) == 0; done {
			return tx.remove(schema.KeyOldRoot())
		}
		return nil
	})
	return done && err == nil, err
}

// underOld finds keys of tenant keys that are not under the present root key.
func (tx *Tx) underOld(most int) (keys [][]byte, err error) {
	for _, prefix := range []byte{schema.PrefixTenantKey, schema.PrefixOldTenantKey} {
		err = errors.Join(err, tx.scan([]byte{prefix}, nil, func(key, blob []byte) error {
			if len(keys) < most && !tx.underPresent(blob) {
				keys = append(keys, append([]byte(nil), key...))
			}
			return nil
		}))
	}
	return keys, err
}

func (tx *Tx) resealTenantKey(key []byte) error {
	id, ok := schema.RecordID(key)
	if !ok {
		return tampered("a tenant key has a key of %d bytes", len(key))
	}
	blob, err := tx.get(key)
	if err != nil {
		return err
	}
	where := place(id, schema.ID{}, 0, tenantKeyFields[key[0]])
	raw, _, err := tx.s.root.Open(where, blob)
	if err != nil {
		return tampered("open the key of tenant %s: %w", text(id), err)
	}
	defer clear(raw)
	return tx.seal(tx.s.root.sealing(), key, nil, where, raw)
}
