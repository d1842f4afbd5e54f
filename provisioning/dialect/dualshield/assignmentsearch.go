package dualshield

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

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

// searchAssignments is the assignments that match, in order: that of their tokens'
// serial numbers where none is asked for.
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
	if _, there := lookup(partAttrs, page.by); page.by != "" && !there {
		return nil, provisioning.Errorf(provisioning.BadInput, "assignments are not sorted by %.40q", page.by)
	}
	rows, err := d.parts(in)
	if err != nil {
		return nil, err
	}
	if page.by != "" || page.descending {
		sortParts(rows, cmp.Or(page.by, "token.serial"), page.descending)
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

// sortParts puts assignments in the order of one attribute. Those without a value
// come first.
func sortParts(rows []map[string]any, by string, descending bool) {
	slices.SortStableFunc(rows, func(a, b map[string]any) int {
		x, _ := lookup(a, by)
		y, _ := lookup(b, by)
		n := cmp.Compare(sortKey(x), sortKey(y))
		if descending {
			return -n
		}
		return n
	})
}

// sortKey is a text for a value, in the order of the values.
func sortKey(v any) string {
	switch v := v.(type) {
	case int:
		return strings.Repeat("0", max(0, 20-len(strconv.Itoa(v)))) + strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	case string: // dates are of one form, in UTC
		return v
	}
	return ""
}

// maxAssignments bounds the tokens whose assignments one call looks at.
const maxAssignments = 20 * provisioning.MaxPage

// parts are the attributes of the assignments that match. A search that would have
// to look at too many tokens is refused: a part of the answer would look like all
// of it.
func (d *Dialect) parts(in *call) ([]map[string]any, error) {
	q, err := d.partSearch(in)
	if err != nil {
		return nil, err
	}
	search := provisioning.TokenSearch{Tenant: in.caller.Tenant, Where: q.where, Limit: provisioning.MaxPage}
	rows := []map[string]any{}
	for seen := 0; ; seen += search.Limit {
		if seen >= maxAssignments {
			return nil, provisioning.Errorf(provisioning.BadInput, "more than %d tokens match; match by a user or a token as well", maxAssignments)
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

// partSearch is a search for assignments, made ready.
type partSearch struct {
	where []directory.Criterion // of their tokens
	// id and user are what an assignment has to have; empty is anything.
	id, user string
	own      []triple // of its own attributes
}

// partSearch reads what a call matches.
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
		kind, own := partKinds[t.name]
		switch {
		case !own:
			rest = append(rest, t)
		case !kind.takes(t):
			return q, provisioning.Errorf(provisioning.BadInput, "%s is not matched with %.10q and %.40q", t.name, t.op, t.value)
		default:
			q.own = append(q.own, t)
		}
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

// fits reports whether the attributes of an assignment are those that are looked
// for.
func (q partSearch) fits(h provisioning.Holder, own map[string]any) bool {
	for _, t := range q.own {
		if v, _ := lookup(own, t.name); !partKinds[t.name].holds(v, t) {
			return false
		}
	}
	return (q.id == "" || own["id"] == q.id) && (q.user == "" || string(h.User) == q.user)
}

// partKind is what an attribute of an assignment is compared as.
type partKind int

const (
	partText partKind = iota
	partNumber
	partDate
	partFlag
)

// partKinds are the attributes of its own that an assignment is matched by, in
// lower case.
var partKinds = map[string]partKind{
	"status": partText, "isowner": partFlag, "mustchangepin": partFlag, "pinneverexpires": partFlag,
	"usagelimit": partNumber, "priority": partNumber,
	"datecreated": partDate, "lastchangepin": partDate, "starts": partDate, "expires": partDate,
}

// partAttrs are the attributes of an assignment, for their names.
var partAttrs = assignmentAttrs(provisioning.Token{Holders: []provisioning.Holder{{}}}, 0)

// takes reports whether an operator and a value make sense.
func (k partKind) takes(t triple) bool {
	var err error
	switch k {
	case partNumber:
		_, err = strconv.Atoi(t.value)
	case partDate:
		_, err = parseDate(t.value)
	case partFlag:
		_, err = strconv.ParseBool(t.value)
	}
	ordered := k == partNumber || k == partDate
	return err == nil && (t.op == "=" || ordered && (t.op == "<" || t.op == ">"))
}

// holds compares a value with that of a triple, which takes has seen. What has no
// date is neither before one nor after.
func (k partKind) holds(v any, t triple) bool {
	n := 0
	switch v := v.(type) {
	case int:
		want, _ := strconv.Atoi(t.value)
		n = cmp.Compare(v, want)
	case bool:
		return strconv.FormatBool(v) == strings.ToLower(t.value)
	case string:
		if k == partText {
			return v == t.value
		}
		at, err := time.Parse(time.RFC3339, v)
		want, err2 := parseDate(t.value)
		if err != nil || err2 != nil {
			return false
		}
		n = at.Compare(want)
	default:
		return false
	}
	return n == map[string]int{"<": -1, "=": 0, ">": 1}[t.op]
}
