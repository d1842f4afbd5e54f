package native

import (
	"strconv"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
)

func (h *Handler) listTenants(r *request) (any, error) {
	all, err := h.core.Tenants(r.ctx, r.caller)
	if err != nil {
		return nil, err
	}
	return listed(r, all, tenantJSON, func(t provisioning.Tenant) string { return t.Name })
}

func (h *Handler) createTenant(r *request) (any, error) {
	in, err := read[api.NewTenant](r)
	if err != nil {
		return nil, err
	}
	t, err := h.core.CreateTenant(r.ctx, r.caller, in.Name)
	return tenantJSON(t), err
}

func (h *Handler) readTenant(r *request) (any, error) {
	t, err := h.tenantInPath(r)
	return tenantJSON(t), err
}

func (h *Handler) changeTenant(r *request) (any, error) {
	in, err := read[api.TenantChange](r)
	if err != nil {
		return nil, err
	}
	named := 0
	for _, given := range []bool{
		in.Policy != nil, in.PINBound != nil, in.Resume != nil, in.OSUsers != nil, in.MaxObjects != nil, in.MaxObjectsPerUser != nil,
	} {
		if given {
			named++
		}
	}
	if named != 1 {
		return nil, provisioning.Errorf(provisioning.BadInput,
			"a change of a tenant names one thing: give policy, pinBound, resume, osUsers, maxObjects or maxObjectsPerUser")
	}
	t, err := h.tenantInPath(r)
	if err != nil {
		return nil, err
	}
	switch {
	case in.PINBound != nil:
		t, err = h.core.SetTenantPINBound(r.ctx, r.caller, t.ID, *in.PINBound)
	case in.Resume != nil:
		t, err = h.core.SetTenantResume(r.ctx, r.caller, t.ID, *in.Resume)
	case in.OSUsers != nil:
		t, err = h.core.SetTenantOSUsers(r.ctx, r.caller, t.ID, *in.OSUsers)
	case in.Policy != nil:
		t, err = h.core.SetTenantPolicy(r.ctx, r.caller, t.ID, *in.Policy)
	default:
		t, err = h.core.SetTenantQuota(r.ctx, r.caller, t.ID, in.MaxObjects, in.MaxObjectsPerUser)
	}
	return tenantJSON(t), err
}

// tenantInPath returns the tenant in the path. An empty name is no tenant: here it must
// not mean the default tenant.
func (h *Handler) tenantInPath(r *request) (provisioning.Tenant, error) {
	name := r.path("tenant")
	if name == "" {
		return provisioning.Tenant{}, provisioning.Errorf(provisioning.TenantNotFound,
			"the path names no tenant; put its name or id at the end")
	}
	return h.core.TenantNamed(r.ctx, r.caller, name)
}

func (h *Handler) deleteTenant(r *request) (any, error) {
	withTokens := false
	if text := r.query("withTokens"); text != "" {
		yes, err := strconv.ParseBool(text)
		if err != nil {
			return nil, provisioning.Errorf(provisioning.BadInput, "the query parameter withTokens is true or false")
		}
		withTokens = yes
	}
	t, err := h.tenantInPath(r)
	if err != nil {
		return nil, err
	}
	return nil, h.core.DeleteTenant(r.ctx, r.caller, t.ID, withTokens)
}
