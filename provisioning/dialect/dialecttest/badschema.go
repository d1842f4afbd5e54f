package dialecttest

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// named is a bad value and its name.
type named[T any] struct {
	name  string
	value T
}

// candidates are values of all kinds. Those that a schema forbids are bad.
func candidates(s *openapi3.Schema) []named[any] {
	long := strings.Repeat("x", 1<<17)
	if s.MaxLength != nil {
		long = strings.Repeat("x", int(*s.MaxLength)+1)
	}
	return []named[any]{
		{"number", 12345.0}, {"fraction", 1.5}, {"negative", -1.0}, {"huge", 1e18}, {"boolean", true},
		{"empty", ""}, {"text", "no-such-value"}, {"control character", "a\u0000b"}, {"over-long", long},
		{"array", []any{}}, {"array of objects", []any{map[string]any{}}}, {"object", map[string]any{}},
	}
}

// refuses reports whether the schema forbids a value.
func refuses(s *openapi3.Schema, v any) bool {
	return s.VisitJSON(v, openapi3.EnableFormatValidation(), openapi3.VisitAsRequest()) != nil
}

// badTexts returns the strings that a schema forbids, in a path, query or header.
func badTexts(s *openapi3.Schema) []named[string] {
	var list []named[string]
	for _, c := range candidates(s) {
		text, ok := c.value.(string)
		if !ok {
			continue
		}
		var v any = text
		if !s.Type.Includes("string") {
			if n, err := strconv.ParseFloat(text, 64); err == nil {
				v = n
			}
		}
		if refuses(s, v) {
			list = append(list, named[string]{c.name, text})
		}
	}
	if s.Type.Includes("integer") || s.Type.Includes("number") {
		for _, n := range []float64{-1, 1.5, 1e18} {
			if refuses(s, n) {
				list = append(list, named[string]{"out of range", strconv.FormatFloat(n, 'f', -1, 64)})
			}
		}
	}
	return list
}

// badValues returns forms of a good value that the schema forbids: other kinds and sizes
// of the value and of everything inside it.
func badValues(s *openapi3.Schema, good any) []named[any] {
	var list []named[any]
	for _, c := range candidates(s) {
		if refuses(s, c.value) {
			list = append(list, c)
		}
	}
	switch v := good.(type) {
	case map[string]any:
		list = append(list, badObjects(s, v)...)
	case []any:
		list = append(list, badArrays(s, v)...)
	}
	return list
}

// badObjects returns an object with missing, bad or additional fields.
func badObjects(s *openapi3.Schema, good map[string]any) []named[any] {
	var list []named[any]
	add := func(name string, change func(map[string]any)) {
		other := maps.Clone(good)
		change(other)
		if refuses(s, other) {
			list = append(list, named[any]{name, other})
		}
	}
	add("extra field", func(m map[string]any) { m["noSuchField"] = 1.0 })
	for _, name := range s.Required {
		add("missing "+name, func(m map[string]any) { delete(m, name) })
		add("null "+name, func(m map[string]any) { m[name] = nil })
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if s.Properties[name].Value == nil {
			continue
		}
		for _, bad := range badValues(s.Properties[name].Value, good[name]) {
			add(bad.name+" "+name, func(m map[string]any) { m[name] = bad.value })
		}
	}
	return list
}

// badArrays returns an array with a bad item, or with too many items.
func badArrays(s *openapi3.Schema, good []any) []named[any] {
	var list []named[any]
	if s.Items == nil || s.Items.Value == nil {
		return nil
	}
	var first any
	if len(good) > 0 {
		first = good[0]
	}
	for _, bad := range badValues(s.Items.Value, first) {
		list = append(list, named[any]{bad.name + " item", append(slices.Clone(good), bad.value)})
	}
	if s.MaxItems != nil && len(good) > 0 {
		list = append(list, named[any]{"too many items", slices.Repeat(good[:1], int(*s.MaxItems)+1)})
	}
	return list
}
