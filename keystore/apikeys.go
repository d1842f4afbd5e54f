package keystore

import (
	"cmp"
	"crypto/subtle"
	"fmt"
	"slices"
	"time"

	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// HashAPIKey is the keyed hash of an API key (HMAC-SHA256): what an APIKey
// record has as Hash and what [Tx.APIKeyByHash] finds it by. Nobody without the
// store's keys can test a guess against it.
func (s *Store) HashAPIKey(key secret.Bytes) []byte { return mac(s.sys.apiKey, key) }

// PutAPIKey stores an API key, in place of one of the same tenant and name. A
// hash that another key has is record.ErrExists.
func (tx *Tx) PutAPIKey(k *record.APIKey) error {
	if err := checkName("API key name", k.Name); err != nil {
		return err
	}
	tenant, err := parseID("tenant", k.Tenant)
	if err != nil {
		return err
	}
	key, err := tx.tenantKey(tenant)
	if err != nil {
		return err
	}
	var before [][]byte
	id, replaces, err := tx.first(tx.keyNamePrefix(tenant, k.Name))
	switch {
	case err != nil:
		return err
	case !replaces:
		id = newID()
	default:
		old, err := tx.apiKey(id)
		if err != nil {
			return err
		}
		before = tx.keyEntries(tenant, id, old)
		urgent, _ := urgencyOf(apiKeyLosses, old, k)
		tx.count(urgent, tenantOwner(k.Tenant))
	}
	for _, hash := range hashesOf(k) {
		if other, taken, err := tx.first(tx.indexPrefix(schema.IndexAPIKeyHash, hash)); err != nil {
			return err
		} else if taken && other != id {
			return fmt.Errorf("API key %q: another one is the same: %w", k.Name, record.ErrExists)
		}
	}
	if k.CreatedAt.IsZero() {
		k.CreatedAt = time.Now().UTC()
	}
	row := apiKeyJSON{
		k.Name, string(k.Role), k.Hash, k.CreatedAt.UTC(), k.ExpiresAt.UTC(),
		k.Dialect, k.ID, k.PublicKey, k.CertificateHash,
	}
	if err := tx.sealJSON(key, schema.Record(schema.PrefixAPIKey, id), tenant[:], place(tenant, id, 0, fieldAPIKey), row); err != nil {
		return err
	}
	return tx.reindex(before, tx.keyEntries(tenant, id, k))
}

func (tx *Tx) keyNamePrefix(tenant schema.ID, name string) []byte {
	return tx.indexPrefix(schema.IndexAPIKeyName, tenant[:], []byte(name))
}

// keyEntries are the index entries of an API key.
func (tx *Tx) keyEntries(tenant, id schema.ID, k *record.APIKey) [][]byte {
	entries := [][]byte{
		entry(tx.keyNamePrefix(tenant, k.Name), nil, id),
		entry(tx.indexPrefix(schema.IndexTenantKeys, tenant[:]), nil, id),
	}
	for _, hash := range hashesOf(k) {
		entries = append(entries, entry(tx.indexPrefix(schema.IndexAPIKeyHash, hash), nil, id))
	}
	return entries
}

// hashesOf are the hashes that an API key is found by.
func hashesOf(k *record.APIKey) [][]byte {
	if k.CertificateHash == nil {
		return [][]byte{k.Hash}
	}
	return [][]byte{k.Hash, k.CertificateHash}
}

func (tx *Tx) apiKey(id schema.ID) (*record.APIKey, error) {
	var j apiKeyJSON
	tenant, err := tx.openUnderTenant("API key", schema.PrefixAPIKey, id, fieldAPIKey, &j)
	if err != nil {
		return nil, err
	}
	return &record.APIKey{
		Name: j.Name, Tenant: record.TenantID(text(tenant)), Role: record.Role(j.Role),
		Hash: j.Hash, CreatedAt: j.Created, ExpiresAt: j.Expires,
		Dialect: j.Dialect, ID: j.ID, PublicKey: j.PublicKey, CertificateHash: j.CertificateHash,
	}, nil
}

// findAPIKey is the id of a tenant's API key.
func (tx *Tx) findAPIKey(tenant record.TenantID, name string) (schema.ID, error) {
	tid, err := parseID("tenant", tenant)
	if err != nil {
		return tid, err
	}
	id, ok, err := tx.first(tx.keyNamePrefix(tid, name))
	if err == nil && !ok {
		err = missing("API key", fmt.Sprintf("%.40q", name))
	}
	return id, err
}

// APIKey reads the API key of a tenant with that name.
func (tx *Tx) APIKey(tenant record.TenantID, name string) (*record.APIKey, error) {
	id, err := tx.findAPIKey(tenant, name)
	if err != nil {
		return nil, err
	}
	k, err := tx.apiKey(id)
	if err == nil && (k.Name != name || k.Tenant != tenant) {
		return nil, tampered("the index of API keys leads to another one")
	}
	return k, err
}

// APIKeyByHash reads the API key, of any tenant, with that [Store.HashAPIKey],
// or the one bound to the certificate with that hash.
func (tx *Tx) APIKeyByHash(hash []byte) (*record.APIKey, error) {
	id, ok, err := tx.first(tx.indexPrefix(schema.IndexAPIKeyHash, hash))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, missing("API key", "with that hash")
	}
	k, err := tx.apiKey(id)
	if err == nil && subtle.ConstantTimeCompare(k.Hash, hash)|subtle.ConstantTimeCompare(k.CertificateHash, hash) != 1 {
		return nil, tampered("the index of API keys leads to another one")
	}
	return k, err
}

// APIKeys lists the API keys of a tenant by name. A tenant that is not
// there has none.
func (tx *Tx) APIKeys(tenant record.TenantID) ([]*record.APIKey, error) {
	tid, err := parseID("tenant", tenant)
	if err != nil {
		return nil, err
	}
	ids, err := tx.found(tx.indexPrefix(schema.IndexTenantKeys, tid[:]), nil, 0)
	if err != nil {
		return nil, err
	}
	list := make([]*record.APIKey, 0, len(ids))
	for _, id := range ids {
		k, err := tx.apiKey(id)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b *record.APIKey) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// DeleteAPIKey removes an API key.
func (tx *Tx) DeleteAPIKey(tenant record.TenantID, name string) error {
	id, err := tx.findAPIKey(tenant, name)
	if err != nil {
		return err
	}
	return tx.deleteAPIKey(id)
}

func (tx *Tx) deleteAPIKey(id schema.ID) error {
	k, err := tx.apiKey(id)
	if err != nil {
		return err
	}
	tenant, err := parseID("tenant", k.Tenant)
	if err != nil {
		return err
	}
	if err := tx.reindex(tx.keyEntries(tenant, id, k), nil); err != nil {
		return err
	}
	tx.count(promptly, tenantOwner(k.Tenant))
	return tx.remove(schema.Record(schema.PrefixAPIKey, id))
}
