package dualshield

import (
	"strings"

	"vtoken/provisioning"
	"vtoken/provisioning/directory"
)

// paging has the sort, order, max and offset of a search.
type paging struct {
	by          string // an attribute, or empty
	descending  bool
	limit, skip int
}

// paging parses them.
func (c *call) paging() (paging, error) {
	p := paging{limit: provisioning.DefaultPage}
	a := c.some("max", "offset", "order", "sort")
	if list, ok := a["sort"].([]any); ok {
		if len(list) != 1 {
			return p, provisioning.Errorf(provisioning.BadInput, "objects are sorted by one attribute")
		}
		a["sort"] = list[0]
	}
	if err := p.readOrder(a); err != nil {
		return p, err
	}
	most, err := a.number("max")
	if err != nil {
		return p, err
	}
	offset, err := a.number("offset")
	if err != nil {
		return p, err
	}
	if most != nil {
		if p.limit = *most; p.limit < 1 || p.limit > provisioning.MaxPage {
			return p, provisioning.Errorf(provisioning.BadInput, "max is from 1 to %d", provisioning.MaxPage)
		}
	}
	if offset != nil {
		p.skip = *offset
	}
	return p, nil
}

// readOrder parses sort and order.
func (p *paging) readOrder(a attrs) (err error) {
	if p.by, err = a.text("sort"); err != nil {
		return err
	}
	if _, sorted := a["sort"]; sorted && p.by == "" {
		return provisioning.Errorf(provisioning.BadInput, "sort is the name of an attribute")
	}
	order, err := a.text("order")
	if err != nil {
		return err
	}
	_, ordered := a["order"]
	switch {
	case !ordered || order == "asc":
	case order == "desc":
		p.descending = true
	default:
		return provisioning.Errorf(provisioning.BadInput, "order is asc or desc, not %.10q", order)
	}
	return nil
}

// tokens returns a search for tokens with this order and page.
func (p paging) tokens() (provisioning.TokenSearch, error) {
	q := provisioning.TokenSearch{Total: true, Limit: p.limit, Skip: p.skip, Descending: p.descending}
	if p.by == "" {
		return q, nil
	}
	field, ok := searchFields[strings.ToLower(p.by)]
	if !ok || !directory.Orderable(field) {
		return q, provisioning.Errorf(provisioning.BadInput, "tokens are not sorted by %.40q", p.by)
	}
	q.OrderBy = field
	return q, nil
}
