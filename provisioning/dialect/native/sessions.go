package native

import (
	"math"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

func (h *Handler) listSessions(r *request) (any, error) {
	tenant, token, err := h.whoseSessions(r)
	if err != nil {
		return nil, err
	}
	pid, err := r.number("pid", 0, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	all, err := h.core.Applications(r.ctx, r.caller, provisioning.ApplicationFilter{
		Tenant: tenant, Token: token, OSUser: r.query("user"), PID: int32(pid),
	})
	if err != nil {
		return nil, err
	}
	return listed(r, all, applicationJSON, func(a provisioning.Application) string { return a.ID })
}

func (h *Handler) endSessions(r *request) (any, error) {
	id := r.path("application")
	httpkit.NoteApplication(r.http, id)
	tenant, token, err := h.whoseSessions(r)
	if err != nil {
		return nil, err
	}
	return nil, h.core.EndApplication(r.ctx, r.caller, id, tenant, token)
}

// whoseSessions returns the tenant and the token of the request. Unlike elsewhere, no tenant
// means every one: sessions have nothing to do with a default.
func (h *Handler) whoseSessions(r *request) (tenant record.TenantID, token record.TokenID, err error) {
	if name := r.query("tenant"); name != "" {
		if tenant, err = h.tenant(r); err != nil {
			return "", "", err
		}
	}
	if id := r.query("token"); id != "" {
		if token, err = provisioning.ParseID[record.TokenID]("token", id); err != nil {
			return "", "", err
		}
	}
	return tenant, token, nil
}

func applicationJSON(a provisioning.Application) api.Application {
	return api.Application{
		ID: a.ID, User: a.OSUser, UID: a.UID, PID: a.PID, Executable: a.Executable, BeganAt: a.BeganAt.UTC(),
		Connections: a.Connections, Away: a.Away, Calls: a.Calls, LastCallAt: timeOrNil(a.UsedAt.UTC()),
		Tokens: convert(a.Tokens, tokenUseJSON),
	}
}

func tokenUseJSON(u provisioning.TokenUse) api.TokenUse {
	out := api.TokenUse{ID: string(u.Token.ID), Tenant: string(u.Token.Tenant), Label: u.Token.Label, Sessions: u.Sessions}
	switch {
	case u.LoggedIn && u.Role == pin.SO:
		out.Role = "so"
	case u.LoggedIn:
		out.Role = "user"
	}
	return out
}
