package native

import (
	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/vtoken/record"
)

func (h *Handler) listAPIKeys(r *request) (any, error) {
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	all, err := h.core.APIKeys(r.ctx, r.caller, tenant)
	if err != nil {
		return nil, err
	}
	return listed(r, all, apiKeyJSON, func(k provisioning.APIKey) string { return k.Name })
}

func (h *Handler) createAPIKey(r *request) (any, error) {
	in, err := read[api.NewAPIKey](r)
	if err != nil {
		return nil, err
	}
	tenant, err := h.core.TenantNamed(r.ctx, r.caller, r.query("tenant"))
	if err != nil {
		return nil, err
	}
	n := provisioning.NewAPIKey{Name: in.Name, Role: record.Role(in.Role)}
	if in.ExpiresAt != nil {
		n.ExpiresAt = *in.ExpiresAt
	}
	d, err := h.dialectNamed(in.Dialect)
	if err != nil {
		return nil, err
	}
	if err := h.complete(&n, in, d); err != nil {
		return nil, err
	}
	k, key, err := h.core.CreateAPIKey(r.ctx, r.caller, tenant.ID, n)
	if err != nil {
		return nil, err
	}
	return h.created(k, key, tenant.Name, d), nil
}

func (h *Handler) revokeAPIKey(r *request) (any, error) {
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	return nil, h.core.RevokeAPIKey(r.ctx, r.caller, tenant, r.path("name"))
}
