package native

import (
	"strings"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/directory"
	"vtoken/vtoken/record"
)

func (h *Handler) searchTokens(r *request) (any, error) {
	in, err := read[api.Search](r)
	if err != nil {
		return nil, err
	}
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	q := provisioning.TokenSearch{Tenant: tenant, Descending: in.Descending, Limit: in.Limit, Cursor: in.Cursor}
	if in.OrderBy != "" {
		if q.OrderBy, err = field(in.OrderBy); err != nil {
			return nil, err
		}
	}
	for _, c := range in.Where {
		criterion, err := h.criterion(r, tenant, c)
		if err != nil {
			return nil, err
		}
		q.Where = append(q.Where, criterion)
	}
	page, err := h.core.SearchTokens(r.ctx, r.caller, q)
	return api.SearchPage{Items: convert(page.Tokens, tokenJSON), Next: page.Next, Prev: page.Prev}, err
}

func field(name string) (directory.Field, error) {
	f, ok := directory.FieldNamed(name)
	if !ok {
		return f, provisioning.Errorf(provisioning.BadInput, "there is no field %.40q to search by; the fields are %s",
			name, strings.Join(directory.FieldNames(), ", "))
	}
	return f, nil
}

// criterion converts one condition. Holders are named by login, alias or id.
func (h *Handler) criterion(r *request, tenant record.TenantID, c api.Criterion) (directory.Criterion, error) {
	f, err := field(c.Field)
	if err != nil {
		return directory.Criterion{}, err
	}
	op, ok := directory.Equals, true
	if c.Operator != "" {
		op, ok = directory.OperatorNamed(c.Operator)
	}
	if !ok {
		return directory.Criterion{}, provisioning.Errorf(provisioning.BadInput,
			"there is no operator %.40q; the operators are %s", c.Operator, strings.Join(directory.OperatorNames(), ", "))
	}
	out := directory.Criterion{Field: f, Op: op, Value: c.Value, Values: c.Values}
	if f == directory.Holder && c.Value != "" {
		u, err := h.core.User(r.ctx, r.caller, tenant, c.Value)
		if err != nil {
			return out, err
		}
		out.Value = string(u.ID)
	}
	return out, nil
}
