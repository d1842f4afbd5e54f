package dualshield

import (
	"strings"

	"vtoken/provisioning"
	"vtoken/provisioning/directory"
)

// paging is sort, order, max and offset of a search.
func (c *call) paging() (provisioning.TokenSearch, error) {
	q := provisioning.TokenSearch{Total: true, Limit: provisioning.DefaultPage}
	a := c.some("max", "offset", "order", "sort")
	if list, ok := a["sort"].([]any); ok {
		if len(list) != 1 {
			return q, provisioning.Errorf(provisioning.BadInput, "tokens are sorted by one attribute")
		}
		a["sort"] = list[0]
	}
	if err := sortBy(&q, a); err != nil {
		return q, err
	}
	most, err := a.number("max")
	if err != nil {
		return q, err
	}
	offset, err := a.number("offset")
	if err != nil {
		return q, err
	}
	if most != nil {
		if q.Limit = *most; q.Limit < 1 || q.Limit > provisioning.MaxPage {
			return q, provisioning.Errorf(provisioning.BadInput, "max is from 1 to %d", provisioning.MaxPage)
		}
	}
	if offset != nil {
		q.Skip = *offset
	}
	return q, nil
}

// sortBy reads sort and order.
func sortBy(q *provisioning.TokenSearch, a attrs) error {
	by, err := a.text("sort")
	if err != nil {
		return err
	}
	order, err := a.text("order")
	if err != nil {
		return err
	}
	if _, sorted := a["sort"]; sorted {
		field, ok := searchFields[strings.ToLower(by)]
		if !ok || !directory.Orderable(field) {
			return provisioning.Errorf(provisioning.BadInput, "tokens are not sorted by %.40q", by)
		}
		q.OrderBy = field
	}
	_, ordered := a["order"]
	switch {
	case !ordered || order == "asc":
	case order == "desc":
		q.Descending = true
	default:
		return provisioning.Errorf(provisioning.BadInput, "order is asc or desc, not %.10q", order)
	}
	return nil
}
