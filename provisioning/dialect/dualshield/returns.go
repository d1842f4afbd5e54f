package dualshield

import (
	"strings"

	"vtoken/provisioning"
)

// returns says which attributes of each object a request asks for: names, "*" for all
// simple ones, and {"collection": [names]} for other objects and lists of them.
type returns struct {
	all    bool
	names  []string
	nested map[string][]string
}

// maxReturns bounds the names.
const maxReturns = 64

// returns parses the member "return". The default is the id.
func (c *call) returns() (returns, error) {
	if !c.has("return") {
		return returns{names: []string{"id"}}, nil
	}
	return parseReturns(c.body["return"])
}

func parseReturns(v any) (returns, error) {
	r := returns{nested: map[string][]string{}}
	list, ok := v.([]any)
	if name, is := v.(string); is {
		list, ok = []any{name}, true
	}
	if !ok {
		return r, provisioning.Errorf(provisioning.BadInput, "return is a list of names, not a %s", kindOf(v))
	}
	if len(list) > maxReturns {
		return r, provisioning.Errorf(provisioning.BadInput, "at most %d attributes are returned", maxReturns)
	}
	for _, item := range list {
		switch item := item.(type) {
		case string:
			if item == "*" {
				r.all = true
			} else {
				r.names = append(r.names, item)
			}
		case map[string]any:
			for name, inner := range item {
				names, err := parseReturns(inner)
				if err != nil || len(names.nested) > 0 {
					return r, provisioning.Errorf(provisioning.BadInput, "the attributes of %.40q are a list of names", name)
				}
				if names.all {
					names.names = nil
				}
				r.nested[name] = names.names
			}
		default:
			return r, provisioning.Errorf(provisioning.BadInput, "return is a list of names, not of a %s", kindOf(item))
		}
	}
	return r, nil
}

// pick selects the requested attributes. An unknown name is BadInput.
func (r returns) pick(simple map[string]any, lists map[string][]map[string]any) (map[string]any, error) {
	out := map[string]any{}
	if r.all {
		for name, v := range simple {
			out[name] = v
		}
	}
	for _, name := range r.names {
		v, ok := lookup(simple, name)
		if !ok {
			if list, is := lists[name]; is {
				out[name] = list
				continue
			}
			if inner := object(simple, name); len(inner) > 0 {
				out[name] = inner
				continue
			}
			return nil, provisioning.Errorf(provisioning.BadInput, "there is no attribute %.60q to return", name)
		}
		out[name] = v
	}
	for name, names := range r.nested {
		inner, err := returns{names: names, all: names == nil}.nest(name, simple, lists)
		if err != nil {
			return nil, err
		}
		out[name] = inner
	}
	return out, nil
}

// nest selects the requested attributes of a collection or an object.
func (r returns) nest(name string, simple map[string]any, lists map[string][]map[string]any) (any, error) {
	list, ok := lists[name]
	if !ok {
		if inner := object(simple, name); len(inner) > 0 {
			return r.pick(inner, nil)
		}
		return nil, provisioning.Errorf(provisioning.BadInput, "there is no collection or object %.60q to return", name)
	}
	rows := []map[string]any{}
	for _, item := range list {
		row, err := r.pick(item, nil)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// object collects the dotted names below a name, such as "product". It is empty if there
// are none.
func object(simple map[string]any, name string) map[string]any {
	out := map[string]any{}
	for full, v := range simple {
		if head, rest, ok := strings.Cut(full, "."); ok && strings.EqualFold(head, name) {
			out[rest] = v
		}
	}
	return out
}

// lookup finds a name, ignoring case.
func lookup(m map[string]any, name string) (any, bool) {
	if v, ok := m[name]; ok {
		return v, true
	}
	for known, v := range m {
		if strings.EqualFold(known, name) {
			return v, true
		}
	}
	return nil, false
}
