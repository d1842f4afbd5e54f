package keystore

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
)

// pendingJSON is a key pair that waits for its certificate.
type pendingJSON struct {
	User    string    `json:"user"`
	Key     []byte    `json:"key,omitempty"` // PKCS#8
	Token   string    `json:"token,omitempty"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// PutPendingKey stores a pending key, new or changed. One without an ID gets one,
// and one without a creation time gets that. Its user has to be there.
func (tx *Tx) PutPendingKey(k *record.PendingKey) error {
	u, err := tx.User(k.User)
	if err != nil {
		return err
	}
	if u.Tenant != k.Tenant {
		return missing("user", string(k.User))
	}
	tenant, err := parseID("tenant", k.Tenant)
	if err != nil {
		return err
	}
	id, err := idOrNew("pending key", &k.ID)
	if err != nil {
		return err
	}
	var before [][]byte
	if old, err := tx.pendingKey(id); err == nil {
		old.PKCS8.Wipe()
		if old.Tenant != k.Tenant || old.User != k.User {
			return fmt.Errorf("pending key %s is another user's: %w", k.ID, record.ErrExists)
		}
		before = tx.pendingEntries(old)
	} else if !isMissing(err) {
		return err
	}
	if k.CreatedAt.IsZero() {
		k.CreatedAt = time.Now().UTC()
	}
	key, err := tx.tenantKey(tenant)
	if err != nil {
		return err
	}
	row := pendingJSON{string(k.User), k.PKCS8, string(k.Token), k.CreatedAt.UTC(), k.ExpiresAt.UTC()}
	if err := tx.sealJSON(key, schema.Record(schema.PrefixPending, id), tenant[:], place(tenant, id, 0, fieldPending), row); err != nil {
		return err
	}
	return tx.reindex(before, tx.pendingEntries(k))
}

// pendingEntries are the index entries of a pending key; its ids are good.
func (tx *Tx) pendingEntries(k *record.PendingKey) [][]byte {
	id, err := parseID("pending key", k.ID)
	tenant, err2 := parseID("tenant", k.Tenant)
	user, err3 := parseID("user", k.User)
	if cmp.Or(err, err2, err3) != nil {
		return nil
	}
	return [][]byte{
		entry(tx.indexPrefix(schema.IndexTenantPending, tenant[:]), nil, id),
		entry(tx.indexPrefix(schema.IndexUserPending, user[:]), nil, id),
	}
}

// PendingKey reads a pending key with its private key, which the caller wipes.
func (tx *Tx) PendingKey(id record.KeyID) (*record.PendingKey, error) {
	kid, err := parseID("pending key", id)
	if err != nil {
		return nil, err
	}
	return tx.pendingKey(kid)
}

func (tx *Tx) pendingKey(id schema.ID) (*record.PendingKey, error) {
	var j pendingJSON
	tenant, err := tx.openUnderTenant("pending key", schema.PrefixPending, id, fieldPending, &j)
	if err != nil {
		return nil, err
	}
	return &record.PendingKey{
		ID: record.KeyID(text(id)), Tenant: record.TenantID(text(tenant)), User: record.UserID(j.User),
		PKCS8: j.Key, Token: record.TokenID(j.Token), CreatedAt: j.Created, ExpiresAt: j.Expires,
	}, nil
}

// PendingKeysOf lists the pending keys of a user, the oldest first, without their
// private keys.
func (tx *Tx) PendingKeysOf(user record.UserID) ([]*record.PendingKey, error) {
	uid, err := parseID("user", user)
	if err != nil {
		return nil, noneIfMissing(err)
	}
	return tx.pendingUnder(schema.IndexUserPending, uid)
}

// PendingKeys lists the pending keys of a tenant likewise.
func (tx *Tx) PendingKeys(tenant record.TenantID) ([]*record.PendingKey, error) {
	tid, err := parseID("tenant", tenant)
	if err != nil {
		return nil, noneIfMissing(err)
	}
	return tx.pendingUnder(schema.IndexTenantPending, tid)
}

func (tx *Tx) pendingUnder(kind schema.Index, of schema.ID) ([]*record.PendingKey, error) {
	list, err := under(tx, tx.indexPrefix(kind, of[:]), nil, 0, tx.pendingKey)
	if err != nil {
		return nil, err
	}
	for _, k := range list {
		k.PKCS8.Wipe()
		k.PKCS8 = nil
	}
	slices.SortFunc(list, func(a, b *record.PendingKey) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// DeletePendingKey removes a pending key.
func (tx *Tx) DeletePendingKey(id record.KeyID) error {
	kid, err := parseID("pending key", id)
	if err != nil {
		return err
	}
	return tx.deletePendingKey(kid)
}

func (tx *Tx) deletePendingKey(id schema.ID) error {
	k, err := tx.pendingKey(id)
	if err != nil {
		return err
	}
	k.PKCS8.Wipe()
	if err := tx.reindex(tx.pendingEntries(k), nil); err != nil {
		return err
	}
	tx.count(promptly, tenantOwner(k.Tenant))
	return tx.remove(schema.Record(schema.PrefixPending, id))
}

// deletePendingOf removes the pending keys of a user who goes.
func (tx *Tx) deletePendingOf(user schema.ID) error {
	ids, err := tx.found(tx.indexPrefix(schema.IndexUserPending, user[:]), nil, 0)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := tx.deletePendingKey(id); err != nil {
			return err
		}
	}
	return nil
}
