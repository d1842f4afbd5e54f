package native

import (
	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/vtoken/record"
)

func (h *Handler) listGroups(r *request) (any, error) {
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	all, err := h.core.Groups(r.ctx, r.caller, tenant)
	if err != nil {
		return nil, err
	}
	return listed(r, all, groupJSON, func(g record.Group) string { return g.Name })
}

func (h *Handler) createGroup(r *request) (any, error) {
	in, err := read[api.NewGroup](r)
	if err != nil {
		return nil, err
	}
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	g, err := h.core.CreateGroup(r.ctx, r.caller, tenant, in.Name)
	return groupJSON(g), err
}

func (h *Handler) deleteGroup(r *request) (any, error) {
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	id, err := provisioning.ParseID[record.GroupID]("group", r.path("groupId"))
	if err != nil {
		return nil, err
	}
	return nil, h.core.DeleteGroup(r.ctx, r.caller, tenant, id)
}

func groupJSON(g record.Group) api.Group {
	return api.Group{ID: string(g.ID), Tenant: string(g.Tenant), Name: g.Name, CreatedAt: g.CreatedAt}
}
