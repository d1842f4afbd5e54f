package provisioning

import (
	"context"
	"slices"

	"vtoken/provisioning/directory"
	"vtoken/provisioning/text"
	"vtoken/vtoken/record"
)

// maxGroups bounds the groups of one token.
const maxGroups = 32

// CreateGroup creates a group of tokens. A name that the tenant has already is a
// Conflict.
func (s *Service) CreateGroup(ctx context.Context, c Caller, tenant record.TenantID, name string) (record.Group, error) {
	if err := c.authorize(OpGroupCreate, tenant); err != nil {
		return record.Group{}, err
	}
	if err := checkName("name of the group", name); err != nil {
		return record.Group{}, err
	}
	var made record.Group
	err := s.update(ctx, func(tx Tx) error {
		if _, err := tenantOf(tx, tenant); err != nil {
			return err
		}
		made = record.Group{Tenant: tenant, Name: name}
		return orConflict(tx.PutGroup(&made), "there is a group %q already; choose another name", text.Clip(name))
	})
	return made, err
}

// Groups lists the groups of a tenant, by name.
func (s *Service) Groups(ctx context.Context, c Caller, tenant record.TenantID) ([]record.Group, error) {
	if err := c.authorize(OpGroupList, tenant); err != nil {
		return nil, err
	}
	list := []record.Group{}
	err := s.view(ctx, func(tx ReadTx) error {
		if _, err := tenantOf(tx, tenant); err != nil {
			return err
		}
		all, err := tx.Groups(tenant)
		for _, g := range all {
			list = append(list, *g)
		}
		return err
	})
	return list, err
}

// DeleteGroup deletes a group. Its tokens stay. Their records keep its id, which no other
// group ever gets, and which no answer shows and no search finds. So deleting a group is
// one small commit however many tokens it has.
func (s *Service) DeleteGroup(ctx context.Context, c Caller, tenant record.TenantID, id record.GroupID) error {
	if err := c.authorize(OpGroupDelete, tenant); err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		if err := checkGroups(tx, tenant, []record.GroupID{id}); err != nil {
			return err
		}
		return tx.DeleteGroup(id)
	})
}

// SetGroups sets the groups that a token without a holder is reserved for; an empty list
// makes it available to everybody.
func (s *Service) SetGroups(ctx context.Context, c Caller, ref TokenRef, groups []record.GroupID) (Token, error) {
	return s.changeIn(ctx, c, OpTokenGroups, ref, func(tx Tx, t *record.Token) error {
		if err := checkGroups(tx, t.Tenant, groups); err != nil {
			return err
		}
		t.Groups = slices.Clone(groups)
		return nil
	})
}

// existingGroups returns those of the groups that still exist.
func existingGroups(tx ReadTx, groups []record.GroupID) (list []record.GroupID, err error) {
	for _, id := range groups {
		_, err := tx.Group(id)
		if found, err := exists(err); err != nil {
			return nil, err
		} else if found {
			list = append(list, id)
		}
	}
	return list, nil
}

// asksForDeletedGroup reports whether a search asks for a group that does not exist.
func asksForDeletedGroup(tx ReadTx, where []directory.Criterion) (bool, error) {
	for _, c := range where {
		if c.Field != directory.Group || c.Op != directory.Equals {
			continue
		}
		found, err := existingGroups(tx, []record.GroupID{record.GroupID(c.Value)})
		if err != nil || len(found) == 0 {
			return true, err
		}
	}
	return false, nil
}

// checkGroups checks that the groups are of the tenant.
func checkGroups(tx ReadTx, tenant record.TenantID, groups []record.GroupID) error {
	if len(groups) > maxGroups {
		return Errorf(BadInput, "%d groups for one token are too many; give at most %d", len(groups), maxGroups)
	}
	for _, id := range groups {
		g, err := tx.Group(id)
		if found, err := exists(err); err != nil {
			return err
		} else if !found || g.Tenant != tenant {
			return Errorf(GroupNotFound, "there is no group %.40s in this tenant; list them with `vtoken group list`", id)
		}
	}
	return nil
}
