package entrust

import (
	"context"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"vtoken/provisioning"
	"vtoken/provisioning/directory"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
)

// list is one of the two searches: its fixed criteria, and its attributes.
type list struct {
	name       string
	always     []directory.Criterion
	attributes map[string]attribute
	orders     map[string]directory.Field
}

// attribute is a search attribute: its operators, and the criteria of the core for an
// operator and a value. Values that no token can have are refused.
type attribute struct {
	operators []string
	criteria  func(op directory.Operator, value string) ([]directory.Criterion, bool)
}

// values returns the attribute of a field whose values are the core's, in another form.
func values(
	field directory.Field, form func(string) (string, bool),
) func(directory.Operator, string) ([]directory.Criterion, bool) {
	return func(op directory.Operator, value string) ([]directory.Criterion, bool) {
		value, ok := form(value)
		return []directory.Criterion{{Field: field, Op: op, Value: value}}, ok
	}
}

// words returns the attribute of words that stand for criteria. They are only tested for
// equality.
func words(table map[string][]directory.Criterion) func(directory.Operator, string) ([]directory.Criterion, bool) {
	return func(_ directory.Operator, word string) ([]directory.Criterion, bool) {
		list, ok := table[word]
		return list, ok
	}
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

// stateCriteria are the criteria for the states of held tokens, as [stateOf] defines
// them.
var stateCriteria = map[string][]directory.Criterion{
	stateNew:        {{Field: directory.State, Value: directory.StateNew}},
	stateActivating: {{Field: directory.State, Value: directory.StatePending}},
	stateActive:     {{Field: directory.State, Value: directory.StateActive}},
	stateInactive:   {{Field: directory.State, Op: directory.In, Values: []string{directory.StateInactive, directory.StateDeceased}}},
}

var (
	hard = directory.Criterion{Field: directory.Hardware, Value: "true"}
	soft = directory.Criterion{Field: directory.Hardware, Value: "false"}
)

// typeCriteria are the criteria for the types, as [typeOf] defines them: a token from
// another API is found as the type that it appears as.
var typeCriteria = map[string][]directory.Criterion{
	softToken:   {soft, {Field: directory.Model, Op: directory.NotEquals, Value: googleToken}},
	googleToken: {soft, {Field: directory.Model, Value: googleToken}},
	oathToken: {hard, {Field: directory.Model, Op: directory.NotEquals, Value: physicalToken},
		{Field: directory.Model, Op: directory.NotEquals, Value: legacyToken}},
	legacyToken: {hard, {Field: directory.Model, Value: legacyToken}},
}

// hardCriteria are those for the types in the search for unassigned tokens.
var hardCriteria = map[string][]directory.Criterion{oathToken: typeCriteria[oathToken], legacyToken: typeCriteria[legacyToken]}

// groupID is the attribute whose value must be the id of a group.
const groupID = "groupId"

// assignedList and unassignedList are the two tables of section "searchParms" of
// the vendor's document.
var (
	assignedList = list{
		name:   "assigned",
		always: []directory.Criterion{{Field: directory.Held, Value: "true"}},
		attributes: map[string]attribute{
			"state":        {equals, words(stateCriteria)},
			"serialNumber": {text, values(directory.Serial, short)},
			"type":         {equals, words(typeCriteria)},
			"loadDate":     {dates, values(directory.Created, date)},
			"lastUsedDate": {dates, values(directory.LastUsed, date)},
			groupID:        {equals, values(directory.Group, id)},
			"label":        {[]string{"CONTAINS"}, values(directory.Label, short)},
		},
		orders: map[string]directory.Field{
			"serialNumber": directory.Serial, "state": directory.State, "loadDate": directory.Created, "lastUsedDate": directory.LastUsed,
		},
	}
	unassignedList = list{
		name:   "unassigned",
		always: []directory.Criterion{{Field: directory.Held, Value: "false"}, hard, {Field: directory.Deceased, Value: "false"}},
		attributes: map[string]attribute{
			"serialNumber": {text, values(directory.Serial, short)},
			"type":         {equals, words(hardCriteria)},
			"loadDate":     {dates, values(directory.Created, date)},
			groupID:        {equals, values(directory.Group, id)},
		},
		orders: map[string]directory.Field{"serialNumber": directory.Serial},
	}
)

func short(v string) (string, bool) { return v, utf8.RuneCountInString(v) <= 100 }

func id(v string) (string, bool) {
	id, err := provisioning.ParseID[record.GroupID]("group", v)
	return string(id), err == nil
}

// date parses a date in UTC, with or without its zone, and formats it as RFC 3339.
func date(v string) (string, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02"} {
		if at, err := time.Parse(form, v); err == nil {
			return at.UTC().Format(time.RFC3339Nano), true
		}
	}
	return "", false
}

// defaultLimit is the default size of a page, and maxPage the maximal one.
const (
	defaultLimit = 100
	maxPage      = 100
)

// maxAttributes bounds the criteria of one search.
const maxAttributes = 8

// search parses the parameters.
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
		criteria, err := l.criteria(by)
		if err != nil {
			return q, err
		}
		q.Where = append(q.Where, criteria...)
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

func (l list) criteria(by searchByAttribute) ([]directory.Criterion, error) {
	a, ok := l.attributes[by.Name]
	if !ok {
		return nil, provisioning.Errorf(provisioning.BadInput, "tokens are not searched by %.40q here", by.Name)
	}
	if !slices.Contains(a.operators, by.Operator) {
		return nil, provisioning.Errorf(provisioning.BadInput, "the operator of %s is one of %v, not %.40q",
			by.Name, a.operators, by.Operator)
	}
	if by.Value == nil {
		return nil, provisioning.Errorf(provisioning.BadInput, "there is no value to compare %s with", by.Name)
	}
	list, ok := a.criteria(operators[by.Operator], *by.Value)
	if !ok {
		return nil, provisioning.Errorf(provisioning.BadInput, "%.40q is not a value of %s", *by.Value, by.Name)
	}
	return list, nil
}

// groupsThere refuses a search for a group that the caller's tenant does not have. Call
// it after criteria.
func (d *Dialect) groupsThere(ctx context.Context, c provisioning.Caller, in searchParms) error {
	if in.Cursor != "" {
		return nil
	}
	for _, by := range in.SearchByAttributes {
		if by.Name != groupID {
			continue
		}
		if err := d.core.Allowed(c, provisioning.OpTokenList, c.Tenant); err != nil {
			return err
		}
		groups, err := d.core.Groups(ctx, c.WithView(), c.Tenant)
		if err != nil {
			return err
		}
		if want, _ := id(*by.Value); !slices.ContainsFunc(groups, func(g record.Group) bool { return string(g.ID) == want }) {
			return provisioning.Errorf(provisioning.GroupNotFound, "there is no group %.40q", *by.Value)
		}
	}
	return nil
}

// page runs a search.
func (d *Dialect) page(ctx context.Context, c provisioning.Caller, l list, in searchParms) (tokensPage, error) {
	q, err := l.search(c, in)
	if err != nil {
		return tokensPage{}, err
	}
	if err := d.groupsThere(ctx, c, in); err != nil {
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
