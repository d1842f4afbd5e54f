package keystore

import (
	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
)

// An index entry is a key without a value: the kind of index, a keyed hash of what is looked
// up, and the id of the record. Sums cover the entries, and a lookup compares the record with
// what it looked up.

// indexPrefix returns the prefix of the entries under which the parts are looked up.
func (tx *Tx) indexPrefix(kind schema.Index, parts ...[]byte) []byte {
	var hash schema.ID
	copy(hash[:], mac(tx.s.sys.index, append([][]byte{{byte(kind)}}, parts...)...))
	return schema.IndexPrefix(kind, hash)
}

// entry returns an index entry: prefix, what orders it, and the id.
func entry(prefix, order []byte, id schema.ID) []byte {
	key := make([]byte, 0, len(prefix)+len(order)+len(id))
	return append(append(append(key, prefix...), order...), id[:]...)
}

// found lists the ids under a prefix, in the order of entries, after the given
// rest of an entry, at most limit of them (0 is all).
func (tx *Tx) found(prefix, after []byte, limit int) (ids []schema.ID, err error) {
	var from []byte
	if after != nil {
		from = append(append([]byte(nil), prefix...), after...)
	}
	err = tx.scan(prefix, from, func(key, _ []byte) error {
		id, ok := schema.RecordID(key)
		if !ok {
			return tampered("an index entry has %d bytes", len(key))
		}
		if ids = append(ids, id); len(ids) == limit {
			return kv.ErrStop
		}
		return nil
	})
	return ids, err
}

// under reads the records that found lists.
func under[T any](tx *Tx, prefix, after []byte, limit int, read func(schema.ID) (*T, error)) ([]*T, error) {
	ids, err := tx.found(prefix, after, limit)
	if err != nil {
		return nil, err
	}
	list := make([]*T, 0, len(ids))
	for _, id := range ids {
		r, err := read(id)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// first returns the id under the prefix of a unique index, and whether there is one.
func (tx *Tx) first(prefix []byte) (id schema.ID, ok bool, err error) {
	ids, err := tx.found(prefix, nil, 1)
	if err != nil || len(ids) == 0 {
		return id, false, err
	}
	return ids[0], true, nil
}

// reindex removes old entries and adds new ones.
func (tx *Tx) reindex(old, now [][]byte) error {
	keep := make(map[string]bool, len(now))
	for _, key := range now {
		keep[string(key)] = true
	}
	for _, key := range old {
		if keep[string(key)] {
			delete(keep, string(key))
		} else if err := tx.remove(key); err != nil {
			return err
		}
	}
	for _, key := range now {
		if !keep[string(key)] {
			continue
		}
		if err := tx.put(key, []byte{}); err != nil {
			return err
		}
	}
	return nil
}
