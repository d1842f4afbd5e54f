package enginetest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// tx is a transaction: what it wrote, over the store as it was.
type tx struct {
	s        *Store
	tokens   map[record.TokenID]*record.Token // nil is deleted
	objects  map[record.TokenID]map[object.ID]*object.Object
	changes  []record.Change
	lastSlot ck.SlotID
	lastID   object.ID
}

func newTx(s *Store) *tx {
	return &tx{
		s: s, tokens: map[record.TokenID]*record.Token{}, lastSlot: s.lastSlot, lastID: s.lastID,
		objects: map[record.TokenID]map[object.ID]*object.Object{},
	}
}

func (t *tx) commit() {
	for id, r := range t.tokens {
		t.s.tokens[id] = r
		if r == nil {
			delete(t.s.tokens, id)
			delete(t.s.objects, id)
		}
	}
	for id, written := range t.objects {
		if t.s.tokens[id] == nil {
			continue
		}
		for oid, o := range written {
			if o == nil {
				delete(t.s.objects[id], oid)
				continue
			}
			if t.s.objects[id] == nil {
				t.s.objects[id] = map[object.ID]*object.Object{}
			}
			t.s.objects[id][oid] = o
		}
	}
	t.s.lastSlot, t.s.lastID = t.lastSlot, t.lastID
}

func (t *tx) Token(id record.TokenID) (*record.Token, error) {
	r, written := t.tokens[id]
	if !written {
		r = t.s.tokens[id]
	}
	if r == nil {
		return nil, fmt.Errorf("token %s: %w", id, record.ErrNotFound)
	}
	return r, nil
}

func (t *tx) TokensOf(user record.UserID) ([]*record.Token, error) {
	var list []*record.Token
	for id, r := range t.s.tokens {
		if _, written := t.tokens[id]; !written && r.Assignment(user) != nil {
			list = append(list, r)
		}
	}
	for _, r := range t.tokens {
		if r != nil && r.Assignment(user) != nil {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *record.Token) int { return cmp.Compare(a.Slot, b.Slot) })
	return list, nil
}

func (t *tx) UsersOf(peer record.Peer) ([]*record.User, error) {
	return slices.Clone(t.s.users[peer.UID]), nil
}

// full is an object with its secret.
// ForgetsLogins implements [vtoken.ReadTx].
func (t *tx) ForgetsLogins(record.TenantID) (bool, error) { return t.s.ForgetLogins, nil }

func (t *tx) full(token record.TokenID, id object.ID) *object.Object {
	if o, written := t.objects[token][id]; written {
		return o
	}
	return t.s.objects[token][id]
}

func (t *tx) Object(token record.TokenID, id object.ID) (*object.Object, error) {
	o := t.full(token, id)
	if o == nil {
		return nil, fmt.Errorf("object %d: %w", id, record.ErrNotFound)
	}
	return o.WithoutSecret(), nil
}

func (t *tx) Objects(token record.TokenID) ([]*object.Object, error) {
	var list []*object.Object
	for id := range t.ids(token) {
		list = append(list, t.full(token, id).WithoutSecret())
	}
	slices.SortFunc(list, func(a, b *object.Object) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

func (t *tx) ids(token record.TokenID) map[object.ID]bool {
	ids := map[object.ID]bool{}
	for id := range t.s.objects[token] {
		ids[id] = true
	}
	for id, o := range t.objects[token] {
		ids[id] = true
		if o == nil {
			delete(ids, id)
		}
	}
	return ids
}

func (t *tx) NewToken(r *record.Token) error {
	t.lastSlot++
	r.Slot = t.lastSlot
	r.ID = record.TokenID(fmt.Sprintf("token-%d", r.Slot))
	if r.Serial == "" {
		r.Serial = fmt.Sprintf("%016X", uint64(r.Slot))
	}
	t.putToken(r, 0)
	return nil
}

func (t *tx) PutToken(r *record.Token) error {
	old, err := t.Token(r.ID)
	if err != nil {
		return err
	}
	if len(old.BoundKey) > 0 && !bytes.Equal(old.BoundKey, r.BoundKey) && len(t.ids(r.ID)) > 0 {
		return fmt.Errorf("token %s has objects under its present key", r.ID)
	}
	t.putToken(r, old.Version)
	return nil
}

func (t *tx) putToken(r *record.Token, version uint64) {
	r.Version = version + 1
	stored := r.Clone()
	t.tokens[r.ID] = stored
	t.changes = append(t.changes, record.Change{TokenID: r.ID, Token: stored})
}

func (t *tx) deleteToken(id record.TokenID) error {
	if _, err := t.Token(id); err != nil {
		return err
	}
	t.tokens[id] = nil
	t.changes = append(t.changes, record.Change{TokenID: id, Deleted: true})
	return nil
}

func (t *tx) PutObject(token record.TokenID, o *object.Object) error {
	if _, err := t.Token(token); err != nil {
		return err
	}
	stored := o.WithSecret(o.Secret.Clone())
	stored.Attrs = o.Attrs.Clone()
	if o.ID == 0 {
		t.lastID++
		o.ID, stored.ID, stored.Version = t.lastID, t.lastID, 1
		if err := t.checkQuota(token); err != nil {
			return err
		}
	} else {
		old := t.full(token, o.ID)
		if old == nil {
			return fmt.Errorf("object %d: %w", o.ID, record.ErrNotFound)
		}
		stored.Version = old.Version + 1
		if stored.Secret == nil {
			stored.Secret = old.Secret
		}
	}
	o.Version = stored.Version
	t.put(token, o.ID, stored)
	return nil
}

// checkQuota refuses one more object where the quota is used up.
func (t *tx) checkQuota(token record.TokenID) error {
	if t.s.Quota == (record.Quota{}) {
		return nil
	}
	before := record.Amount{Objects: uint64(len(t.ids(token)))}
	err := record.Exceeds("token", before, record.Amount{Objects: before.Objects + 1}, t.s.Quota.PerToken())
	if err != nil {
		return ck.Errorf(ck.CKR_DEVICE_MEMORY, "%w", err)
	}
	return nil
}

func (t *tx) put(token record.TokenID, id object.ID, o *object.Object) {
	if t.objects[token] == nil {
		t.objects[token] = map[object.ID]*object.Object{}
	}
	t.objects[token][id] = o
	change := record.Change{TokenID: token, ObjectID: id}
	if o != nil {
		change.Object = o.WithoutSecret()
	}
	t.changes = append(t.changes, change)
}

func (t *tx) DeleteObject(token record.TokenID, id object.ID) error {
	if _, err := t.Object(token, id); err != nil {
		return err
	}
	t.put(token, id, nil)
	return nil
}

func (t *tx) DeleteObjects(token record.TokenID) error {
	for id := range t.ids(token) {
		t.put(token, id, nil)
	}
	return nil
}
