package keystore

import (
	"errors"

	"vtoken/keystore/schema"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// The summary of a token has the amount that it holds. It changes in the same commit as the
// objects. What all tokens of a user hold is the sum over their summaries. It is counted at the
// first new object of the user in a run, kept in memory, and follows each commit, so that
// nothing is counted on the way, and two concurrent updates cannot exceed a quota together. A
// record of it in the store, which each new object changed, cost a page in each commit.
//
// Earlier programs had that record, and none of the amounts before that. A record that is there
// holds; it is removed when the amount changes, so that such a program counts again. A summary
// without an amount has one when the token's objects are read.

// usage is what the tokens that a user owns hold.
type usage struct {
	record.Amount
	dirty bool
}

// mostUsages bounds the users whose usage is kept in memory. It is some 50 bytes for each.
const mostUsages = 1 << 17

// usages are what the tokens of users hold. Only the update that runs uses them.
type usages struct {
	counted map[schema.ID]record.Amount  // as of the last commit
	staged  map[schema.ID]*record.Amount // as of the updates of this commit; nil is to be counted again
	changed bool                         // an update of this commit has ended well
}

// begin forgets what was staged for a commit that failed.
func (u *usages) begin() { u.staged, u.changed = nil, false }

// count keeps what was counted, as it was before the update that runs. So a user who has too
// much is counted once, and not for each refusal.
func (u *usages) count(user schema.ID, amount record.Amount) {
	u.stage(user, &amount)
	if !u.changed { // nothing of this commit is in the amount
		u.committed()
	}
}

func (u *usages) stage(user schema.ID, amount *record.Amount) {
	if u.staged == nil {
		u.staged = make(map[schema.ID]*record.Amount, 4)
	}
	u.staged[user] = amount
}

// committed keeps what was staged for the commit that has ended well.
func (u *usages) committed() {
	if u.counted == nil || len(u.counted)+len(u.staged) > mostUsages {
		u.counted = make(map[schema.ID]record.Amount)
	}
	for user, amount := range u.staged {
		if amount == nil {
			delete(u.counted, user)
		} else {
			u.counted[user] = *amount
		}
	}
	u.staged = nil
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
	if tx.w != nil {
		if amount, staged := tx.s.usages.staged[user]; staged {
			if amount == nil {
				return nil, nil
			}
			return tx.keepUsage(user, &usage{Amount: *amount}), nil
		}
		if amount, counted := tx.s.usages.counted[user]; counted {
			return tx.keepUsage(user, &usage{Amount: amount}), nil
		}
	}
	amount, err := tx.recordedUsage(user)
	if err != nil || amount == nil {
		return nil, err
	}
	return tx.keepUsage(user, &usage{Amount: *amount}), nil
}

// recordedUsage returns the record that an earlier program left, nil if there is none.
func (tx *Tx) recordedUsage(user schema.ID) (*record.Amount, error) {
	var j usageJSON
	_, err := tx.openUnderTenant("usage of user", schema.PrefixUsage, user, fieldUsage, &j)
	switch {
	case isMissing(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	amount := record.Amount(j)
	return &amount, nil
}

func (tx *Tx) keepUsage(user schema.ID, u *usage) *usage {
	if tx.usages == nil {
		tx.usages = make(map[schema.ID]*usage, 1)
	}
	tx.usages[user] = u
	return u
}

// countUsage counts what the tokens of a user hold.
func (tx *Tx) countUsage(user schema.ID) (*usage, error) {
	ids, err := tx.found(tx.indexPrefix(schema.IndexHolder, user[:]), nil, 0)
	if err != nil {
		return nil, err
	}
	u := &usage{dirty: true}
	var before record.Amount
	for _, id := range ids {
		owner, owned, err := tx.ownerOf(id)
		if err != nil {
			return nil, err
		}
		if !owned || owner != user {
			continue
		}
		sm, err := tx.countedSummary(id)
		if errors.Is(err, ErrTampered) {
			continue // its damage does not concern the other tokens
		}
		if err != nil {
			return nil, err
		}
		u.Amount = u.Plus(sm.Amount)
		before = before.Plus(sm.before)
		sm.settled = sm.Amount
	}
	if !tx.moved {
		tx.s.usages.count(user, before)
	}
	return tx.keepUsage(user, u), nil
}

// countedSummary returns the summary of a token with its amount, for which it reads the objects
// only if an earlier program wrote the summary.
func (tx *Tx) countedSummary(id schema.ID) (*summary, error) {
	keys, err := tx.keysOf(id)
	if err != nil {
		return nil, err
	}
	sm, err := tx.loadSummary(id, keys)
	if err == nil && !sm.counted {
		_, sm, err = tx.openToken(id)
	}
	return sm, err
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
	tx.moved = true
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
	if tx.usages == nil {
		tx.usages = make(map[schema.ID]*usage, 1)
	}
	tx.usages[user] = nil
	return tx.removeUsage(user)
}

// removeUsage removes the record of an earlier program.
func (tx *Tx) removeUsage(user schema.ID) error {
	key := schema.Record(schema.PrefixUsage, user)
	if old, err := tx.get(key); err != nil || old == nil {
		return err
	}
	return tx.remove(key)
}

// removeUsages removes the records whose amounts have changed.
func (tx *Tx) removeUsages() error {
	for user, u := range tx.usages {
		if _, counted := tx.s.usages.counted[user]; counted || u == nil || !u.dirty {
			continue // it was removed when it was counted
		}
		if err := tx.removeUsage(user); err != nil {
			return err
		}
	}
	return nil
}

// stageUsages leaves the usages that changed for the end of the commit.
func (tx *Tx) stageUsages() {
	for user, u := range tx.usages {
		switch {
		case u == nil:
			tx.s.usages.stage(user, nil)
		case u.dirty:
			tx.s.usages.stage(user, &u.Amount)
		}
	}
	tx.s.usages.changed = true
	if len(tx.s.usages.staged) > 0 {
		tx.w.OnCommit(tx.s.usages.committed)
	}
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
		u, err = tx.countUsage(owner)
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
