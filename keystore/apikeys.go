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

// HashAPIKey returns the keyed hash of an API key (HMAC-SHA256): the Hash of its APIKey
// record, by which [Tx.APIKeyByHash] finds it. Without the store's keys, nobody can test a
// guess against the hash.
func (s *Store) HashAPIKey(key secret.Bytes) []byte { return mac(s.sys.apiKey, key) }

var apiKeys = entity[record.APIKey, apiKeyJSON]{
	name: "API key", prefix: schema.PrefixAPIKey, field: fieldAPIKey,
	encode: func(k *record.APIKey) apiKeyJSON {
		return apiKeyJSON{
			k.Name, string(k.Role), k.Hash, k.CreatedAt.UTC(), k.ExpiresAt.UTC(),
			k.Dialect, k.ID, k.PublicKey, k.CertificateHash,
		}
	},
	decode: func(_, tenant schema.ID, j apiKeyJSON) *record.APIKey {
		return &record.APIKey{
			Name: j.Name, Tenant: record.TenantID(text(tenant)), Role: record.Role(j.Role),
			Hash: j.Hash, CreatedAt: j.Created, ExpiresAt: j.Expires,
			Dialect: j.Dialect, ID: j.ID, PublicKey: j.PublicKey, CertificateHash: j.CertificateHash,
		}
	},
	tenant:  func(k *record.APIKey) record.TenantID { return k.Tenant },
	created: func(k *record.APIKey) *time.Time { return &k.CreatedAt },
	entries: func(tx *Tx, tenant, id schema.ID, k *record.APIKey) [][]byte {
		entries := [][]byte{
			entry(tx.keyNamePrefix(tenant, k.Name), nil, id),
			entry(tx.indexPrefix(schema.IndexTenantKeys, tenant[:]), nil, id),
		}
		for _, hash := range hashesOf(k) {
			entries = append(entries, entry(tx.indexPrefix(schema.IndexAPIKeyHash, hash), nil, id))
		}
		return entries
	},
}

// PutAPIKey stores an API key, in place of one of the same tenant and name. A hash that
// another key has is record.ErrExists.
func (tx *Tx) PutAPIKey(k *record.APIKey) error {
	if err := checkName("API key name", k.Name); err != nil {
		return err
	}
	tenant, err := tx.tenantScope(k.Tenant)
	if err != nil {
		return err
	}
	id, replaces, err := tx.first(tx.keyNamePrefix(tenant.id, k.Name))
	if err != nil {
		return err
	}
	var old *record.APIKey
	if !replaces {
		id = newID()
	} else {
		if old, err = apiKeys.read(tx, id); err != nil {
			return err
		}
		urgent, _ := urgencyOf(apiKeyLosses, old, k)
		tx.count(urgent, tenantOwner(k.Tenant))
	}
	for _, hash := range hashesOf(k) {
		if other, taken, err := tx.first(tx.indexPrefix(schema.IndexAPIKeyHash, hash)); err != nil {
			return err
		} else if taken && other != id {
			return fmt.Errorf("API key %q: another API key has the same secret or certificate: %w", k.Name, record.ErrExists)
		}
	}
	return apiKeys.write(tx, tenant, id, old, k)
}

func (tx *Tx) keyNamePrefix(tenant schema.ID, name string) []byte {
	return tx.indexPrefix(schema.IndexAPIKeyName, tenant[:], []byte(name))
}

// hashesOf returns the hashes by which an API key is found.
func hashesOf(k *record.APIKey) [][]byte {
	if k.CertificateHash == nil {
		return [][]byte{k.Hash}
	}
	return [][]byte{k.Hash, k.CertificateHash}
}

// findAPIKey returns the id of a tenant's API key.
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
	k, err := apiKeys.read(tx, id)
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
	k, err := apiKeys.read(tx, id)
	if err == nil && subtle.ConstantTimeCompare(k.Hash, hash)|subtle.ConstantTimeCompare(k.CertificateHash, hash) != 1 {
		return nil, tampered("the index of API keys leads to another one")
	}
	return k, err
}

// APIKeys lists the API keys of a tenant by name. A tenant that does not exist has none.
func (tx *Tx) APIKeys(tenant record.TenantID) ([]*record.APIKey, error) {
	tid, err := parseID("tenant", tenant)
	if err != nil {
		return nil, err
	}
	list, err := apiKeys.list(tx, tx.indexPrefix(schema.IndexTenantKeys, tid[:]))
	if err != nil {
		return nil, err
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
	_, err := apiKeys.delete(tx, id)
	return err
}
