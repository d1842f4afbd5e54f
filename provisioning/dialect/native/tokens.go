package native

import (
	"context"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// refOf returns a reference to the token in the path.
func refOf(r *request) (provisioning.TokenRef, error) {
	id, err := provisioning.ParseID[record.TokenID]("token", r.path("tokenId"))
	return provisioning.TokenRef{ID: id}, err
}

func (h *Handler) listTokens(r *request) (any, error) {
	limit, err := r.limit()
	if err != nil {
		return nil, err
	}
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	page, err := h.core.ListTokens(r.ctx, r.caller, provisioning.TokenFilter{
		Tenant: tenant, User: r.query("user"), Label: r.query("label"), Limit: limit, Cursor: r.query("cursor"),
	})
	if err != nil {
		return nil, err
	}
	return api.Page[api.Token]{Items: convert(page.Tokens, tokenJSON), Next: page.Next}, nil
}

func (h *Handler) createToken(r *request) (any, error) {
	in, err := read[api.NewToken](r)
	defer in.UserPIN.Wipe()
	defer in.SOPIN.Wipe()
	if in.OTP != nil {
		defer in.OTP.SeedHex.Wipe()
	}
	if err != nil {
		return nil, err
	}
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	n, err := newToken(in)
	if err != nil {
		return nil, err
	}
	n.Tenant = tenant
	if in.OTP != nil {
		if err := addOTP(&n, in); err != nil {
			return nil, err
		}
		defer n.OTP.Seed.Wipe()
	}
	t, err := h.core.CreateToken(r.ctx, r.caller, n)
	if err == nil {
		httpkit.NoteToken(r.http, t.Tenant, t.ID)
	}
	return tokenJSON(t), err
}

// newToken converts a request for a token, without the tenant.
func newToken(in api.NewToken) (provisioning.NewToken, error) {
	groups, err := provisioning.ParseIDs[record.GroupID]("group", in.Groups)
	n := provisioning.NewToken{
		User: in.User, Unassigned: in.Unassigned, Label: in.Label, Serial: in.Serial, Groups: groups,
		UserPIN: in.UserPIN.Bytes(), SOPIN: in.SOPIN.Bytes(), Complete: in.Complete, PINBound: in.PINBound,
	}
	if in.Product != nil {
		n.Product = record.Product(*in.Product)
	}
	if in.ExpiresAt != nil {
		n.ExpiresAt = *in.ExpiresAt
	}
	return n, err
}

func (h *Handler) readToken(r *request) (any, error) {
	return h.onToken(r, func(ref provisioning.TokenRef) (provisioning.Token, error) {
		return h.core.Token(r.ctx, r.caller, ref)
	})
}

// onToken runs an operation on the token in the path, and answers with the token
// afterwards.
func (h *Handler) onToken(r *request, do func(provisioning.TokenRef) (provisioning.Token, error)) (any, error) {
	ref, err := refOf(r)
	if err != nil {
		return nil, err
	}
	t, err := do(ref)
	return tokenJSON(t), err
}

func (h *Handler) deleteToken(r *request) (any, error) {
	ref, err := refOf(r)
	if err != nil {
		return nil, err
	}
	return nil, h.core.DeleteToken(r.ctx, r.caller, ref)
}

func (h *Handler) completeToken(r *request) (any, error) {
	return h.onToken(r, func(ref provisioning.TokenRef) (provisioning.Token, error) {
		return h.core.Complete(r.ctx, r.caller, ref, false)
	})
}

func (h *Handler) importPFX(r *request) (any, error) {
	ref, err := refOf(r)
	if err != nil {
		return nil, err
	}
	file, password, err := readPFX(r)
	defer password.Wipe()
	if err != nil {
		return nil, err
	}
	done, err := h.core.ImportPFX(r.ctx, r.caller, ref, file, password.Bytes())
	return importedJSON(done), err
}

func (h *Handler) resetPIN(r *request) (any, error) {
	in, err := read[api.NewPIN](r)
	defer in.PIN.Wipe()
	defer in.CurrentPIN.Wipe()
	if err != nil {
		return nil, err
	}
	ref, err := refOf(r)
	if err != nil {
		return nil, err
	}
	role, err := provisioning.ParseRole(in.Role)
	if err != nil {
		return nil, err
	}
	if in.CurrentPIN == nil && in.CurrentRole == "" {
		return nil, h.core.ResetPIN(r.ctx, r.caller, ref, role, in.PIN.Bytes(), provisioning.PINRule{})
	}
	with := provisioning.CurrentPIN{Role: pin.SO, PIN: in.CurrentPIN.Bytes()}
	if in.CurrentRole != "" {
		if with.Role, err = provisioning.ParseRole(in.CurrentRole); err != nil {
			return nil, err
		}
	}
	return nil, h.core.ChangePIN(r.ctx, r.caller, ref, role, in.PIN.Bytes(), provisioning.PINRule{}, with)
}

func (h *Handler) unlock(r *request) (any, error) { return h.onPIN(r, h.core.UnlockPIN) }

// onPIN runs an operation of the core on a PIN of a token.
func (h *Handler) onPIN(
	r *request, do func(context.Context, provisioning.Caller, provisioning.TokenRef, pin.Role) (provisioning.Token, error),
) (any, error) {
	in, err := read[api.PINRole](r)
	if err != nil {
		return nil, err
	}
	role, err := provisioning.ParseRole(in.Role)
	if err != nil {
		return nil, err
	}
	return h.onToken(r, func(ref provisioning.TokenRef) (provisioning.Token, error) { return do(r.ctx, r.caller, ref, role) })
}

func (h *Handler) listCertificates(r *request) (any, error) {
	ref, err := refOf(r)
	if err != nil {
		return nil, err
	}
	all, err := h.core.Certificates(r.ctx, r.caller, ref)
	if err != nil {
		return nil, err
	}
	return listedByPlace(r, all, certificateJSON)
}

// readRef reads the token in the path, and returns a reference to it too.
func (h *Handler) readRef(r *request) (ref provisioning.TokenRef, t provisioning.Token, err error) {
	if ref, err = refOf(r); err == nil {
		t, err = h.core.Token(r.ctx, r.caller, ref)
	}
	return ref, t, err
}

func (h *Handler) listObjects(r *request) (any, error) {
	ref, t, err := h.readRef(r)
	if err != nil {
		return nil, err
	}
	all, err := h.core.Objects(r.ctx, r.caller, ref)
	if err != nil {
		return nil, err
	}
	return listedByPlace(r, all, func(o provisioning.ObjectInfo) api.Object { return objectJSON(t, o) })
}
