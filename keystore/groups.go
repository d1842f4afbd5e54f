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

// PutGroup stores a group: a new one where its ID is empty, which then gets its ID, and a
// creation time where it has none. An ID that is not known is record.ErrNotFound. A name that
// another group of the tenant has is record.ErrExists.
func (tx *Tx) PutGroup(g *record.Group) error {
	if err := checkName("group name", g.Name); err != nil {
		return err
	}
	tenant, err := parseID("tenant", g.Tenant)
	if err != nil {
		return err
	}
	key, err := tx.tenantKey(tenant)
	if err != nil {
		return err
	}
	isNew := g.ID == ""
	id, err := idOrNew("group", &g.ID)
	if err != nil {
		return err
	}
	if other, taken, err := tx.first(tx.indexPrefix(schema.IndexGroupName, tenant[:], []byte(g.Name))); err != nil {
		return err
	} else if taken && other != id {
		return fmt.Errorf("group %q: %w", g.Name, record.ErrExists)
	}
	var before [][]byte
	if old, err := tx.group(id); err == nil {
		if old.Tenant != g.Tenant {
			return fmt.Errorf("group %s is of another tenant: %w", g.ID, record.ErrExists)
		}
		before = tx.groupEntries(tenant, id, old)
	} else if !isNew || !isMissing(err) {
		return err
	}
	if g.CreatedAt.IsZero() {
		g.CreatedAt = time.Now().UTC()
	}
	row := groupJSON{g.Name, g.CreatedAt.UTC()}
	if err := tx.sealJSON(key, schema.Record(schema.PrefixGroup, id), tenant[:], place(tenant, id, 0, fieldGroup), row); err != nil {
		return err
	}
	return tx.reindex(before, tx.groupEntries(tenant, id, g))
}

// groupEntries are the index entries of a group.
func (tx *Tx) groupEntries(tenant, id schema.ID, g *record.Group) [][]byte {
	return [][]byte{
		entry(tx.indexPrefix(schema.IndexTenantGroups, tenant[:]), nil, id),
		entry(tx.indexPrefix(schema.IndexGroupName, tenant[:], []byte(g.Name)), nil, id),
	}
}

// Group reads a group.
func (tx *Tx) Group(id record.GroupID) (*record.Group, error) {
	gid, err := parseID("group", id)
	if err != nil {
		return nil, err
	}
	return tx.group(gid)
}

func (tx *Tx) group(id schema.ID) (*record.Group, error) {
	var j groupJSON
	tenant, err := tx.openUnderTenant("group", schema.PrefixGroup, id, fieldGroup, &j)
	if err != nil {
		return nil, err
	}
	return &record.Group{
		ID: record.GroupID(text(id)), Tenant: record.TenantID(text(tenant)), Name: j.Name, CreatedAt: j.Created,
	}, nil
}

// Groups lists the groups of a tenant by name. A tenant that is not there has
// none.
func (tx *Tx) Groups(tenant record.TenantID) ([]*record.Group, error) {
	tid, err := parseID("tenant", tenant)
	if err != nil {
		return nil, noneIfMissing(err)
	}
	list, err := under(tx, tx.indexPrefix(schema.IndexTenantGroups, tid[:]), nil, 0, tx.group)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b *record.Group) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// DeleteGroup removes a group. Tokens that name it keep the name of one that is
// not there.
func (tx *Tx) DeleteGroup(id record.GroupID) error {
	gid, err := parseID("group", id)
	if err != nil {
		return err
	}
	return tx.deleteGroup(gid)
}

func (tx *Tx) deleteGroup(id schema.ID) error {
	g, err := tx.group(id)
	if err != nil {
		return err
	}
	tenant, err := parseID("tenant", g.Tenant)
	if err != nil {
		return err
	}
	if err := tx.reindex(tx.groupEntries(tenant, id, g), nil); err != nil {
		return err
	}
	tx.count(promptly, tenantOwner(g.Tenant))
	return tx.remove(schema.Record(schema.PrefixGroup, id))
}
