package keystore

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"vtoken/keystore/envelope"
	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
)

// keysOf are the keys of a token.
func (tx *Tx) keysOf(id schema.ID) (*tokenKeys, error) {
	value, err := tx.get(schema.Record(schema.PrefixTokenKey, id))
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, missing("token", text(id))
	}
	tenant, blob, err := cutTenant(value)
	if err != nil {
		return nil, err
	}
	return tx.s.tokenKeys.get(blob, func() (*tokenKeys, error) {
		key, err := tx.tenantKeyOf(tenant, blob)
		if err != nil {
			return nil, err
		}
		raw, _, err := key.Open(place(tenant, id, 0, fieldTokenKey), blob)
		if err != nil {
			return nil, tampered("open the key of token %s: %w", text(id), err)
		}
		defer clear(raw)
		return newTokenKeys(tenant, raw)
	})
}

// newKeys stores a key for a new token.
func (tx *Tx) newKeys(tenant, id schema.ID) error {
	key, err := tx.tenantKey(tenant)
	if err != nil {
		return err
	}
	raw := envelope.RandomKey()
	defer raw.Wipe()
	return tx.seal(key, schema.Record(schema.PrefixTokenKey, id), tenant[:], place(tenant, id, 0, fieldTokenKey), raw)
}

// NewToken stores a new token under its ID, or under a new one where that is
// empty. The store sets Slot and Version, and Serial, CreatedAt and Policy (to the
// tenant's) where they are empty. An ID or serial number that is taken is record.ErrExists; a tenant
// or holder that is not there is record.ErrNotFound. A token without PINs is
// PIN-bound where its tenant's new tokens are.
func (tx *Tx) NewToken(t *record.Token) error {
	tenant, err := parseID("tenant", t.Tenant)
	if err != nil {
		return err
	}
	id, err := idOrNew("token", &t.ID)
	if err != nil {
		return err
	}
	if _, err := tx.keysOf(id); err == nil {
		return fmt.Errorf("token %s: %w", t.ID, record.ErrExists)
	} else if !isMissing(err) {
		return err
	}
	if err := tx.allocateSlot(t); err != nil {
		return err
	}
	if t.Serial == "" {
		t.Serial = newSerial()
	}
	if t.CreatedAt.IsZero() {
		t.CreatedAt = time.Now().UTC()
	}
	if !t.Policy.Set() {
		of, err := tx.tenant(tenant)
		if err != nil {
			return err
		}
		t.Policy = of.Policy
	}
	if err := tx.inheritBound(tenant, t); err != nil {
		return err
	}
	if err := tx.newKeys(tenant, id); err != nil {
		return err
	}
	tx.keepSummary(id, &summary{dirty: true, counted: true})
	return tx.storeToken(tenant, id, t, nil)
}

func newSerial() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%X", b)
}

// PutToken replaces the record of a token that exists, and sets its Version.
// Tenant and slot of a token never change, nor does PINBound. With a new BoundKey,
// the secrets that are there are sealed to it; where there are some that the old
// one opens, it is refused.
func (tx *Tx) PutToken(t *record.Token) error {
	if tx.w == nil {
		return errReadOnly
	}
	id, err := parseID("token", t.ID)
	if err != nil {
		return err
	}
	old, err := tx.token(id)
	if err != nil {
		return err
	}
	if old.Tenant != t.Tenant || old.Slot != t.Slot || old.PINBound != t.PINBound {
		return fmt.Errorf("token %s cannot change its tenant, its slot or whether it is PIN-bound", t.ID)
	}
	tenant, err := parseID("tenant", t.Tenant)
	if err != nil {
		return err
	}
	return tx.storeToken(tenant, id, t, old)
}

// storeToken writes the record and its index entries; old is nil for a new one.
func (tx *Tx) storeToken(tenant, id schema.ID, t, old *record.Token) error {
	if len(t.Label) > maxName || t.Serial == "" || len(t.Serial) > maxName {
		return fmt.Errorf("a token has a label and a serial number of at most %d bytes", maxName)
	}
	if err := errors.Join(checkBound(t), tx.checkUnique(id, t)); err != nil {
		return err
	}
	entries, err := tx.tokenEntries(tenant, id, t)
	if err != nil {
		return err
	}
	var before [][]byte
	t.Version = 1
	if old != nil {
		if err := tx.moveUsage(id, t.Owner()); err != nil {
			return err
		}
	}
	tx.note(id, t)
	if old != nil {
		u, codes := urgencyOf(tokenLosses, old, t)
		by := tx.tokenOwner(old)
		if codes {
			by = codesOwner(t.Tenant)
		}
		tx.count(u, by)
		t.Version = old.Version + 1
		if before, err = tx.storedEntries(tenant, id, old); err != nil {
			return err
		}
	}
	given := t.BoundKey
	if err := tx.bindPINs(id, t, old); err != nil {
		return err
	}
	if old != nil && bytes.Equal(given, t.BoundKey) {
		if err := tx.rebind(id, old, t); err != nil {
			return err
		}
	}
	tx.note(id, t)
	keys, err := tx.keysOf(id)
	if err != nil {
		return err
	}
	err = tx.sealJSON(keys.record, schema.Record(schema.PrefixToken, id), tenant[:], place(tenant, id, 0, fieldToken), encodeToken(t))
	if err != nil {
		return err
	}
	if err := tx.reindex(before, entries); err != nil {
		return err
	}
	tx.changes = append(tx.changes, record.Change{TokenID: t.ID, Token: t.Clone()})
	return nil
}

// checkUnique checks the serial number, and that the holders are users of the
// tenant.
func (tx *Tx) checkUnique(id schema.ID, t *record.Token) error {
	other, taken, err := tx.bySerial(t.Tenant, t.Serial)
	if err != nil {
		return err
	}
	if taken && other != id {
		return fmt.Errorf("serial number %.40q: %w", t.Serial, record.ErrExists)
	}
	for _, a := range t.Holders {
		holder, err := tx.User(a.User)
		if err == nil && holder.Tenant != t.Tenant {
			err = missing("user", a.User)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bySerial is the token of a tenant with the serial number, and whether there is
// one.
func (tx *Tx) bySerial(tenant record.TenantID, serial string) (id schema.ID, ok bool, err error) {
	tid, err := parseID("tenant", tenant)
	if err != nil {
		return id, false, err
	}
	if id, ok, err = tx.first(tx.indexPrefix(schema.IndexSerial, tid[:], []byte(serial))); ok || err != nil {
		return id, ok, err
	}
	if id, ok, err = tx.first(tx.indexPrefix(schema.IndexOldSerial, []byte(serial))); !ok || err != nil {
		return id, ok, err
	}
	t, err := tx.token(id)
	return id, err == nil && t.Tenant == tenant, err
}

// TokenBySerial reads the token of a tenant with that serial number.
func (tx *Tx) TokenBySerial(tenant record.TenantID, serial string) (*record.Token, error) {
	id, ok, err := tx.bySerial(tenant, serial)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, missing("token", fmt.Sprintf("%.40q", serial))
	}
	t, err := tx.token(id)
	if err == nil && (t.Serial != serial || t.Tenant != tenant) {
		return nil, tampered("the index of serial numbers leads to another token")
	}
	return t, err
}

// storedEntries returns the index entries of the stored record of a token.
func (tx *Tx) storedEntries(tenant, id schema.ID, t *record.Token) ([][]byte, error) {
	keys, err := tx.tokenEntries(tenant, id, t)
	if err != nil {
		return nil, err
	}
	old := entry(tx.indexPrefix(schema.IndexOldSerial, []byte(t.Serial)), nil, id)
	if value, err := tx.get(old); err != nil {
		return nil, err
	} else if value != nil {
		keys[0] = old
	}
	return keys, nil
}

// tokenEntries are the index entries of a token, that of its serial number
// first.
func (tx *Tx) tokenEntries(tenant, id schema.ID, t *record.Token) ([][]byte, error) {
	slot := binary.BigEndian.AppendUint32(nil, uint32(t.Slot))
	keys := [][]byte{
		entry(tx.indexPrefix(schema.IndexSerial, tenant[:], []byte(t.Serial)), nil, id),
		entry(tx.indexPrefix(schema.IndexTenantTokens, tenant[:]), slot, id),
	}
	for _, a := range t.Holders {
		holder, err := parseID("user", a.User)
		if err != nil {
			return nil, err
		}
		keys = append(keys, entry(tx.indexPrefix(schema.IndexHolder, holder[:]), slot, id))
	}
	return keys, nil
}

// Token reads a token.
func (tx *Tx) Token(id record.TokenID) (*record.Token, error) {
	tid, err := parseID("token", id)
	if err != nil {
		return nil, err
	}
	return tx.token(tid)
}

func (tx *Tx) token(id schema.ID) (*record.Token, error) {
	keys, err := tx.keysOf(id)
	if err != nil {
		return nil, err
	}
	value, err := tx.get(schema.Record(schema.PrefixToken, id))
	if err != nil {
		return nil, err
	}
	tenant, blob, err := cutTenant(value)
	if err != nil {
		return nil, err
	}
	if tenant != keys.tenant {
		return nil, tampered("token %s is of two tenants", text(id))
	}
	var j tokenJSON
	version, err := openJSON(keys.record, blob, place(tenant, id, 0, fieldToken), &j)
	if err != nil {
		return nil, err
	}
	t := j.token(id, tenant, version)
	tx.note(id, t)
	return t, nil
}

// TokensOf lists the tokens that a user holds, by slot id. A user that does not exist holds
// none.
func (tx *Tx) TokensOf(user record.UserID) ([]*record.Token, error) {
	uid, err := parseID("user", user)
	if err != nil {
		return nil, noneIfMissing(err)
	}
	list, err := tx.tokensUnder(tx.indexPrefix(schema.IndexHolder, uid[:]), nil, 0)
	for _, t := range list {
		if t.Assignment(user) == nil {
			return nil, tampered("the index of holders leads to the token of another one")
		}
	}
	return list, err
}

// TokensOfTenant lists at most limit tokens of a tenant (0 is all) by slot id,
// beginning after the given slot (0 is from the start). A tenant that is not
// there has none.
func (tx *Tx) TokensOfTenant(tenant record.TenantID, after uint64, limit int) ([]*record.Token, error) {
	tid, err := parseID("tenant", tenant)
	if err != nil {
		return nil, noneIfMissing(err)
	}
	from := binary.BigEndian.AppendUint32(nil, uint32(min(after, math.MaxUint32)))
	from = append(from, bytes.Repeat([]byte{0xff}, len(tid))...) // past every id of that slot
	list, err := tx.tokensUnder(tx.indexPrefix(schema.IndexTenantTokens, tid[:]), from, limit)
	for _, t := range list {
		if t.Tenant != tenant {
			return nil, tampered("the index of tenants leads to the token of another one")
		}
	}
	return list, err
}

func noneIfMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}

func (tx *Tx) tokensUnder(prefix, after []byte, limit int) ([]*record.Token, error) {
	return under(tx, prefix, after, limit, tx.token)
}

// DeleteToken removes a token with all its objects. Its slot id and serial
// number are not used again by themselves.
func (tx *Tx) DeleteToken(id record.TokenID) error {
	tid, err := parseID("token", id)
	if err != nil {
		return err
	}
	return tx.deleteToken(tid)
}

func (tx *Tx) deleteToken(id schema.ID) error {
	if tx.w == nil {
		return errReadOnly
	}
	t, err := tx.token(id)
	if err != nil {
		return err
	}
	tenant, err := parseID("tenant", t.Tenant)
	if err != nil {
		return err
	}
	entries, err := tx.storedEntries(tenant, id, t)
	if err != nil {
		return err
	}
	if err := tx.reindex(entries, nil); err != nil {
		return err
	}
	if err := tx.moveUsage(id, ""); err != nil {
		return err
	}
	parts, err := tx.keysUnder(schema.Objects(id))
	if err != nil {
		return err
	}
	for _, key := range parts {
		if err := tx.erase(key); err != nil {
			return err
		}
	}
	delete(tx.summaries, id)
	for _, prefix := range []byte{schema.PrefixToken, schema.PrefixSummary, schema.PrefixRoleKeys, schema.PrefixTokenKey} {
		err = errors.Join(err, tx.remove(schema.Record(prefix, id)))
	}
	tx.count(promptly, tx.tokenOwner(t))
	tx.w.OnCommit(func() {
		tx.s.verified.Delete(id)
		tx.s.renewed.forget(id)
	})
	tx.changes = append(tx.changes, record.Change{TokenID: t.ID, Deleted: true})
	return err
}
