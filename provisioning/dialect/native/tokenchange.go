package native

import (
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/vtoken/record"
)

// changeToken changes the one thing of a token that the body names.
func (h *Handler) changeToken(r *request) (any, error) {
	in, err := read[api.TokenChange](r)
	if err != nil {
		return nil, err
	}
	change, err := h.tokenChange(r, in)
	if err != nil {
		return nil, err
	}
	return h.onToken(r, change)
}

type tokenChange = func(provisioning.TokenRef) (provisioning.Token, error)

// tokenChange is what a change asks of the core.
func (h *Handler) tokenChange(r *request, in api.TokenChange) (tokenChange, error) {
	end, err := parseEnd(in.ExpiresAt)
	if err != nil {
		return nil, err
	}
	var asked []tokenChange
	add := func(is bool, do tokenChange) {
		if is {
			asked = append(asked, do)
		}
	}
	type ref = provisioning.TokenRef
	type token = provisioning.Token
	core, ctx, c := h.core, r.ctx, r.caller
	add(in.Label != nil, func(t ref) (token, error) { return core.SetLabel(ctx, c, t, *in.Label, provisioning.LabelRule{}) })
	add(in.Enabled != nil, func(t ref) (token, error) { return core.SetEnabled(ctx, c, t, *in.Enabled, provisioning.EnableRule{}) })
	add(in.Policy != nil, func(t ref) (token, error) { return core.SetPolicy(ctx, c, t, *in.Policy) })
	add(in.ExpiresAt != nil, func(t ref) (token, error) { return core.SetExpiry(ctx, c, t, end) })
	add(in.Confined != nil, func(t ref) (token, error) { return core.SetConfined(ctx, c, t, *in.Confined) })
	add(in.Groups != nil, func(t ref) (token, error) {
		ids, err := provisioning.ParseIDs[record.GroupID]("group", *in.Groups)
		if err != nil {
			return token{}, err
		}
		return core.SetGroups(ctx, c, t, ids)
	})
	add(in.Deceased != nil && *in.Deceased, func(t ref) (token, error) { return core.Decease(ctx, c, t) })
	if len(asked) != 1 {
		return nil, provisioning.Errorf(provisioning.BadInput,
			"a change of a token names one thing: give label, enabled, policy, expiresAt, confined, groups or deceased (true)")
	}
	return asked[0], nil
}

// parseEnd parses an expiry time in RFC 3339; empty is none.
func parseEnd(text *string) (time.Time, error) {
	if text == nil || *text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, *text)
	if err != nil {
		return at, provisioning.Errorf(provisioning.BadInput,
			"expiresAt is not a time such as 2026-11-26T10:00:00Z; empty is none")
	}
	return at, nil
}
