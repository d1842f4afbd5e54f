package native

import (
	"vtoken/provisioning"
	"vtoken/provisioning/api"
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
	given := 0
	for _, is := range []bool{in.Enabled != nil, in.OSUsers != nil, in.Domain != nil || in.Aliases != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, provisioning.Errorf(provisioning.BadInput,
			"a change of a user names one thing: give enabled, or osUsers, or domain and aliases")
	}
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	var u record.User
	switch name := r.path("user"); {
	case in.Enabled != nil:
		u, err = h.core.SetUserEnabled(r.ctx, r.caller, tenant, name, *in.Enabled)
	case in.OSUsers != nil:
		u, err = h.core.MapUser(r.ctx, r.caller, tenant, name, *in.OSUsers)
	default:
		u, err = h.core.ChangeUser(r.ctx, r.caller, tenant, name, provisioning.UserChange{Domain: in.Domain, Aliases: in.Aliases})
	}
	return userJSON(u), err
}

func (h *Handler) deleteUser(r *request) (any, error) {
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	return nil, h.core.DeleteUser(r.ctx, r.caller, tenant, r.path("user"))
}
