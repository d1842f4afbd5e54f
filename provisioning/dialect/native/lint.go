package native

import (
	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/lint"
)

func (h *Handler) lint(r *request) (any, error) {
	ref, t, err := h.readRef(r)
	if err != nil {
		return nil, err
	}
	found, err := h.core.Lint(r.ctx, r.caller, ref)
	if err != nil {
		return nil, err
	}
	return api.Lint{
		Findings: convert(found.Findings, func(f provisioning.Finding) api.Finding { return findingJSON(t, f) }),
		Unseen:   append([]string{}, found.Unseen...),
	}, nil
}

func findingJSON(t provisioning.Token, f provisioning.Finding) api.Finding {
	return api.Finding{
		Rule: f.Name, Problem: f.Problem, Advice: f.Advice,
		Affects: convert(f.Affects, func(e lint.Effect) api.Effect { return api.Effect(e) }),
		Objects: convert(f.Objects, func(o provisioning.ObjectInfo) api.Object { return objectJSON(t, o) }),
	}
}
