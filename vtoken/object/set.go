package object

import (
	"bytes"
	"slices"

	"vtoken/vtoken/ck"
)

// Set is a set of attributes, sorted by type, each type once. The methods do
// not change it; those that return a Set return a new one that shares values.
type Set []ck.Attribute

// NewSet sorts the attributes of a template. An attribute that stands there twice counts once
// where its value is the same, otherwise it is CKR_TEMPLATE_INCONSISTENT (section 4.1.1).
// Values are shared with the template.
func NewSet(t ck.Template) (Set, error) {
	s := Set(slices.Clone(t))
	slices.SortStableFunc(s, byType)
	out := s[:0]
	for _, a := range s {
		switch n := len(out); {
		case n == 0 || out[n-1].Type != a.Type:
			out = append(out, a)
		case !sameValue(out[n-1], a):
			return nil, ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT,
				"the template gives %v twice, with different values; give it once", a.Type)
		}
	}
	return slices.Clip(out), nil
}

// Once is the template with each attribute once, in the template's order. It fails as [NewSet]
// does.
func Once(t ck.Template) (ck.Template, error) {
	s, err := NewSet(t)
	if err != nil || len(s) == len(t) {
		return t, err
	}
	seen := map[ck.AttributeType]bool{}
	return slices.DeleteFunc(slices.Clone(t), func(a ck.Attribute) bool {
		twice := seen[a.Type]
		seen[a.Type] = true
		return twice
	}), nil
}

func byType(a, b ck.Attribute) int {
	switch {
	case a.Type < b.Type:
		return -1
	case a.Type > b.Type:
		return 1
	}
	return 0
}

// index is the place of t in s, or the place where it is missing.
func (s Set) index(t ck.AttributeType) (int, bool) {
	lo, hi := 0, len(s)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if s[mid].Type < t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(s) && s[lo].Type == t
}

// Find returns the attribute of type t and whether the set has one.
func (s Set) Find(t ck.AttributeType) (ck.Attribute, bool) {
	i, ok := s.index(t)
	if !ok {
		return ck.Attribute{}, false
	}
	return s[i], true
}

// Has reports whether the set has an attribute of type t.
func (s Set) Has(t ck.AttributeType) bool {
	_, ok := s.index(t)
	return ok
}

// Get is the value of type t, or nil. The caller does not change it.
func (s Set) Get(t ck.AttributeType) []byte {
	a, _ := s.Find(t)
	return a.Value
}

// Bool is the value of a CK_BBOOL; false where it is absent.
func (s Set) Bool(t ck.AttributeType) bool {
	a, _ := s.Find(t)
	v, _ := a.Bool()
	return v
}

// Ulong is the value of a CK_ULONG; ok is false where it is absent.
func (s Set) Ulong(t ck.AttributeType) (v uint64, ok bool) {
	a, _ := s.Find(t)
	return a.Ulong()
}

// With is the set with the attributes put in, replacing those of the same type.
// Of two attributes of one type the later one stays.
func (s Set) With(attrs ...ck.Attribute) Set {
	out := make(Set, len(s), len(s)+len(attrs))
	copy(out, s)
	for _, a := range attrs {
		if i, ok := out.index(a.Type); ok {
			out[i] = a
		} else {
			out = slices.Insert(out, i, a)
		}
	}
	return out
}

// Without is the set with the types taken out.
func (s Set) Without(types ...ck.AttributeType) Set {
	out := make(Set, 0, len(s))
	for _, a := range s {
		if !slices.Contains(types, a.Type) {
			out = append(out, a)
		}
	}
	return out
}

// Clone is a copy that shares no memory with s.
func (s Set) Clone() Set {
	if s == nil {
		return nil
	}
	out := make(Set, len(s))
	for i, a := range s {
		out[i] = ck.Attribute{Type: a.Type, Value: bytes.Clone(a.Value)}
	}
	return out
}

// Wipe overwrites the values with zeroes. The owner of secret attributes calls
// it when they are no longer needed; nobody may use the values afterwards.
func (s Set) Wipe() {
	for _, a := range s {
		clear(a.Value)
	}
}
