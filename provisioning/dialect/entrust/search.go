package entrust

import (
	"context"
	"net/http"
	"slices"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/directory"
	"vtoken/provisioning/httpkit"
)

// list is one of the two searches: what is always asked, and what may be.
type list struct {
	name       string
	always     []directory.Criterion
	attributes map[string]attribute
	orders     map[string]directory.Field
}

// attribute is a search attribute: its field, its operators and what its values
// are here. A value that no row has is BadInput.
type attribute struct {
	field     directory.Field
	operators []string
	values    func(string) (string, bool)
}

// The operators that are served.
var operators = map[string]directory.Operator{
	"EQUALS": directory.Equals, "CONTAINS": directory.Contains, "STARTS_WITH": directory.StartsWith,
	"GREATER_THAN": directory.GreaterThan, "GREATER_THAN_OR_EQUAL": directory.GreaterThanOrEqual,
	"LESS_THAN": directory.LessThan, "LESS_THAN_OR_EQUAL": directory.LessThanOrEqual,
}

var (
	equals = []string{"EQUALS"}
	text   = []string{"EQUALS", "CONTAINS", "STARTS_WITH"}
	dates  = []string{"GREATER_THAN", "GREATER_THAN_OR_EQUAL", "LESS_THAN", "LESS_THAN_OR_EQUAL"}
)

// assignedList and unassignedList are the two tables of section "searchParms" of
// the vendor's document.
var (
	assignedList = list{
		name:   "assigned",
		always: []directory.Criterion{{Field: directory.Held, Value: "true"}},
		attributes: map[string]attribute{
			"state":        {directory.State, equals, oneOf(map[string]string{stateNew: directory.StateNew, stateActive: directory.StateActive, stateActivating: directory.StatePending, stateInactive: directory.StateInactive})},
			"serialNumber": {directory.Serial, text, short},
			"type":         {directory.Model, equals, among(softToken, googleToken, oathToken, legacyToken)},
			"loadDate":     {directory.Created, dates, date},
			"lastUsedDate": {directory.LastUsed, dates, date},
			"groupId":      {directory.Group, equals, short},
			"label":        {directory.Label, []string{"CONTAINS"}, short},
		},
		orders: map[string]directory.Field{
			"serialNumber": directory.Serial, "state": directory.State, "loadDate": directory.Created, "lastUsedDate": directory.LastUsed,
		},
	}
	unassignedList = list{
		name: "unassigned",
		always: []directory.Criterion{
			{Field: directory.Held, Value: "false"}, {Field: directory.Hardware, Value: "true"}, {Field: directory.Deceased, Value: "false"},
		},
		attributes: map[string]attribute{
			"serialNumber": {directory.Serial, text, short},
			"type":         {directory.Model, equals, among(oathToken, legacyToken)},
			"loadDate":     {directory.Created, dates, date},
			"groupId":      {directory.Group, equals, short},
		},
		orders: map[string]directory.Field{"serialNumber": directory.Serial},
	}
)

func oneOf(values map[string]string) func(string) (string, bool) {
	return func(v string) (string, bool) { out, ok := values[v]; return out, ok }
}

func among(values ...string) func(string) (string, bool) {
	return func(v string) (string, bool) { return v, slices.Contains(values, v) }
}

func short(v string) (string, bool) { return v, len(v) <= 100 }

// date reads a date in UTC, with or without its zone, and writes it in RFC 3339.
func date(v string) (string, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02"} {
		if at, err := time.Parse(form, v); err == nil {
			return at.UTC().Format(time.RFC3339Nano), true
		}
	}
	return "", false
}

// defaultLimit is the page where none is named, and maxPage the greatest.
const (
	defaultLimit = 100
	maxPage      = 100
)

// maxAttributes bounds what one search asks.
const maxAttributes = 8

// search is what the parameters ask for.
func (l list) search(c provisioning.Caller, in searchParms) (provisioning.TokenSearch, error) {
	q := provisioning.TokenSearch{Tenant: c.Tenant, Limit: defaultLimit, Cursor: in.Cursor, Where: slices.Clone(l.always)}
	if in.Limit != nil {
		if q.Limit = *in.Limit; q.Limit < 1 || q.Limit > maxPage {
			return q, provisioning.Errorf(provisioning.BadInput, "limit is from 1 to %d, not %d", maxPage, q.Limit)
		}
	}
	if in.Cursor != "" {
		return q, nil
	}
	if len(in.SearchByAttributes) > maxAttributes {
		return q, provisioning.Errorf(provisioning.BadInput, "a search has at most %d attributes", maxAttributes)
	}
	for _, by := range in.SearchByAttributes {
		criterion, err := l.criterion(by)
		if err != nil {
			return q, err
		}
		q.Where = append(q.Where, criterion)
	}
	if by := in.OrderByAttribute; by != nil {
		field, ok := l.orders[by.Name]
		if !ok {
			return q, provisioning.Errorf(provisioning.BadInput, "tokens are not ordered by %.40q here", by.Name)
		}
		if by.Ascending == nil {
			return q, provisioning.Errorf(provisioning.BadInput, "orderByAttribute has no ascending; it is true or false")
		}
		q.OrderBy, q.Descending = field, !*by.Ascending
	}
	return q, nil
}

func (l list) criterion(by searchByAttribute) (directory.Criterion, error) {
	a, ok := l.attributes[by.Name]
	if !ok {
		return directory.Criterion{}, provisioning.Errorf(provisioning.BadInput, "tokens are not searched by %.40q here", by.Name)
	}
	if !slices.Contains(a.operators, by.Operator) {
		return directory.Criterion{}, provisioning.Errorf(provisioning.BadInput, "the operator of %s is one of %v, not %.40q", by.Name, a.operators, by.Operator)
	}
	value, ok := a.values(by.Value)
	if !ok {
		return directory.Criterion{}, provisioning.Errorf(provisioning.BadInput, "%.40q is no value of %s", by.Value, by.Name)
	}
	return directory.Criterion{Field: a.field, Op: operators[by.Operator], Value: value}, nil
}

// page runs a search.
func (d *Dialect) page(ctx context.Context, c provisioning.Caller, l list, in searchParms) (tokensPage, error) {
	q, err := l.search(c, in)
	if err != nil {
		return tokensPage{}, err
	}
	found, err := d.core.SearchTokens(ctx, c, q)
	if err != nil {
		return tokensPage{}, err
	}
	out := tokensPage{Results: []token{}, Paging: &paging{Limit: q.Limit, NextCursor: found.Next, PrevCursor: found.Prev}}
	for _, t := range found.Tokens {
		out.Results = append(out.Results, newToken(t))
	}
	return out, nil
}

func (d *Dialect) assignedPage(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	return d.servePage(w, r, c, assignedList)
}

func (d *Dialect) unassignedPage(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	return d.servePage(w, r, c, unassignedList)
}

func (d *Dialect) servePage(w http.ResponseWriter, r *http.Request, c provisioning.Caller, l list) error {
	var in searchParms
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	out, err := d.page(r.Context(), c, l, in)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, out)
}
