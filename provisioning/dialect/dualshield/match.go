package dualshield

import (
	"context"
	"strconv"
	"strings"

	"vtoken/provisioning"
	"vtoken/provisioning/directory"
)

// triple is one condition: an attribute, an operator and a value.
type triple struct{ name, op, value string }

// maxMatch bounds the conditions of a request.
const maxMatch = 8

// match reads the member "match": a list of triples, a single triple, or an object of
// attributes to equal, as in one example of the vendor.
func (c *call) match() ([]triple, error) {
	if !c.has("match") {
		return nil, nil
	}
	return parseMatch(c.body["match"])
}

func parseMatch(v any) ([]triple, error) {
	bad := provisioning.Errorf(provisioning.BadInput,
		`match is a list of triples such as [["serial", "=", "1001"]], at most %d`, maxMatch)
	switch v := v.(type) {
	case map[string]any:
		flat, err := flatten(v)
		if err != nil || len(flat) > maxMatch {
			return nil, bad
		}
		var list []triple
		for name := range flat {
			value, err := flat.digits(name)
			if err != nil {
				return nil, bad
			}
			list = append(list, triple{name, "=", value})
		}
		return list, nil
	case []any:
		if len(v) == 3 {
			if one, ok := parseTriple(v); ok {
				return []triple{one}, nil
			}
		}
		var list []triple
		for _, item := range v {
			switch item := item.(type) {
			case []any:
				one, ok := parseTriple(item)
				if !ok {
					return nil, bad
				}
				list = append(list, one)
			case map[string]any:
				more, err := parseMatch(item)
				if err != nil {
					return nil, bad
				}
				list = append(list, more...)
			default:
				return nil, bad
			}
		}
		if len(list) > maxMatch {
			return nil, bad
		}
		return list, nil
	}
	return nil, bad
}

func parseTriple(list []any) (triple, bool) {
	if len(list) != 3 {
		return triple{}, false
	}
	var t triple
	if is, ok := list[2].(bool); ok {
		list = []any{list[0], list[1], strconv.FormatBool(is)}
	}
	for i, to := range []*string{&t.name, &t.op, &t.value} {
		text, err := attrs{"v": list[i]}.digits("v")
		if err != nil {
			return t, false
		}
		*to = text
	}
	t.name, t.op = strings.ToLower(t.name), strings.ToLower(t.op)
	return t, true
}

// searchFields are the attributes that tokens are matched by, beside those of a user.
var searchFields = map[string]directory.Field{
	"id": directory.ID, "serial": directory.Serial, "identifier": directory.Serial, "description": directory.Label,
	"product.manufacturercode": directory.Manufacturer, "product.productcode": directory.Model, "repository.id": directory.Repository,
	"datecreated": directory.Created, "lastused": directory.LastUsed, "expires": directory.Expires, "category": directory.Kind,
}

// criteria converts triples to criteria for tokens. Names of token attributes begin with
// prefix, such as "token." in a search for assignments.
func (d *Dialect) criteria(
	ctx context.Context, c provisioning.Caller, match []triple, prefix string,
) ([]directory.Criterion, error) {
	var list []directory.Criterion
	user := attrs{}
	for _, t := range match {
		name, ours := strings.CutPrefix(t.name, prefix)
		if rest, ok := strings.CutPrefix(t.name, "user."); ok {
			if t.op != "=" {
				return nil, provisioning.Errorf(provisioning.BadInput, "users are matched with =, not with %.10q", t.op)
			}
			user[rest] = t.value
			continue
		}
		if !ours {
			return nil, provisioning.Errorf(provisioning.BadInput, "nothing is matched by %.60q", t.name)
		}
		some, err := criterion(name, t.op, t.value)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	if len(user) == 0 {
		return list, nil
	}
	u, named, err := d.user(ctx, c, user, "")
	if err == nil && !named {
		err = provisioning.Errorf(provisioning.BadInput, "a user is matched by id or loginName")
	}
	return append(list, directory.Criterion{Field: directory.Holder, Value: string(u.ID)}), err
}

func criterion(name, op, value string) ([]directory.Criterion, error) {
	type c = directory.Criterion
	switch name {
	case "status":
		return statusCriteria(op, value)
	case "product.id":
		manufacturer, code, ok := strings.Cut(value, "/")
		if op != "=" || !ok {
			return nil, provisioning.Errorf(provisioning.BadInput, `a product's id is matched with =, and is as in "DN/MT"`)
		}
		return []c{{Field: directory.Manufacturer, Value: manufacturer}, {Field: directory.Model, Value: code}}, nil
	}
	field, ok := searchFields[name]
	if !ok {
		return nil, provisioning.Errorf(provisioning.BadInput, "tokens are not matched by %.60q", name)
	}
	dated := field == directory.Created || field == directory.LastUsed || field == directory.Expires
	if dated {
		at, err := parseDate(value)
		if err != nil {
			return nil, provisioning.Errorf(provisioning.BadInput, "%v", err)
		}
		value = at.Format("2006-01-02T15:04:05.999999999Z07:00")
	}
	if field == directory.Kind {
		value = strings.ToLower(value)
	}
	switch {
	case op == "=":
		return []c{{Field: field, Op: directory.Equals, Value: value}}, nil
	case op == "like" && !dated:
		return []c{{Field: field, Op: directory.Like, Value: value}}, nil
	case op == "<" && dated:
		return []c{{Field: field, Op: directory.LessThan, Value: value}}, nil
	case op == ">" && dated:
		return []c{{Field: field, Op: directory.GreaterThan, Value: value}}, nil
	}
	return nil, provisioning.Errorf(provisioning.BadInput, "%s is not matched with %.10q", name, op)
}

// statusCriteria converts a status to criteria of the core.
func statusCriteria(op, value string) ([]directory.Criterion, error) {
	type c = directory.Criterion
	alive := c{Field: directory.Deceased, Value: "false"}
	switch {
	case op != "=":
	case value == statusDeceased:
		return []c{{Field: directory.Deceased, Value: "true"}}, nil
	case value == statusDisabled:
		return []c{alive, {Field: directory.Enabled, Value: "false"}}, nil
	case value == statusActive:
		return []c{alive, {Field: directory.Enabled, Value: "true"}}, nil
	}
	return nil, provisioning.Errorf(provisioning.BadInput, "status is matched with = and ACTIVE, DISABLED or DECEASED")
}
