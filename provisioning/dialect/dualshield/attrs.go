package dualshield

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"vtoken/provisioning"
)

// attrs are the attributes of a request by their dotted names, in lower case: {"user":
// {"domain.name": "d"}} and {"user.domain.name": "d"} are the same. The vendor's examples
// have both, and also lists of one object instead of the object.
type attrs map[string]any

// maxAttrs bounds the attributes of a request.
const maxAttrs = 256

// flatten converts the members of an object to that form.
func flatten(v map[string]any) (attrs, error) {
	out := attrs{}
	return out, out.add("", v)
}

// flattenList is flatten for an object, or a list of one, as in the vendor's examples, at
// any depth.
func flattenList(v any) (attrs, error) {
	object, ok := single(v).(map[string]any)
	if !ok {
		return nil, provisioning.Errorf(provisioning.BadInput, "attributes are an object, not a %s", kindOf(v))
	}
	for name, inner := range object {
		object[name] = single(inner)
	}
	return flatten(object)
}

// single returns the object in a list of one, and anything else unchanged.
func single(v any) any {
	if list, ok := v.([]any); ok && len(list) == 1 {
		if object, is := list[0].(map[string]any); is {
			return object
		}
	}
	return v
}

func (a attrs) add(prefix string, object map[string]any) error {
	for name, value := range object {
		full := prefix + strings.ToLower(name)
		if len(a) >= maxAttrs {
			return provisioning.Errorf(provisioning.BadInput, "a request has at most %d attributes", maxAttrs)
		}
		inner, ok := value.(map[string]any)
		if !ok || len(inner) == 0 { // what reads it refuses an object
			a[full] = value
			continue
		}
		if err := a.add(full+".", inner); err != nil {
			return err
		}
	}
	return nil
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "list"
	}
	return "object"
}

// only refuses attributes with other names.
func (a attrs) only(names ...string) error {
	for name := range a {
		if slices.Contains(names, name) {
			continue
		}
		return provisioning.Errorf(provisioning.BadInput, "there is no attribute %.60q here; there are %s",
			name, strings.Join(names, ", "))
	}
	return nil
}

// text returns the first of these attributes that is present. All of them must be
// strings.
func (a attrs) text(names ...string) (first string, err error) {
	for i := len(names) - 1; i >= 0; i-- {
		v, found := a[names[i]]
		if !found {
			continue
		}
		text, ok := v.(string)
		if !ok {
			return "", provisioning.Errorf(provisioning.BadInput, "the attribute %s is a text, not a %s",
				names[i], kindOf(v))
		}
		first = text
	}
	return first, nil
}

// digits returns a string that clients may send as a number: a PIN, or a value to match.
func (a attrs) digits(name string) (string, error) {
	if n, ok := a[name].(float64); ok {
		return strconv.FormatFloat(n, 'f', -1, 64), nil
	}
	return a.text(name)
}

// need is text for a required attribute.
func (a attrs) need(names ...string) (string, error) {
	v, err := a.text(names...)
	if err == nil && v == "" {
		err = provisioning.Errorf(provisioning.BadInput, "the attribute %s is missing", names[0])
	}
	return v, err
}

// number returns an integer of 0 or more, or nil.
func (a attrs) number(name string) (*int, error) {
	v, found := a[name]
	if !found {
		return nil, nil
	}
	n, ok := v.(float64)
	if !ok || n < 0 || n != math.Trunc(n) || n > math.MaxInt32 {
		return nil, provisioning.Errorf(provisioning.BadInput, "the attribute %s is a whole number of 0 or more", name)
	}
	whole := int(n)
	return &whole, nil
}

// flag returns a boolean, or nil.
func (a attrs) flag(name string) (*bool, error) {
	v, found := a[name]
	if !found {
		return nil, nil
	}
	is, ok := v.(bool)
	if !ok {
		return nil, provisioning.Errorf(provisioning.BadInput, "the attribute %s is true or false", name)
	}
	return &is, nil
}

// date returns a date, or nil where it is absent. An empty string is the zero time.
func (a attrs) date(name string) (*time.Time, error) {
	v, found := a[name]
	if !found {
		return nil, nil
	}
	text, ok := v.(string)
	if v == nil || ok && text == "" {
		return &time.Time{}, nil
	}
	at, err := parseDate(text)
	if !ok || err != nil {
		return nil, provisioning.Errorf(provisioning.BadInput, "the attribute %s is a date such as 2026-11-26T10:00:00Z",
			name)
	}
	return &at, nil
}

// parseDate parses a date of ISO 8601, in UTC if it has no zone.
func parseDate(text string) (time.Time, error) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05", "2006-01-02"} {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is not a date", text)
}
