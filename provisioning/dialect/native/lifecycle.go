package native

import (
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/vtoken/record"
)

func (h *Handler) assign(r *request) (any, error) {
	in, err := read[api.Assign](r)
	if err != nil {
		return nil, err
	}
	a := provisioning.Assign{User: in.User, Share: in.Share, Take: in.Take, KeepKeys: in.KeepKeys, Activation: record.Activated}
	if in.Inactive {
		a.Activation = record.ActivationNew
	}
	return h.onToken(r, func(ref provisioning.TokenRef) (provisioning.Token, error) {
		return h.core.Assign(r.ctx, r.caller, ref, a)
	})
}

func (h *Handler) unassign(r *request) (any, error) {
	in, err := read[api.Unassign](r)
	if err != nil {
		return nil, err
	}
	return h.onToken(r, func(ref provisioning.TokenRef) (provisioning.Token, error) {
		return h.core.Unassign(r.ctx, r.caller, ref, in.User)
	})
}

func (h *Handler) changeHolder(r *request) (any, error) {
	in, err := read[api.HolderChange](r)
	if err != nil {
		return nil, err
	}
	if in.NoStart && in.Starts != nil || in.NoEnd && in.Expires != nil {
		return nil, provisioning.Errorf(provisioning.BadInput,
			"a bound is either given or taken away; leave one of them out")
	}
	change := provisioning.HolderChange{
		Suspended: in.Suspended, Starts: in.Starts, Expires: in.Expires, UsageLimit: in.UsageLimit, Priority: in.Priority,
	}
	if in.NoStart {
		change.Starts = &time.Time{}
	}
	if in.NoEnd {
		change.Expires = &time.Time{}
	}
	return h.onToken(r, func(ref provisioning.TokenRef) (provisioning.Token, error) {
		return h.core.SetHolder(r.ctx, r.caller, ref, r.path("user"), change)
	})
}

func (h *Handler) startActivation(r *request) (any, error) {
	in, err := read[api.NewActivation](r)
	if err != nil {
		return nil, err
	}
	ref, err := refOf(r)
	if err != nil {
		return nil, err
	}
	lifetime := time.Duration(in.Seconds) * time.Second
	code, t, err := h.core.StartActivation(r.ctx, r.caller, ref, lifetime)
	return api.Activation{Code: api.Secret(code), ExpiresAt: t.CodeExpiresAt}, err
}

func (h *Handler) finishActivation(r *request) (any, error) {
	in, err := read[api.FinishActivation](r)
	defer in.Code.Wipe()
	if err != nil {
		return nil, err
	}
	return h.onToken(r, func(ref provisioning.TokenRef) (provisioning.Token, error) {
		if len(in.Code) == 0 {
			return h.core.Activate(r.ctx, r.caller, ref)
		}
		return h.core.FinishActivation(r.ctx, r.caller, ref, in.Code.Bytes())
	})
}

func (h *Handler) clearPIN(r *request) (any, error) {
	return h.onPIN(r, h.core.ClearPIN)
}
