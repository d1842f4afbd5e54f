package keystore

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
)

// groupJSON is a group of tokens.
type groupJSON struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

var groups = entity[record.Group, groupJSON]{
	name: "group", prefix: schema.PrefixGroup, field: fieldGroup,
	encode: func(g *record.Group) groupJSON { return groupJSON{g.Name, g.CreatedAt.UTC()} },
	decode: func(id, tenant schema.ID, j groupJSON) *record.Group {
		return &record.Group{
			ID: record.GroupID(text(id)), Tenant: record.TenantID(text(tenant)), Name: j.Name, CreatedAt: j.Created,
		}
	},
	tenant:  func(g *record.Group) record.TenantID { return g.Tenant },
	created: func(g *record.Group) *time.Time { return &g.CreatedAt },
	entries: func(tx *Tx, tenant, id schema.ID, g *record.Group) [][]byte {
		return [][]byte{
			entry(tx.indexPrefix(schema.IndexTenantGroups, tenant[:]), nil, id),
			entry(tx.indexPrefix(schema.IndexGroupName, tenant[:], []byte(g.Name)), nil, id),
		}
	},
}

// PutGroup stores a group: a new one where its ID is empty, which then gets its ID, and a
// creation time where it has none. An ID that is not known is record.ErrNotFound. A name that
// another group of the tenant has is record.ErrExists.
func (tx *Tx) PutGroup(g *record.Group) error {
	if err := checkName("group name", g.Name); err != nil {
		return err
	}
	tenant, err := tx.tenantScope(g.Tenant)
	if err != nil {
		return err
	}
	isNew := g.ID == ""
	id, err := idOrNew("group", &g.ID)
	if err != nil {
		return err
	}
	if other, taken, err := tx.first(tx.indexPrefix(schema.IndexGroupName, tenant.id[:], []byte(g.Name))); err != nil {
		return err
	} else if taken && other != id {
		return fmt.Errorf("group %q: %w", g.Name, record.ErrExists)
	}
	old, err := groups.replaced(tx, id, g, isNew)
	if err != nil {
		return err
	}
	return groups.write(tx, tenant, id, old, g)
}

// Group reads a group.
func (tx *Tx) Group(id record.GroupID) (*record.Group, error) {
	gid, err := parseID("group", id)
	if err != nil {
		return nil, err
	}
	return groups.read(tx, gid)
}

// Groups lists the groups of a tenant by name. A tenant that does not exist has none.
func (tx *Tx) Groups(tenant record.TenantID) ([]*record.Group, error) {
	tid, err := parseID("tenant", tenant)
	if err != nil {
		return nil, noneIfMissing(err)
	}
	list, err := groups.list(tx, tx.indexPrefix(schema.IndexTenantGroups, tid[:]))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b *record.Group) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// DeleteGroup removes a group. Tokens keep its ID.
func (tx *Tx) DeleteGroup(id record.GroupID) error {
	gid, err := parseID("group", id)
	if err != nil {
		return err
	}
	return tx.deleteGroup(gid)
}

func (tx *Tx) deleteGroup(id schema.ID) error {
	_, err := groups.delete(tx, id)
	return err
}
