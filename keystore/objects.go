package keystore

import (
	"encoding/binary"

	"vtoken/keystore/envelope"
	"vtoken/keystore/schema"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// summary is what a token knows of its objects: the sum over their keys and
// values, and how much they are. It is sealed in the store, and covered by the
// sum of its bucket.
type summary struct {
	sum sum
	record.Amount
	settled record.Amount // of it, what the owner's usage has
	before  record.Amount // what it was before this update
	counted bool          // false if an earlier program wrote it, without amounts
	dirty   bool
}

// summarySize is the size of a summary. Summaries of earlier programs have only a sum.
const summarySize = sumSize + 8 + 8

func (sm *summary) encode() []byte {
	b := sm.sum.append(make([]byte, 0, summarySize))
	b = binary.BigEndian.AppendUint64(b, sm.Objects)
	return binary.BigEndian.AppendUint64(b, sm.Bytes)
}

func parseSummary(b []byte) (*summary, error) {
	if len(b) == sumSize {
		return &summary{sum: parseSum(b)}, nil
	}
	if err := lengthError(len(b), summarySize); err != nil {
		return nil, err
	}
	sm := &summary{sum: parseSum(b), counted: true}
	sm.Amount = record.Amount{Objects: binary.BigEndian.Uint64(b[sumSize:]), Bytes: binary.BigEndian.Uint64(b[sumSize+8:])}
	sm.settled, sm.before = sm.Amount, sm.Amount
	return sm, nil
}

func placeSummary(tenant, token schema.ID) envelope.Place {
	return place(tenant, token, 0, fieldSummary)
}

// loadSummary reads the summary of a token once in a transaction.
func (tx *Tx) loadSummary(id schema.ID, keys *tokenKeys) (*summary, error) {
	if sm := tx.summaries[id]; sm != nil {
		return sm, nil
	}
	blob, err := tx.get(schema.Record(schema.PrefixSummary, id))
	if err != nil {
		return nil, err
	}
	if blob == nil {
		return nil, tampered("the summary of token %s is missing", text(id))
	}
	b, _, err := keys.record.Open(placeSummary(keys.tenant, id), blob)
	var sm *summary
	if err == nil {
		sm, err = parseSummary(b)
	}
	if err != nil {
		return nil, tampered("open the summary of token %s: %w", text(id), err)
	}
	tx.keepSummary(id, sm)
	return sm, nil
}

func (tx *Tx) keepSummary(id schema.ID, sm *summary) {
	if tx.summaries == nil {
		tx.summaries = make(map[schema.ID]*summary, 1)
	}
	tx.summaries[id] = sm
}

// putSummary writes a summary that changed.
func (tx *Tx) putSummary(id schema.ID, sm *summary) error {
	if !sm.dirty {
		return nil
	}
	keys, err := tx.keysOf(id)
	if err != nil {
		return err
	}
	return tx.seal(keys.record, schema.Record(schema.PrefixSummary, id), nil, placeSummary(keys.tenant, id), sm.encode())
}

// openToken returns a token's keys and its summary. The first time in a run it compares the
// summary with the objects.
func (tx *Tx) openToken(id schema.ID) (*tokenKeys, *summary, error) {
	keys, err := tx.keysOf(id)
	if err != nil {
		return nil, nil, err
	}
	sm, err := tx.loadSummary(id, keys)
	if err != nil {
		return nil, nil, err
	}
	if _, done := tx.s.verified.Load(id); done && (sm.counted || tx.w == nil) {
		return keys, sm, nil
	}
	err = tx.walkObjects(id, keys, sm, func(uint64, schema.Part, []byte) error { return nil })
	return keys, sm, err
}

// walkObjects calls fn for every part of the token's objects, in order. It fails if their sum is
// not that of the summary; the caller then drops what fn made.
func (tx *Tx) walkObjects(id schema.ID, keys *tokenKeys, sm *summary, fn func(object uint64, part schema.Part, blob []byte) error) error {
	var got sum
	var amount record.Amount
	err := tx.scan(schema.Objects(id), nil, func(key, blob []byte) error {
		number, part, ok := schema.ParseObject(key)
		if !ok {
			return tampered("token %s has an object under a key of %d bytes", text(id), len(key))
		}
		got = got.plus(element(keys.sum, key, blob))
		amount = amount.Plus(amountOf(part, blob))
		return fn(number, part, blob)
	})
	if err != nil {
		return err
	}
	if got != sm.sum {
		return tampered("objects of token %s were removed, added or put back to an older state", text(id))
	}
	if sm.counted && amount != sm.Amount {
		return tampered("the summary of token %s counts other objects than it has", text(id))
	}
	if !sm.counted {
		sm.Amount, sm.settled, sm.before, sm.counted = amount, amount, amount, true
	}
	tx.s.verified.Store(id, true)
	return nil
}

// amountOf returns how much a part of an object counts towards a quota.
func amountOf(part schema.Part, blob []byte) record.Amount {
	a := record.Amount{Bytes: uint64(len(blob))}
	if part == schema.PartPublic {
		a.Objects = 1
	}
	return a
}

// setPart writes a part of an object, or removes it where blob is nil.
func (tx *Tx) setPart(keys *tokenKeys, sm *summary, key, blob []byte) error {
	old, err := tx.get(key)
	if err != nil {
		return err
	}
	_, part, _ := schema.ParseObject(key)
	if old != nil {
		sm.sum = sm.sum.minus(element(keys.sum, key, old))
		sm.Amount = sm.Minus(amountOf(part, old))
	}
	if old == nil && blob == nil {
		return nil
	}
	sm.dirty = true
	if blob == nil {
		return tx.erase(key)
	}
	sm.sum = sm.sum.plus(element(keys.sum, key, blob))
	sm.Amount = sm.Plus(amountOf(part, blob))
	return tx.write(key, blob)
}

// PutObject stores an object and sets its Version. With ID 0 it is a new one
// and gets its ID, which no object ever had; with another ID it replaces that
// one, and a nil Secret keeps the secret that is stored. An object that is not
// there is record.ErrNotFound. Where the token or its owner would hold more than the
// tenant's quota, it is CKR_DEVICE_MEMORY and a [record.OverQuota].
func (tx *Tx) PutObject(token record.TokenID, o *object.Object) error {
	if tx.w == nil {
		return errReadOnly
	}
	id, err := parseID("token", token)
	if err != nil {
		return err
	}
	keys, sm, err := tx.openToken(id)
	if err != nil {
		return err
	}
	var version uint64
	before := sm.Amount
	if o.ID == 0 {
		err = tx.allocateObject(o)
	} else {
		version, err = tx.objectVersion(id, o.ID)
		tx.count(promptly, objectsOwner(token))
	}
	if err != nil {
		return err
	}
	o.Version = version + 1
	if err := tx.sealParts(id, keys, sm, o); err != nil {
		return err
	}
	if err := tx.checkQuota(id, keys, sm, before); err != nil {
		return err
	}
	shown := &object.Object{ID: o.ID, Attrs: o.Attrs, Version: o.Version}
	tx.changes = append(tx.changes, record.Change{TokenID: token, ObjectID: o.ID, Object: shown})
	return nil
}

// objectVersion is the version of an object that is stored.
func (tx *Tx) objectVersion(token schema.ID, id object.ID) (uint64, error) {
	old, err := tx.get(schema.Object(token, uint64(id), schema.PartPublic))
	if err != nil {
		return 0, err
	}
	if old == nil {
		return 0, missing("object", uint64(id))
	}
	h, err := envelope.Parse(old)
	if err != nil {
		return 0, tampered("read object %d: %w", id, err)
	}
	return h.Version, nil
}

// sealParts writes the parts of an object.
func (tx *Tx) sealParts(token schema.ID, keys *tokenKeys, sm *summary, o *object.Object) error {
	blob, err := keys.record.Seal(place(keys.tenant, token, uint64(o.ID), fieldPublic), o.Version, o.Attrs.AppendBinary(nil))
	if err != nil {
		return err
	}
	if err := tx.setPart(keys, sm, schema.Object(token, uint64(o.ID), schema.PartPublic), blob); err != nil {
		return err
	}
	if o.Secret == nil {
		return nil
	}
	return tx.putSecret(token, keys, sm, o)
}

// putSecret writes the secret attributes of an object, or removes them where it
// has none.
func (tx *Tx) putSecret(token schema.ID, keys *tokenKeys, sm *summary, o *object.Object) error {
	parts := map[schema.Part][]byte{schema.PartSecret: nil, schema.PartBound: nil}
	if len(o.Secret) > 0 {
		public, err := tx.boundKeyFor(token, o)
		if err != nil {
			return err
		}
		plain := o.Secret.AppendBinary(nil)
		defer clear(plain)
		blob, part, err := sealSecret(token, keys, uint64(o.ID), o.Version, public, plain)
		if err != nil {
			return err
		}
		parts[part] = blob
	}
	for part, blob := range parts {
		if err := tx.setPart(keys, sm, schema.Object(token, uint64(o.ID), part), blob); err != nil {
			return err
		}
	}
	return nil
}

// openPublic decrypts the attributes of an object.
func openPublic(token schema.ID, keys *tokenKeys, id uint64, blob []byte) (*object.Object, error) {
	plain, version, err := keys.record.Open(place(keys.tenant, token, id, fieldPublic), blob)
	if err != nil {
		return nil, tampered("open object %d: %w", id, err)
	}
	attrs, err := object.ParseSet(plain)
	if err != nil {
		return nil, tampered("decode object %d: %w", id, err)
	}
	return &object.Object{ID: object.ID(id), Attrs: attrs, Version: version}, nil
}

// Object reads an object without its secret attributes.
func (tx *Tx) Object(token record.TokenID, id object.ID) (*object.Object, error) {
	tid, err := parseID("token", token)
	if err != nil {
		return nil, err
	}
	keys, _, err := tx.openToken(tid)
	if err != nil {
		return nil, err
	}
	blob, err := tx.get(schema.Object(tid, uint64(id), schema.PartPublic))
	if err != nil {
		return nil, err
	}
	if blob == nil {
		return nil, missing("object", uint64(id))
	}
	return openPublic(tid, keys, uint64(id), blob)
}

// Objects lists the token's objects by id, without their secret attributes.
func (tx *Tx) Objects(token record.TokenID) (list []*object.Object, err error) {
	id, err := parseID("token", token)
	if err != nil {
		return nil, err
	}
	keys, err := tx.keysOf(id)
	if err != nil {
		return nil, err
	}
	sm, err := tx.loadSummary(id, keys)
	if err != nil {
		return nil, err
	}
	err = tx.walkObjects(id, keys, sm, func(number uint64, part schema.Part, blob []byte) error {
		if part != schema.PartPublic {
			return nil
		}
		o, err := openPublic(id, keys, number, blob)
		list = append(list, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// OpenSecret reads the secret attributes of an object from the newest commit;
// an object that has none gives an empty set. Private objects of a PIN-bound
// token need its key, as [Store.CheckPIN] gives it, and are
// CKR_USER_NOT_LOGGED_IN without. The caller wipes the values.
func (s *Store) OpenSecret(token record.TokenID, id object.ID, bound secret.Bytes) (set object.Set, err error) {
	if tid, err := parseID("token", token); err == nil && bound != nil && s.renewed.any(tid) {
		if _, present, ok := s.PresentBoundKey(token, bound); ok { // a login from before the key was renewed
			defer present.Wipe()
			bound = present
		}
	}
	err = s.View(func(tx *Tx) error {
		set, err = tx.secretOf(token, id, bound)
		return err
	})
	return set, err
}

func (tx *Tx) secretOf(token record.TokenID, id object.ID, bound secret.Bytes) (object.Set, error) {
	tid, err := parseID("token", token)
	if err != nil {
		return nil, err
	}
	keys, _, err := tx.openToken(tid)
	if err != nil {
		return nil, err
	}
	if _, err := tx.objectVersion(tid, id); err != nil {
		return nil, err
	}
	plain, err := tx.openSecret(tid, keys, uint64(id), bound)
	if err != nil || plain == nil {
		return object.Set{}, err
	}
	set, err := object.ParseSet(plain)
	if err != nil {
		clear(plain)
		return nil, tampered("decode the secret of object %d: %w", id, err)
	}
	return set, nil
}

// openSecret opens the secret part of an object, whichever it is; nil is none.
func (tx *Tx) openSecret(token schema.ID, keys *tokenKeys, id uint64, bound secret.Bytes) ([]byte, error) {
	blob, err := tx.get(schema.Object(token, id, schema.PartSecret))
	if err != nil {
		return nil, err
	}
	if blob != nil {
		plain, _, err := keys.secret.Open(place(keys.tenant, token, id, fieldSecret), blob)
		if err != nil {
			return nil, tampered("open the secret of object %d: %w", id, err)
		}
		return plain, nil
	}
	blob, err = tx.get(schema.Object(token, id, schema.PartBound))
	if err != nil || blob == nil {
		return nil, err
	}
	return openBound(token, keys, id, blob, bound)
}

// DeleteObject removes an object.
func (tx *Tx) DeleteObject(token record.TokenID, id object.ID) error {
	if tx.w == nil {
		return errReadOnly
	}
	tid, err := parseID("token", token)
	if err != nil {
		return err
	}
	keys, sm, err := tx.openToken(tid)
	if err != nil {
		return err
	}
	if _, err := tx.objectVersion(tid, id); err != nil {
		return err
	}
	return tx.deleteObject(tid, keys, sm, token, id)
}

func (tx *Tx) deleteObject(tid schema.ID, keys *tokenKeys, sm *summary, token record.TokenID, id object.ID) error {
	for _, part := range []schema.Part{schema.PartPublic, schema.PartSecret, schema.PartBound} {
		if err := tx.setPart(keys, sm, schema.Object(tid, uint64(id), part), nil); err != nil {
			return err
		}
	}
	tx.count(promptly, objectsOwner(token))
	tx.changes = append(tx.changes, record.Change{TokenID: token, ObjectID: id})
	return nil
}

// DeleteObjects removes all objects of a token.
func (tx *Tx) DeleteObjects(token record.TokenID) error {
	if tx.w == nil {
		return errReadOnly
	}
	list, err := tx.Objects(token)
	if err != nil || len(list) == 0 {
		return err
	}
	tid, err := parseID("token", token)
	if err != nil {
		return err
	}
	keys, sm, err := tx.openToken(tid)
	if err != nil {
		return err
	}
	for _, o := range list {
		if err := tx.deleteObject(tid, keys, sm, token, o.ID); err != nil {
			return err
		}
	}
	return nil
}
