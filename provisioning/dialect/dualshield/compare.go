package dualshield

import (
	"cmp"
	"strconv"
	"time"
)

// valueKind says how an attribute of an assignment is compared.
type valueKind int

const (
	textKind valueKind = iota
	numberKind
	dateKind
	flagKind
)

// assignmentKinds are the attributes of an assignment itself, in lower case. All others
// are those of its token or its user, and texts.
var assignmentKinds = map[string]valueKind{
	"status": textKind, "isowner": flagKind, "mustchangepin": flagKind, "pinneverexpires": flagKind,
	"usagelimit": numberKind, "priority": numberKind,
	"datecreated": dateKind, "lastchangepin": dateKind, "starts": dateKind, "expires": dateKind,
}

// parse reads a value that a caller compares with: a string, an int, a time.Time or a
// bool.
func (k valueKind) parse(text string) (any, error) {
	switch k {
	case numberKind:
		return strconv.Atoi(text)
	case dateKind:
		return parseDate(text)
	case flagKind:
		return strconv.ParseBool(text)
	}
	return text, nil
}

// allows reports whether attributes of the kind are matched with an operator.
func (k valueKind) allows(operator string) bool {
	switch operator {
	case "=":
		return true
	case "<", ">":
		return k == numberKind || k == dateKind
	}
	return false
}

// value returns an attribute in the form that parse returns, nil where it has none.
func (k valueKind) value(attribute any) any {
	if text, ok := attribute.(string); ok && k == dateKind {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil
		}
		return at
	}
	return attribute
}

// compareValues orders two values of one kind. No value comes before all others.
func compareValues(a, b any) int {
	if a == nil || b == nil {
		return cmp.Compare(rank(a != nil), rank(b != nil))
	}
	switch a := a.(type) {
	case int:
		return cmp.Compare(a, b.(int))
	case bool:
		return cmp.Compare(rank(a), rank(b.(bool)))
	case time.Time:
		return a.Compare(b.(time.Time))
	}
	return cmp.Compare(a.(string), b.(string))
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// condition is a triple on an attribute of an assignment, with its value parsed.
type condition struct {
	name     string
	kind     valueKind
	operator string
	value    any
}

// holds reports whether an assignment meets the condition. An attribute without a value
// meets none.
func (c condition) holds(attributes map[string]any) bool {
	attribute, _ := lookup(attributes, c.name)
	v := c.kind.value(attribute)
	if v == nil {
		return false
	}
	return compareValues(v, c.value) == map[string]int{"<": -1, "=": 0, ">": 1}[c.operator]
}
