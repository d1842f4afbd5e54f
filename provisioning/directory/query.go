package directory

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vtoken/vtoken/record"
)

// Operator compares a field with a value.
type Operator int

// The operators. A field with several values matches if one of them does. A negation
// matches if none does. In Like, % stands for any characters.
const (
	Equals Operator = iota
	NotEquals
	Contains
	NotContains
	StartsWith
	EndsWith
	GreaterThan
	GreaterThanOrEqual
	LessThan
	LessThanOrEqual
	In // one of Values
	Exists
	NotExists
	Like
)

// Criterion is one condition of a search.
type Criterion struct {
	Field Field
	Op    Operator
	// Value is compared with the field, in RFC 3339 for times; Values are those of In.
	// Exists and NotExists have neither.
	Value  string
	Values []string
}

// Query is a search. All criteria must hold.
type Query struct {
	Tenant record.TenantID
	Where  []Criterion
	// OrderBy is the field to sort by; tokens with the same value are sorted by slot.
	// Tokens without a value are not in the result.
	OrderBy    Field
	Descending bool
	// Limit is the number of tokens to find, at least 1.
	Limit int
	// After is the place of the last token that was seen. The search continues after it.
	After *Place
	// Skip is how many tokens to leave out at the start. After is faster: skipped tokens
	// are checked too.
	Skip int
}

// Place is the place of a token in an order.
type Place struct {
	Value string
	Slot  uint64
}

// SlotPlace returns the place of a slot in the order of slots.
func SlotPlace(slot uint64) *Place { return &Place{number(slot), slot} }

// Hit is a token that was found, and its place.
type Hit struct {
	ID    record.TokenID
	Place Place
}

// Orderable reports whether tokens can be sorted by a field.
func Orderable(f Field) bool { return slices.Contains(orders, f) }

// orders are the fields that have a tree.
var orders = []Field{Slot, Serial, State, Created, LastUsed, Expires, Label}

var timeFields = []Field{Created, LastUsed, Expires}

// test is a parsed criterion.
type test struct {
	Criterion
	values []string // the values in the form of entries
}

// prepare checks a criterion and converts its values to the form of entries.
func prepare(c Criterion) (test, error) {
	t := test{Criterion: c}
	if c.Field < 0 || c.Field >= numberOfFields || c.Op < Equals || c.Op > Like {
		return t, fmt.Errorf("there is no such field or operator")
	}
	given := c.Values
	if c.Op != In {
		given = []string{c.Value}
	}
	if c.Op == Exists || c.Op == NotExists {
		return t, nil
	}
	for _, value := range given {
		form, err := valueForm(c.Field, value)
		if err != nil {
			return t, err
		}
		t.values = append(t.values, form)
	}
	return t, nil
}

// valueForm converts a value to the form of entries.
func valueForm(f Field, value string) (string, error) {
	switch {
	case slices.Contains(timeFields, f):
		at, err := time.Parse(time.RFC3339Nano, value)
		if err != nil {
			return "", fmt.Errorf("%.40q is not a time such as 2026-11-26T10:00:00Z", value)
		}
		return at.UTC().Format(timeForm), nil
	case f == Slot:
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return "", fmt.Errorf("%.40q is not a slot number", value)
		}
		return number(n), nil
	case f == Label:
		return strings.ToLower(value), nil
	}
	return value, nil
}

// number formats a number so that its text sorts like the number.
func number(n uint64) string { return fmt.Sprintf("%020d", n) }

// holds reports whether an entry meets the criterion.
func (t test) holds(e *entry) bool {
	values := e.of(t.Field)
	any := func(fits func(v string) bool) bool { return slices.ContainsFunc(values, fits) }
	switch t.Op {
	case Exists, NotExists:
		return any(func(v string) bool { return v != "" }) == (t.Op == Exists)
	case In:
		return any(func(v string) bool { return slices.Contains(t.values, v) })
	}
	want := t.values[0]
	switch t.Op {
	case Equals, NotEquals:
		return any(func(v string) bool { return v == want }) == (t.Op == Equals)
	case Contains, NotContains:
		return any(func(v string) bool { return strings.Contains(v, want) }) == (t.Op == Contains)
	case StartsWith:
		return any(func(v string) bool { return strings.HasPrefix(v, want) })
	case EndsWith:
		return any(func(v string) bool { return strings.HasSuffix(v, want) })
	case GreaterThan:
		return any(func(v string) bool { return v > want })
	case GreaterThanOrEqual:
		return any(func(v string) bool { return v >= want })
	case LessThan:
		return any(func(v string) bool { return v < want })
	case LessThanOrEqual:
		return any(func(v string) bool { return v <= want })
	}
	return any(func(v string) bool { return like(v, want) })
}

// like matches a pattern in which % stands for any characters.
func like(v, pattern string) bool {
	parts := strings.Split(pattern, "%")
	if len(parts) == 1 {
		return v == pattern
	}
	v, found := strings.CutPrefix(v, parts[0])
	if !found {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		at := strings.Index(v, part)
		if at < 0 {
			return false
		}
		v = v[at+len(part):]
	}
	return strings.HasSuffix(v, parts[last])
}
