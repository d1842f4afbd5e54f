package keystore

import (
	"fmt"
	"time"

	"vtoken/keystore/envelope"
	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
)

// entity is how records of one kind are stored that belong to a tenant: R is the record and J
// its form in the store. Each record is sealed under the key of its tenant and has index
// entries.
type entity[R, J any] struct {
	name   string // names the kind in errors
	prefix byte
	field  envelope.Field

	encode  func(r *R) J
	decode  func(id, tenant schema.ID, j J) *R
	tenant  func(r *R) record.TenantID
	created func(r *R) *time.Time
	// entries returns the index entries of a record.
	entries func(tx *Tx, tenant, id schema.ID, r *R) [][]byte
}

// tenantScope is a tenant whose records are written, with its key.
type tenantScope struct {
	id  schema.ID
	key *envelope.Key
}

func (tx *Tx) tenantScope(id record.TenantID) (s tenantScope, err error) {
	if s.id, err = parseID("tenant", id); err != nil {
		return s, err
	}
	s.key, err = tx.tenantKey(s.id)
	return s, err
}

// read reads a record.
func (e *entity[R, J]) read(tx *Tx, id schema.ID) (*R, error) {
	var j J
	tenant, err := tx.openUnderTenant(e.name, e.prefix, id, e.field, &j)
	if err != nil {
		return nil, err
	}
	return e.decode(id, tenant, j), nil
}

// replaced reads the record that r replaces; nil where there is none, which only mayCreate
// allows. A record of another tenant comes with record.ErrExists.
func (e *entity[R, J]) replaced(tx *Tx, id schema.ID, r *R, mayCreate bool) (*R, error) {
	old, err := e.read(tx, id)
	switch {
	case isMissing(err) && mayCreate:
		return nil, nil
	case err != nil:
		return nil, err
	case e.tenant(old) != e.tenant(r):
		return old, fmt.Errorf("%s %s belongs to another tenant: %w", e.name, text(id), record.ErrExists)
	}
	return old, nil
}

// write stores a record in place of old, which is nil for a new one. It sets the creation
// time where there is none.
func (e *entity[R, J]) write(tx *Tx, tenant tenantScope, id schema.ID, old, r *R) error {
	if at := e.created(r); at.IsZero() {
		*at = time.Now().UTC()
	}
	key, at := schema.Record(e.prefix, id), place(tenant.id, id, 0, e.field)
	if err := tx.sealJSON(tenant.key, key, tenant.id[:], at, e.encode(r)); err != nil {
		return err
	}
	var before [][]byte
	if old != nil {
		before = e.entries(tx, tenant.id, id, old)
	}
	return tx.reindex(before, e.entries(tx, tenant.id, id, r))
}

// list reads the records that the index entries under a prefix name.
func (e *entity[R, J]) list(tx *Tx, prefix []byte) ([]*R, error) {
	return under(tx, prefix, nil, 0, func(id schema.ID) (*R, error) { return e.read(tx, id) })
}

// delete removes a record and its index entries. It returns what it read of the record, with
// an error too.
func (e *entity[R, J]) delete(tx *Tx, id schema.ID) (*R, error) {
	r, err := e.read(tx, id)
	if err != nil {
		return nil, err
	}
	tenant, err := parseID("tenant", e.tenant(r))
	if err != nil {
		return r, err
	}
	if err := tx.reindex(e.entries(tx, tenant, id, r), nil); err != nil {
		return r, err
	}
	tx.count(promptly, tenantOwner(e.tenant(r)))
	return r, tx.remove(schema.Record(e.prefix, id))
}
