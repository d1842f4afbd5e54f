package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"vtoken/keystore/envelope"
	"vtoken/keystore/schema"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/policy"
)

// Records are JSON inside the seal. The types here fix the names, so that renaming a field of
// a Go type changes no store. Ids and tenants are in the key and the place, not in the JSON.

type tenantJSON struct {
	Name    string     `json:"name"`
	Created time.Time  `json:"created"`
	Policy  policyJSON `json:"policy,omitzero"`

	PINBound bool `json:"pinBound,omitempty"`

	MaxObjects        uint64 `json:"maxObjects,omitempty"`
	MaxObjectsPerUser uint64 `json:"maxObjectsPerUser,omitempty"`

	Settings map[string][]byte `json:"settings,omitempty"`

	OSUsers []string `json:"osUsers,omitempty"`
}

// policyJSON is an algorithm policy. Records of earlier programs have none, which means the
// default.
type policyJSON struct {
	Name       string   `json:"name"`
	Mechanisms []uint64 `json:"mechanisms,omitempty"`
}

// IsZero keeps the default out of the JSON.
func (j policyJSON) IsZero() bool { return j.Name == "" }

type userJSON struct {
	Login   string    `json:"login"`
	Enabled bool      `json:"enabled"`
	Created time.Time `json:"created"`
	OSUsers []string  `json:"osUsers,omitempty"`
	Domain  string    `json:"domain,omitempty"`
	Aliases []string  `json:"aliases,omitempty"`

	NotByName bool `json:"notByName,omitempty"`
}

type apiKeyJSON struct {
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	Hash    []byte    `json:"hash"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`

	Dialect         string `json:"dialect,omitempty"`
	ID              string `json:"id,omitempty"`
	PublicKey       []byte `json:"publicKey,omitempty"`
	CertificateHash []byte `json:"certificateHash,omitempty"`
}

type pinJSON struct {
	MinLen    int       `json:"minLen"`
	MaxLen    int       `json:"maxLen"`
	MaxTries  int       `json:"maxTries"`
	Verifier  []byte    `json:"verifier,omitempty"`
	Failed    int       `json:"failed"`
	Change    bool      `json:"change"`
	ChangedAt time.Time `json:"changedAt"`

	Unlocks pin.Unlocks `json:"unlocks,omitzero"`
}

func encodePolicy(p policy.Policy) policyJSON {
	j := policyJSON{Name: string(p.Name)}
	for _, m := range p.Mechanisms {
		j.Mechanisms = append(j.Mechanisms, uint64(m))
	}
	return j
}

func (j policyJSON) policy() policy.Policy {
	p := policy.Policy{Name: policy.Name(j.Name)}
	for _, m := range j.Mechanisms {
		p.Mechanisms = append(p.Mechanisms, ck.MechanismType(m))
	}
	return p
}

func encodePIN(s pin.State) pinJSON {
	return pinJSON{s.Policy.MinLen, s.Policy.MaxLen, s.Policy.MaxTries, s.Verifier, s.Failed, s.ToBeChanged, s.ChangedAt.UTC(), s.Unlocks}
}

func (j pinJSON) state() pin.State {
	return pin.State{
		Policy:   pin.Policy{MinLen: j.MinLen, MaxLen: j.MaxLen, MaxTries: j.MaxTries},
		Verifier: j.Verifier, Failed: j.Failed, ToBeChanged: j.Change, ChangedAt: j.ChangedAt, Unlocks: j.Unlocks,
	}
}

// sealJSON writes a record as JSON, sealed, behind a prefix in the clear.
func (tx *Tx) sealJSON(k *envelope.Key, key, prefix []byte, p envelope.Place, v any) error {
	plain, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode a record: %w", err)
	}
	defer clear(plain)
	if err := tx.knowsAll(k, key, len(prefix), p, v); err != nil {
		return err
	}
	return tx.seal(k, key, prefix, p, plain)
}

// knowsAll refuses to replace a record that has members unknown to this program: a newer
// program made them, and they would be lost.
func (tx *Tx) knowsAll(k *envelope.Key, key []byte, prefix int, p envelope.Place, v any) error {
	old, err := tx.get(key)
	if err != nil || len(old) < prefix {
		return err
	}
	plain, _, err := k.Open(p, old[prefix:])
	if errors.Is(err, envelope.ErrKey) {
		before, e := tx.tenantKeyAt(schema.PrefixOldTenantKey, p.Tenant)
		if e != nil {
			return e
		}
		if before != nil {
			plain, _, err = before.Open(p, old[prefix:])
		}
	}
	if err != nil {
		return nil // under another key, or in another place; it is replaced as a whole
	}
	defer clear(plain)
	d := json.NewDecoder(bytes.NewReader(plain))
	d.DisallowUnknownFields()
	if err := d.Decode(reflect.New(reflect.TypeOf(v)).Interface()); err != nil {
		return ck.Errorf(ck.CKR_DEVICE_ERROR, "%w: %s has members that this program does not know and would drop; install the newer program again: %w", schema.ErrNewer, kindOf(key), err)
	}
	return nil
}

// openJSON reads what sealJSON wrote, without the prefix, and its version.
func openJSON(k *envelope.Key, blob []byte, p envelope.Place, v any) (uint64, error) {
	plain, version, err := k.Open(p, blob)
	if err != nil {
		return 0, tampered("open a record: %w", err)
	}
	defer clear(plain)
	if err := json.Unmarshal(plain, v); err != nil {
		return 0, tampered("decode a record: %w", err)
	}
	return version, nil
}

// cutTenant splits a value that begins with the id of its tenant.
func cutTenant(value []byte) (tenant schema.ID, blob []byte, err error) {
	if len(value) < len(tenant) {
		return tenant, nil, tampered("a record has %d bytes", len(value))
	}
	copy(tenant[:], value)
	return tenant, value[len(tenant):], nil
}

// openUnderTenant reads into v a record that begins with the id of its tenant and
// is sealed under that tenant's key. what names it in errors.
func (tx *Tx) openUnderTenant(what string, prefix byte, id schema.ID, field envelope.Field, v any) (tenant schema.ID, err error) {
	value, err := tx.get(schema.Record(prefix, id))
	if err != nil {
		return tenant, err
	}
	if value == nil {
		return tenant, missing(what, text(id))
	}
	tenant, blob, err := cutTenant(value)
	if err != nil {
		return tenant, err
	}
	key, err := tx.tenantKeyOf(tenant, blob)
	if err != nil {
		return tenant, err
	}
	_, err = openJSON(key, blob, place(tenant, id, 0, field), v)
	return tenant, err
}
