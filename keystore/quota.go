package keystore

import (
	"errors"

	"vtoken/keystore/schema"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// The summary of a token has the amount that it holds, and a record of each user the amount
// that all tokens of the user hold. Both change in the same commit as the objects, so that
// nothing is counted on the way, and two concurrent updates cannot exceed a quota together. In
// a store of an earlier program, a summary has no amount until the token's objects are read,
// and a user has no record until the first new object; then they are counted once.

// usage is what the tokens that a user owns hold.
type usage struct {
	record.Amount
	tenant schema.ID
	dirty  bool
}

type usageJSON struct {
	Objects uint64 `json:"objects"`
	Bytes   uint64 `json:"bytes"`
}

// usageOf returns the usage of a user, nil if it was not counted yet.
func (tx *Tx) usageOf(user schema.ID) (*usage, error) {
	if u, read := tx.usages[user]; read {
		return u, nil
	}
	var j usageJSON
	tenant, err := tx.openUnderTenant("usage of user", schema.PrefixUsage, user, fieldUsage, &j)
	switch {
	case isMissing(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return tx.keepUsage(user, &usage{Amount: record.Amount(j), tenant: tenant}), nil
}

func (tx *Tx) keepUsage(user schema.ID, u *usage) *usage {
	if tx.usages == nil {
		tx.usages = make(map[schema.ID]*usage, 1)
	}
	tx.usages[user] = u
	return u
}

// countUsage counts what the tokens of a user hold.
func (tx *Tx) countUsage(tenant, user schema.ID) (*usage, error) {
	ids, err := tx.found(tx.indexPrefix(schema.IndexHolder, user[:]), nil, 0)
	if err != nil {
		return nil, err
	}
	u := &usage{tenant: tenant, dirty: true}
	for _, id := range ids {
		owner, owned, err := tx.ownerOf(id)
		if err != nil {
			return nil, err
		}
		if !owned || owner != user {
			continue
		}
		_, sm, err := tx.openToken(id)
		if errors.Is(err, ErrTampered) {
			continue // its damage does not concern the other tokens
		}
		if err != nil {
			return nil, err
		}
		u.Amount = u.Plus(sm.Amount)
		sm.settled = sm.Amount
	}
	return tx.keepUsage(user, u), nil
}

// ownerOf returns the user who owns a token, and whether there is one.
func (tx *Tx) ownerOf(id schema.ID) (owner schema.ID, owned bool, err error) {
	noted, read := tx.tokens[id]
	if !read {
		if _, err := tx.token(id); err != nil {
			return owner, false, err
		}
		noted = tx.tokens[id]
	}
	if noted.owner == "" {
		return owner, false, nil
	}
	owner, err = parseID("user", noted.owner)
	return owner, err == nil, err
}

// settle adds the change of a token to the usage of its owner.
func (tx *Tx) settle(id schema.ID, sm *summary) error {
	if sm.Amount == sm.settled {
		return nil
	}
	owner, owned, err := tx.ownerOf(id)
	if err != nil {
		return err
	}
	if owned {
		if err := tx.changeUsage(owner, sm.settled, sm.Amount); err != nil {
			return err
		}
	}
	sm.settled = sm.Amount
	return nil
}

// changeUsage replaces one amount by another in the usage of a user, where it is
// counted.
func (tx *Tx) changeUsage(user schema.ID, old, now record.Amount) error {
	u, err := tx.usageOf(user)
	if err != nil || u == nil {
		return err
	}
	u.Amount, u.dirty = u.Plus(now).Minus(old), true
	return nil
}

// moveUsage is for a token that gets another owner, or none: now is "".
func (tx *Tx) moveUsage(id schema.ID, now record.UserID) error {
	owner, owned, err := tx.ownerOf(id)
	if err != nil {
		return err
	}
	next, nextErr := parseID("user", now)
	if owned == (now != "") && owner == next {
		return nil
	}
	_, sm, err := tx.openToken(id)
	if errors.Is(err, ErrTampered) { // the old amount is unknown
		return errors.Join(tx.forgetUsage(owner), tx.forgetUsage(next))
	}
	if err == nil {
		err = tx.settle(id, sm)
	}
	if err == nil && owned {
		err = tx.changeUsage(owner, sm.Amount, record.Amount{})
	}
	if err == nil && now != "" {
		if err = nextErr; err == nil {
			err = tx.changeUsage(next, record.Amount{}, sm.Amount)
		}
	}
	return err
}

// forgetUsage has the usage of a user counted again when it is needed.
func (tx *Tx) forgetUsage(user schema.ID) error {
	delete(tx.usages, user)
	key := schema.Record(schema.PrefixUsage, user)
	if old, err := tx.get(key); err != nil || old == nil {
		return err
	}
	return tx.remove(key)
}

// putUsage writes the usage of a user that changed.
func (tx *Tx) putUsage(user schema.ID, u *usage) error {
	if u == nil || !u.dirty {
		return nil
	}
	key, err := tx.tenantKey(u.tenant)
	if err != nil {
		return err
	}
	return tx.sealJSON(key, schema.Record(schema.PrefixUsage, user), u.tenant[:], place(u.tenant, user, 0, fieldUsage), usageJSON(u.Amount))
}

// checkQuota refuses an object with which the token, or the tokens of its owner, hold
// more than they may. before is what the token held without it.
func (tx *Tx) checkQuota(id schema.ID, keys *tokenKeys, sm *summary, before record.Amount) error {
	if sm.Objects <= before.Objects && sm.Bytes <= before.Bytes {
		return nil
	}
	of, err := tx.tenant(keys.tenant)
	if err != nil {
		return err
	}
	if err := record.Exceeds("token", before, sm.Amount, of.Quota.PerToken()); err != nil {
		return overQuota(err)
	}
	owner, owned, err := tx.ownerOf(id)
	if err != nil || !owned {
		return err
	}
	u, err := tx.usageOf(owner)
	if err == nil && u == nil {
		u, err = tx.countUsage(keys.tenant, owner)
	}
	if err == nil {
		err = tx.settle(id, sm)
	}
	if err != nil {
		return err
	}
	return overQuota(record.Exceeds("user", u.Minus(sm.Minus(before)), u.Amount, of.Quota.PerUser()))
}

// overQuota gives an error of a quota its code.
func overQuota(err error) error {
	if err == nil {
		return nil
	}
	return ck.Errorf(ck.CKR_DEVICE_MEMORY, "%w", err)
}

// OverQuota is how many updates were refused since the store was opened, because a token
// or a user would have held more than they may.
func (s *Store) OverQuota() uint64 { return s.overQuota.Load() }

// noteQuota counts an update that a quota refused.
func (s *Store) noteQuota(err error) {
	if over := (*record.OverQuota)(nil); errors.As(err, &over) {
		s.overQuota.Add(1)
	}
}
