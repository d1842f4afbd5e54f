package native

import (
	"vtoken/provisioning"
	"vtoken/provisioning/dialect/native/api"
	"vtoken/vtoken/record"
)

func (h *Handler) listUsers(r *request) (any, error) {
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	all, err := h.core.Users(r.ctx, r.caller, tenant)
	if err != nil {
		return nil, err
	}
	return listed(r, all, userJSON, func(u record.User) string { return u.Login })
}

func (h *Handler) createUser(r *request) (any, error) {
	in, err := read[api.NewUser](r)
	if err != nil {
		return nil, err
	}
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	u, err := h.core.CreateUser(r.ctx, r.caller, tenant, in.Login, in.OSUsers...)
	return userJSON(u), err
}

func (h *Handler) readUser(r *request) (any, error) {
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	u, err := h.core.User(r.ctx, r.caller, tenant, r.path("user"))
	return userJSON(u), err
}

func (h *Handler) changeUser(r *request) (any, error) {
	in, err := read[api.UserChange](r)
	if err != nil {
		return nil, err
	}
	if (in.Enabled == nil) == (in.OSUsers == nil) {
		return nil, provisioning.Errorf(provisioning.BadInput, "a change of a user names one thing: give either enabled or osUsers")
	}
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	var u record.User
	if in.Enabled != nil {
		u, err = h.core.SetUserEnabled(r.ctx, r.caller, tenant, r.path("user"), *in.Enabled)
	} else {
		u, err = h.core.MapUser(r.ctx, r.caller, tenant, r.path("user"), *in.OSUsers)
	}
	return userJSON(u), err
}
