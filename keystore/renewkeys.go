package keystore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
)

// A rotation of the root key keeps the keys of tenants and tokens: an attacker who has one of
// them opens what is written under it later. RenewKeys replaces them in two parts. One commit
// gives a tenant a new key, under which new records are sealed, and keeps the old one, sealed
// under the root key. In the background, and across restarts, the store seals every record of
// the old key under the new one, and gives every token a new key, one token in each commit.
// The last commit of a tenant removes its old key. The versions of records stay, since their
// contents do not change.

// renewBatch is how many records other than tokens share a commit.
const renewBatch = 64

// RenewKeys gives a tenant, or every tenant if the id is empty, a new key, so that the old keys
// and those of its tokens open nothing that is written from then on. It returns when the store
// seals new records under the new keys; it seals existing ones again in the background
// ([Store.RenewalLeft]). It fails with [ErrKEK] if a renewal of the tenant is under way, and
// with record.ErrNotFound for a tenant that does not exist.
func (s *Store) RenewKeys(ctx context.Context, tenant record.TenantID) error {
	s.keks.Lock()
	defer s.keks.Unlock()
	ids, err := s.tenantsToRenew(tenant)
	if err != nil {
		return err
	}
	s.dropKept(s.path(), time.Time{}) // before: a kill between would leave the old keys
	for len(ids) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		some := ids[:min(len(ids), renewBatch)]
		ids = ids[len(some):]
		err := s.Update(func(tx *Tx) error {
			tx.count(promptly, owner{})
			for _, id := range some {
				if err := tx.replaceTenantKey(id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("store new keys of tenants: %w", err)
		}
	}
	s.log.Info("tenant keys were renewed; records are sealed under the new keys in the background")
	s.renewals.start(s.finishRenewal)
	return nil
}

func (s *Store) tenantsToRenew(tenant record.TenantID) (ids []schema.ID, err error) {
	err = s.View(func(tx *Tx) error {
		ids = nil
		under, err := tx.keysUnder([]byte{schema.PrefixOldTenantKey})
		if err != nil {
			return err
		}
		if tenant != "" {
			id, err := parseID("tenant", tenant)
			if err == nil {
				_, err = tx.tenantKey(id)
			}
			if err == nil && len(under) > 0 && containsKey(under, schema.Record(schema.PrefixOldTenantKey, id)) {
				err = fmt.Errorf("%w: the keys of tenant %s are being renewed; wait until that is finished", ErrKEK, text(id))
			}
			ids = []schema.ID{id}
			return err
		}
		if len(under) > 0 {
			return fmt.Errorf("%w: the keys of %d tenants are being renewed; wait until that is finished", ErrKEK, len(under))
		}
		keys, err := tx.keysUnder([]byte{schema.PrefixTenantKey})
		for _, key := range keys {
			if id, ok := schema.RecordID(key); ok {
				ids = append(ids, id)
			}
		}
		return err
	})
	return ids, err
}

func containsKey(list [][]byte, key []byte) bool {
	for _, k := range list {
		if bytes.Equal(k, key) {
			return true
		}
	}
	return false
}

// replaceTenantKey gives a tenant a new key and keeps the old one.
func (tx *Tx) replaceTenantKey(id schema.ID) error {
	old, err := tx.tenantKey(id)
	if isMissing(err) {
		return nil // deleted since
	}
	if err != nil {
		return err
	}
	raw := old.Raw()
	defer raw.Wipe()
	key := schema.Record(schema.PrefixOldTenantKey, id)
	if err := tx.seal(tx.s.root.sealing(), key, nil, place(id, schema.ID{}, 0, fieldOldTenantKey), raw); err != nil {
		return err
	}
	return tx.newTenantKey(id)
}

// RenewalLeft counts the tenants whose records are not all under their new key.
func (s *Store) RenewalLeft() (left int, err error) {
	err = s.View(func(tx *Tx) error {
		keys, err := tx.keysUnder([]byte{schema.PrefixOldTenantKey})
		left = len(keys)
		return err
	})
	return left, err
}

// resumeRenewal resumes a renewal that a stop of the daemon interrupted.
func (s *Store) resumeRenewal() error {
	left, err := s.RenewalLeft()
	if err != nil || left == 0 {
		return err
	}
	s.log.Info("resuming the renewal of tenant keys", "left", left)
	s.renewals.start(s.finishRenewal)
	return nil
}

// finishRenewal seals records under the new keys until none is left under an old one, or
// the store is closed.
func (s *Store) finishRenewal(ends <-chan struct{}) {
	for wait := rotationWait; ; {
		err := s.renewAll(ends, func() {})
		switch {
		case err == nil:
			s.log.Info("the renewal of tenant keys is finished")
			s.scrub()
			return
		case errors.Is(err, errStopped), errors.Is(err, kv.ErrClosed):
			return
		}
		s.log.Warn("the renewal of tenant keys failed and will be retried", "error", err, "for", wait)
		if !rest(ends, wait) {
			return
		}
		wait = min(2*wait, rotationWaitMax)
	}
}

// underTenantKey are the kinds of records under the key of a tenant, and their fields.
var underTenantKey = []struct {
	prefix byte
	field  envelope.Field
	own    bool // it has the id of the tenant, and no other
}{
	{schema.PrefixTenant, fieldTenant, true},
	{schema.PrefixExchange, fieldExchangeKey, true},
	{schema.PrefixUser, fieldUser, false},
	{schema.PrefixAPIKey, fieldAPIKey, false},
	{schema.PrefixGroup, fieldGroup, false},
	{schema.PrefixPending, fieldPending, false},
	{schema.PrefixUsage, fieldUsage, false},
	{schema.PrefixTokenKey, fieldTokenKey, false},
}

// renewAll goes once over all records, and then removes the old keys that were there when it
// began: what is written meanwhile is under the new ones. A tenant that gets a new key after
// that has records under its old one which renewAll has passed already. renewAll calls looked
// after each search for records.
func (s *Store) renewAll(ends <-chan struct{}, looked func()) error {
	begun, err := s.oldTenantKeys()
	if err != nil || len(begun) == 0 {
		return err
	}
	for _, kind := range underTenantKey {
		for last, done := []byte(nil), false; !done; {
			select {
			case <-ends:
				return errStopped
			default:
			}
			keys, next, err := s.underOldTenantKey(kind.prefix, last)
			if err != nil {
				return err
			}
			looked()
			last, done = next, next == nil
			if len(keys) == 0 {
				continue
			}
			from := time.Now()
			err = s.Update(func(tx *Tx) error {
				for _, key := range keys {
					if err := tx.renewRecord(key, kind.field, kind.own); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			if !rest(ends, time.Since(from)) { // half of the time is for the changes of others
				return errStopped
			}
		}
	}
	if err := s.removeOldTenantKeys(begun); err != nil {
		return err
	}
	return s.renewAll(ends, looked) // where another renewal began meanwhile
}

// oldTenantKeys returns the ids of the old keys of tenants. A rotation of the root key may
// seal an old key again, which then has the same id.
func (s *Store) oldTenantKeys() (old map[schema.ID]envelope.KeyID, err error) {
	err = s.View(func(tx *Tx) error {
		old = map[schema.ID]envelope.KeyID{}
		keys, err := tx.keysUnder([]byte{schema.PrefixOldTenantKey})
		for _, key := range keys {
			id, _ := schema.RecordID(key)
			k, e := tx.tenantKeyAt(schema.PrefixOldTenantKey, id)
			if e != nil {
				return e
			}
			old[id] = k.ID()
		}
		return err
	})
	return old, err
}

// removeOldTenantKeys removes old keys that are still those with the given ids.
func (s *Store) removeOldTenantKeys(old map[schema.ID]envelope.KeyID) error {
	return s.Update(func(tx *Tx) error {
		for id, was := range old {
			k, err := tx.tenantKeyAt(schema.PrefixOldTenantKey, id)
			if err == nil && k != nil && k.ID() == was {
				err = tx.remove(schema.Record(schema.PrefixOldTenantKey, id))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// renewScan is how many records are looked at in one view.
const renewScan = 1024

// underOldTenantKey finds records of a kind that are under old keys of their tenants, for
// one commit, after a key. It returns where to go on, nil at the end.
func (s *Store) underOldTenantKey(prefix byte, after []byte) (keys [][]byte, next []byte, err error) {
	err = s.View(func(tx *Tx) error {
		keys, next = nil, nil
		looked, most := 0, renewBatch
		if prefix == schema.PrefixTokenKey {
			most = 1 // with all of its objects
		}
		return tx.scan([]byte{prefix}, after, func(key, value []byte) error {
			if looked++; looked > renewScan || len(keys) == most {
				return kv.ErrStop
			}
			next = bytes.Clone(key)
			old, err := tx.isUnderOld(key, value)
			if old {
				keys = append(keys, next)
			}
			return err
		})
	})
	return keys, next, err
}

// isUnderOld reports whether a record is under the old key of its tenant.
func (tx *Tx) isUnderOld(key, value []byte) (bool, error) {
	tenant, blob, err := tenantOf(key, value)
	if err != nil {
		return false, err
	}
	present, err := tx.tenantKey(tenant)
	if err != nil {
		return false, err
	}
	return !underKey(blob, present), nil
}

// tenantOf is the tenant of a record that is under the key of one, and what is sealed.
func tenantOf(key, value []byte) (tenant schema.ID, blob []byte, err error) {
	if key[0] == schema.PrefixTenant || key[0] == schema.PrefixExchange {
		id, ok := schema.RecordID(key)
		if !ok {
			return id, nil, tampered("a tenant's key has %d bytes", len(key))
		}
		return id, value, nil
	}
	return cutTenant(value)
}

// renewRecord seals a record under the present key of its tenant, as the same version.
func (tx *Tx) renewRecord(key []byte, field envelope.Field, own bool) error {
	value, err := tx.get(key)
	if err != nil || value == nil { // deleted since
		return err
	}
	if old, err := tx.isUnderOld(key, value); err != nil || !old {
		return err
	}
	if key[0] == schema.PrefixTokenKey {
		return tx.renewToken(key)
	}
	tenant, blob, err := tenantOf(key, value)
	if err != nil {
		return err
	}
	where := place(tenant, schema.ID{}, 0, field)
	if !own {
		id, _ := schema.RecordID(key)
		where = place(tenant, id, 0, field)
	}
	from, err := tx.tenantKeyOf(tenant, blob)
	if err != nil {
		return err
	}
	to, err := tx.tenantKey(tenant)
	if err != nil {
		return err
	}
	sealed, err := reseal(from, to, where, blob)
	if err != nil {
		return tampered("open %s: %w", kindOf(key), err)
	}
	return tx.put(key, append(bytes.Clone(value[:len(value)-len(blob)]), sealed...))
}

// reseal seals what is under one key under another, as the same version.
func reseal(from, to *envelope.Key, where envelope.Place, blob []byte) ([]byte, error) {
	h, err := envelope.Parse(blob)
	if err != nil {
		return nil, err
	}
	plain, version, err := from.Open(where, blob)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	where.Schema = h.Schema
	return to.Seal(where, version, plain)
}

// renewToken gives a token a new key, and seals everything under it again.
func (tx *Tx) renewToken(key []byte) error {
	id, ok := schema.RecordID(key)
	if !ok {
		return tampered("the key of a token has a key of %d bytes", len(key))
	}
	from, err := tx.keysOf(id)
	if err != nil {
		return err
	}
	sm, err := tx.loadSummary(id, from)
	if err != nil {
		return err
	}
	type part struct{ key, blob []byte }
	var parts []part
	err = tx.walkObjects(id, from, sm, func(object uint64, p schema.Part, blob []byte) error {
		parts = append(parts, part{schema.Object(id, object, p), bytes.Clone(blob)})
		return nil
	})
	if err != nil {
		return err
	}
	if err := tx.newKeys(from.tenant, id); err != nil {
		return err
	}
	to, err := tx.keysOf(id)
	if err != nil {
		return err
	}
	sm.sum, sm.dirty = sum{}, true
	for _, p := range parts {
		sealed, err := resealPart(id, from, to, p.key, p.blob)
		if err != nil {
			return err
		}
		sm.sum = sm.sum.plus(element(to.sum, p.key, sealed))
		if err := tx.write(p.key, sealed); err != nil {
			return err
		}
	}
	if err := tx.resealRoleKeys(id, from, to); err != nil {
		return err
	}
	return tx.resealToken(id, from, to)
}

// resealRoleKeys seals the keys of the PINs of a token under its new keys.
func (tx *Tx) resealRoleKeys(id schema.ID, from, to *tokenKeys) error {
	key := schema.Record(schema.PrefixRoleKeys, id)
	blob, err := tx.get(key)
	if err != nil || blob == nil {
		return err
	}
	sealed, err := reseal(from.record, to.record, placeRoleKeys(from.tenant, id), blob)
	if err != nil {
		return tampered("open %s: %w", kindOf(key), err)
	}
	return tx.put(key, sealed)
}

// resealPart seals a part of an object under the new keys of its token.
func resealPart(id schema.ID, from, to *tokenKeys, key, blob []byte) ([]byte, error) {
	number, part, _ := schema.ParseObject(key)
	old, now, field := from.secret, to.secret, fieldSecret
	switch part {
	case schema.PartPublic:
		old, now, field = from.record, to.record, fieldPublic
	case schema.PartBound:
		field = fieldBound
	}
	sealed, err := reseal(old, now, place(from.tenant, id, number, field), blob)
	if err != nil {
		return nil, tampered("open %s: %w", kindOf(key), err)
	}
	return sealed, nil
}

// resealToken seals the record of a token under its new keys.
func (tx *Tx) resealToken(id schema.ID, from, to *tokenKeys) error {
	key := schema.Record(schema.PrefixToken, id)
	value, err := tx.get(key)
	if err != nil {
		return err
	}
	if len(value) < len(from.tenant) {
		return tampered("%s has %d bytes", kindOf(key), len(value))
	}
	sealed, err := reseal(from.record, to.record, place(from.tenant, id, 0, fieldToken), value[len(from.tenant):])
	if err != nil {
		return tampered("open %s: %w", kindOf(key), err)
	}
	return tx.put(key, append(bytes.Clone(from.tenant[:]), sealed...))
}
