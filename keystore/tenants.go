package keystore

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vtoken/keystore/envelope"
	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// maxName bounds names, logins and labels in bytes; the callers' own bounds are
// tighter.
const maxName = 1024

func checkName(what, name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("a %s has 1 to %d bytes, not %d", what, maxName, len(name))
	}
	return nil
}

// tenantKey is the key of a tenant, under which records are sealed.
func (tx *Tx) tenantKey(id schema.ID) (*envelope.Key, error) {
	key, err := tx.tenantKeyAt(schema.PrefixTenantKey, id)
	if err == nil && key == nil {
		err = missing("tenant", text(id))
	}
	return key, err
}

// tenantKeyOf is the key of a tenant that a record was sealed under: the present one, or
// the one before while records are sealed under the present one ([Store.RenewKeys]).
func (tx *Tx) tenantKeyOf(id schema.ID, blob []byte) (*envelope.Key, error) {
	key, err := tx.tenantKey(id)
	if err != nil || underKey(blob, key) {
		return key, err
	}
	old, err := tx.tenantKeyAt(schema.PrefixOldTenantKey, id)
	if err != nil || old == nil {
		return key, err
	}
	return old, nil
}

// underKey reports whether a value says that it is sealed under a key.
func underKey(blob []byte, key *envelope.Key) bool {
	h, err := envelope.Parse(blob)
	return err == nil && h.Key == key.ID()
}

// tenantKeyFields are the fields of the present keys of tenants and of those before.
var tenantKeyFields = map[byte]envelope.Field{schema.PrefixTenantKey: fieldTenantKey, schema.PrefixOldTenantKey: fieldOldTenantKey}

// tenantKeyAt reads the present key of a tenant or the one before, nil where there is
// none.
func (tx *Tx) tenantKeyAt(prefix byte, id schema.ID) (*envelope.Key, error) {
	blob, err := tx.get(schema.Record(prefix, id))
	if err != nil || blob == nil {
		return nil, err
	}
	return tx.s.tenantKeys.get(blob, func() (*envelope.Key, error) {
		raw, _, err := tx.s.root.Open(place(id, schema.ID{}, 0, tenantKeyFields[prefix]), blob)
		if err != nil {
			return nil, tampered("open the key of tenant %s: %w", text(id), err)
		}
		defer clear(raw)
		return envelope.NewKey(raw)
	})
}

// newTenantKey stores a key for a new tenant.
func (tx *Tx) newTenantKey(id schema.ID) error {
	raw := envelope.RandomKey()
	defer raw.Wipe()
	return tx.seal(tx.s.root.sealing(), schema.Record(schema.PrefixTenantKey, id), nil, place(id, schema.ID{}, 0, fieldTenantKey), raw)
}

// PutTenant stores a tenant: a new one where its ID is empty or not known, which
// then gets what it lacks of ID and creation time. A nil ExchangeKey keeps the
// one that is stored. A name that another tenant has is record.ErrExists.
func (tx *Tx) PutTenant(t *record.Tenant) error {
	if err := checkName("tenant name", t.Name); err != nil {
		return err
	}
	if err := checkOSUsers("tenant", t.OSUsers); err != nil {
		return err
	}
	id, err := idOrNew("tenant", &t.ID)
	if err != nil {
		return err
	}
	index := tx.indexPrefix(schema.IndexTenantName, []byte(t.Name))
	if other, taken, err := tx.first(index); err != nil {
		return err
	} else if taken && other != id {
		return fmt.Errorf("tenant name %q: %w", t.Name, record.ErrExists)
	}
	var before [][]byte
	if old, err := tx.tenant(id); err == nil {
		before = [][]byte{entry(tx.indexPrefix(schema.IndexTenantName, []byte(old.Name)), nil, id)}
		urgent, _ := urgencyOf(tenantLosses, old, t)
		tx.count(urgent, tenantOwner(t.ID))
	} else if !isMissing(err) {
		return err
	} else if err := tx.newTenantKey(id); err != nil {
		return err
	}
	key, err := tx.tenantKey(id)
	if err != nil {
		return err
	}
	if t.CreatedAt.IsZero() {
		t.CreatedAt = time.Now().UTC()
	}
	row := tenantJSON{
		Name: t.Name, Created: t.CreatedAt.UTC(), Policy: encodePolicy(t.Policy), PINBound: t.PINBound, NoResume: t.NoResume,
		MaxObjects: t.Quota.Objects, MaxObjectsPerUser: t.Quota.ObjectsPerUser, Settings: convert[[]byte](t.Settings), OSUsers: t.OSUsers,
	}
	if err := tx.sealJSON(key, schema.Record(schema.PrefixTenant, id), nil, place(id, schema.ID{}, 0, fieldTenant), row); err != nil {
		return err
	}
	if t.ExchangeKey != nil {
		err := tx.seal(key, schema.Record(schema.PrefixExchange, id), nil, place(id, schema.ID{}, 0, fieldExchangeKey), t.ExchangeKey)
		if err != nil {
			return err
		}
	}
	return tx.reindex(before, [][]byte{entry(index, nil, id)})
}

// convert is a map of the same bytes as another type: secrets do not become JSON by
// themselves.
func convert[To, From ~[]byte](m map[string]From) map[string]To {
	if m == nil {
		return nil
	}
	all := make(map[string]To, len(m))
	for name, value := range m {
		all[name] = To(value)
	}
	return all
}

// tenant reads a tenant without its exchange key.
func (tx *Tx) tenant(id schema.ID) (*record.Tenant, error) {
	blob, err := tx.get(schema.Record(schema.PrefixTenant, id))
	if err != nil {
		return nil, err
	}
	key, err := tx.tenantKeyOf(id, blob)
	if err != nil {
		return nil, err
	}
	var j tenantJSON
	if _, err := openJSON(key, blob, place(id, schema.ID{}, 0, fieldTenant), &j); err != nil {
		return nil, err
	}
	return &record.Tenant{
		ID: record.TenantID(text(id)), Name: j.Name, CreatedAt: j.Created, Policy: j.Policy.policy(), PINBound: j.PINBound, NoResume: j.NoResume,
		Quota:    record.Quota{Objects: j.MaxObjects, ObjectsPerUser: j.MaxObjectsPerUser},
		Settings: convert[secret.Bytes](j.Settings), OSUsers: j.OSUsers,
	}, nil
}

// ForgetsLogins reports whether logins with a tenant's tokens end with the daemon.
func (tx *Tx) ForgetsLogins(tenant record.TenantID) (bool, error) {
	id, err := parseID("tenant", tenant)
	if err != nil {
		return false, err
	}
	t, err := tx.tenant(id)
	if err != nil {
		return false, err
	}
	return t.NoResume, nil
}

// Tenant reads a tenant with its exchange key.
func (tx *Tx) Tenant(id record.TenantID) (*record.Tenant, error) {
	tid, err := parseID("tenant", id)
	if err != nil {
		return nil, err
	}
	return tx.wholeTenant(tid)
}

// TenantByName reads a tenant with its exchange key.
func (tx *Tx) TenantByName(name string) (*record.Tenant, error) {
	id, ok, err := tx.first(tx.indexPrefix(schema.IndexTenantName, []byte(name)))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, missing("tenant", fmt.Sprintf("%.40q", name))
	}
	return tx.wholeTenant(id)
}

func (tx *Tx) wholeTenant(id schema.ID) (*record.Tenant, error) {
	t, err := tx.tenant(id)
	if err != nil {
		return nil, err
	}
	blob, err := tx.get(schema.Record(schema.PrefixExchange, id))
	if err != nil || blob == nil {
		return t, err
	}
	key, err := tx.tenantKeyOf(id, blob)
	if err != nil {
		return nil, err
	}
	exchange, _, err := key.Open(place(id, schema.ID{}, 0, fieldExchangeKey), blob)
	if err != nil {
		return nil, tampered("open the exchange key of tenant %s: %w", text(id), err)
	}
	t.ExchangeKey = exchange
	return t, nil
}

// Tenants lists all tenants by name, without their exchange keys.
func (tx *Tx) Tenants() ([]*record.Tenant, error) {
	keys, err := tx.keysUnder([]byte{schema.PrefixTenant})
	if err != nil {
		return nil, err
	}
	list := make([]*record.Tenant, 0, len(keys))
	for _, key := range keys {
		id, ok := schema.RecordID(key)
		if !ok {
			return nil, tampered("a tenant's key has %d bytes", len(key))
		}
		t, err := tx.tenant(id)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *record.Tenant) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// DeleteTenant removes a tenant with everything in it.
func (tx *Tx) DeleteTenant(id record.TenantID) error {
	t, err := tx.Tenant(id)
	if err != nil {
		return err
	}
	t.ExchangeKey.Wipe()
	tid, err := parseID("tenant", id)
	if err != nil {
		return err
	}
	if err := tx.deleteContents(tid); err != nil {
		return err
	}
	for _, prefix := range []byte{schema.PrefixTenant, schema.PrefixExchange, schema.PrefixTenantKey, schema.PrefixOldTenantKey} {
		if err := tx.remove(schema.Record(prefix, tid)); err != nil {
			return err
		}
	}
	return tx.remove(entry(tx.indexPrefix(schema.IndexTenantName, []byte(t.Name)), nil, tid))
}

// deleteContents removes a tenant's tokens, users, API keys and groups.
func (tx *Tx) deleteContents(tenant schema.ID) error {
	for _, row := range []struct {
		index  schema.Index
		delete func(schema.ID) error
	}{
		{schema.IndexTenantTokens, tx.deleteToken},
		{schema.IndexTenantUsers, tx.deleteUser},
		{schema.IndexTenantKeys, tx.deleteAPIKey},
		{schema.IndexTenantGroups, tx.deleteGroup},
	} {
		ids, err := tx.found(tx.indexPrefix(row.index, tenant[:]), nil, 0)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := row.delete(id); err != nil {
				return err
			}
		}
	}
	return nil
}
