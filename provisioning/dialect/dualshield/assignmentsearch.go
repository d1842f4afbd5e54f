package dualshield

import (
	"cmp"
	"slices"
	"strings"

	"vtoken/provisioning"
	"vtoken/provisioning/directory"
)

func (d *Dialect) getAssignment(in *call) (any, error) {
	if err := in.only("match", "return"); err != nil {
		return nil, err
	}
	wanted, err := in.returns()
	if err != nil {
		return nil, err
	}
	rows, err := d.parts(in)
	if err != nil {
		return nil, err
	}
	switch len(rows) {
	case 0:
		return nil, provisioning.Errorf(provisioning.TokenNotFound, "token assignment not found")
	case 1:
		return wanted.pick(rows[0], nil)
	}
	return nil, provisioning.Errorf(provisioning.Conflict, "several assignments match; match by id, or search")
}

// searchAssignments returns the assignments that match, sorted, by default by their
// tokens' serial numbers.
func (d *Dialect) searchAssignments(in *call) (any, error) {
	if err := in.only("match", "return", "sort", "order", "max", "offset"); err != nil {
		return nil, err
	}
	page, err := in.paging()
	if err != nil {
		return nil, err
	}
	wanted, err := in.returns()
	if err != nil {
		return nil, err
	}
	if _, found := lookup(assignmentNames, page.by); page.by != "" && !found {
		return nil, provisioning.Errorf(provisioning.BadInput, "assignments are not sorted by %.40q", page.by)
	}
	rows, err := d.parts(in)
	if err != nil {
		return nil, err
	}
	if page.by != "" || page.descending {
		sortAssignmentRows(rows, cmp.Or(page.by, "token.serial"), page.descending)
	}
	total := len(rows)
	rows = rows[min(page.skip, total):]
	picked := []map[string]any{}
	for _, row := range rows[:min(page.limit, len(rows))] {
		out, err := wanted.pick(row, nil)
		if err != nil {
			return nil, err
		}
		picked = append(picked, out)
	}
	return map[string]any{"total": total, "rows": picked}, nil
}

// sortAssignmentRows sorts assignments by one attribute. Those without a value come first.
func sortAssignmentRows(rows []map[string]any, by string, descending bool) {
	kind := assignmentKinds[strings.ToLower(by)]
	slices.SortStableFunc(rows, func(a, b map[string]any) int {
		x, _ := lookup(a, by)
		y, _ := lookup(b, by)
		n := compareValues(kind.value(x), kind.value(y))
		if descending {
			return -n
		}
		return n
	})
}

// maxAssignments bounds the tokens whose assignments one call reads.
const maxAssignments = 20 * provisioning.MaxPage

// parts returns the attributes of the assignments that match. It refuses a search that
// would have to read too many tokens, because a partial answer would look complete.
func (d *Dialect) parts(in *call) ([]map[string]any, error) {
	q, err := d.partSearch(in)
	if err != nil {
		return nil, err
	}
	search := provisioning.TokenSearch{Tenant: in.caller.Tenant, Where: q.where, Limit: provisioning.MaxPage}
	rows := []map[string]any{}
	for seen := 0; ; seen += search.Limit {
		if seen >= maxAssignments {
			return nil, provisioning.Errorf(provisioning.BadInput,
				"more than %d tokens match; match by a user or a token as well", maxAssignments)
		}
		page, err := d.core.SearchTokens(in.ctx, in.caller, search)
		if err != nil {
			return nil, err
		}
		for _, t := range page.Tokens {
			for i, h := range t.Holders {
				if own := assignmentAttrs(t, i); q.fits(h, own) {
					rows = append(rows, own)
				}
			}
		}
		if search.Cursor = page.Next; search.Cursor == "" {
			return rows, nil
		}
	}
}

// partSearch is a parsed search for assignments.
type partSearch struct {
	where []directory.Criterion // of their tokens
	// id and user must be those of the assignment; empty is any.
	id, user string
	own      []condition // on its own attributes
}

// partSearch parses the conditions of a call.
func (d *Dialect) partSearch(in *call) (partSearch, error) {
	var q partSearch
	match, err := in.match()
	if err != nil {
		return q, err
	}
	var rest []triple
	for _, t := range match {
		if t.name == "id" && t.op == "=" {
			q.id = strings.ToLower(t.value)
			ref, _, err := assignment(in.caller, t.value)
			if err != nil {
				return q, err
			}
			rest = append(rest, triple{"token.id", "=", string(ref.ID)})
			continue
		}
		kind, own := assignmentKinds[t.name]
		if !own {
			rest = append(rest, t)
			continue
		}
		value, err := kind.parse(t.value)
		if err != nil || !kind.allows(t.op) {
			return q, provisioning.Errorf(provisioning.BadInput, "%s is not matched with %.10q and %.40q",
				t.name, t.op, t.value)
		}
		q.own = append(q.own, condition{t.name, kind, t.op, value})
	}
	if q.where, err = d.criteria(in.ctx, in.caller, rest, "token."); err != nil {
		return q, err
	}
	for _, c := range q.where {
		if c.Field == directory.Holder {
			q.user = c.Value
		}
	}
	q.where = append(q.where, directory.Criterion{Field: directory.Held, Value: "true"})
	return q, nil
}

// fits reports whether an assignment meets the conditions.
func (q partSearch) fits(h provisioning.Holder, own map[string]any) bool {
	if slices.ContainsFunc(q.own, func(c condition) bool { return !c.holds(own) }) {
		return false
	}
	return (q.id == "" || own["id"] == q.id) && (q.user == "" || string(h.User) == q.user)
}

// assignmentNames has the names of an assignment's attributes.
var assignmentNames = assignmentAttrs(provisioning.Token{Holders: []provisioning.Holder{{}}}, 0)
