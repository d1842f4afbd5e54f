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

var pendingKeys = entity[record.PendingKey, pendingJSON]{
	name: "pending key", prefix: schema.PrefixPending, field: fieldPending,
	encode: func(k *record.PendingKey) pendingJSON {
		return pendingJSON{string(k.User), k.PKCS8, string(k.Token), k.CreatedAt.UTC(), k.ExpiresAt.UTC()}
	},
	decode: func(id, tenant schema.ID, j pendingJSON) *record.PendingKey {
		return &record.PendingKey{
			ID: record.KeyID(text(id)), Tenant: record.TenantID(text(tenant)), User: record.UserID(j.User),
			PKCS8: j.Key, Token: record.TokenID(j.Token), CreatedAt: j.Created, ExpiresAt: j.Expires,
		}
	},
	tenant:  func(k *record.PendingKey) record.TenantID { return k.Tenant },
	created: func(k *record.PendingKey) *time.Time { return &k.CreatedAt },
	entries: func(tx *Tx, tenant, id schema.ID, k *record.PendingKey) [][]byte {
		user, err := parseID("user", k.User)
		if err != nil {
			return nil // PutPendingKey stores no such key
		}
		return [][]byte{
			entry(tx.indexPrefix(schema.IndexTenantPending, tenant[:]), nil, id),
			entry(tx.indexPrefix(schema.IndexUserPending, user[:]), nil, id),
		}
	},
}

// PutPendingKey stores a pending key, new or changed. A key without an ID gets one, and one
// without a creation time gets the present time. Its user must exist.
func (tx *Tx) PutPendingKey(k *record.PendingKey) error {
	u, err := tx.User(k.User)
	if err != nil {
		return err
	}
	if u.Tenant != k.Tenant {
		return missing("user", string(k.User))
	}
	tenant, err := tx.tenantScope(k.Tenant)
	if err != nil {
		return err
	}
	id, err := idOrNew("pending key", &k.ID)
	if err != nil {
		return err
	}
	old, err := pendingKeys.replaced(tx, id, k, true)
	if old != nil {
		old.PKCS8.Wipe()
	}
	switch {
	case err != nil:
		return err
	case old != nil && old.User != k.User:
		return fmt.Errorf("pending key %s belongs to another user: %w", k.ID, record.ErrExists)
	}
	return pendingKeys.write(tx, tenant, id, old, k)
}

// PendingKey reads a pending key with its private key, which the caller wipes.
func (tx *Tx) PendingKey(id record.KeyID) (*record.PendingKey, error) {
	kid, err := parseID("pending key", id)
	if err != nil {
		return nil, err
	}
	return pendingKeys.read(tx, kid)
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
	list, err := pendingKeys.list(tx, tx.indexPrefix(kind, of[:]))
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
	k, err := pendingKeys.delete(tx, id)
	if k != nil {
		k.PKCS8.Wipe()
	}
	return err
}

// deletePendingOf removes the pending keys of a user who is deleted.
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
