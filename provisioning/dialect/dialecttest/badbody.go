package dialecttest

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// tenMB is larger than any accepted body.
const tenMB = 10 << 20

// bodies returns bad bodies of a request.
func (b *bad) bodies(op *operation, m message) []badCase {
	if op.RequestBody == nil || op.RequestBody.Value == nil {
		return nil
	}
	body := op.RequestBody.Value
	list := []badCase{
		{class: MediaType, name: "image/png", send: m.withType("image/png")},
		{class: Size, name: "10 MB", send: m.withBody(strings.Repeat("x", tenMB))},
	}
	if body.Required {
		list = append(list, badCase{class: Body, name: "empty", send: m.withBody("")})
	}
	if m.form != nil {
		return append(list, b.forms(m)...)
	}
	schema := jsonSchema(body)
	if schema == nil {
		return list
	}
	for name, text := range map[string]string{
		"broken off": cutShort(m.body), "no JSON": "{nonsense", "two values": m.body + " 1", "not UTF-8": "\"\xff\xfe",
		"nested arrays":  strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
		"nested objects": strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000),
	} {
		list = append(list, badCase{class: Body, name: name, send: m.withBody(text)})
	}
	list = append(list, badCase{class: Size, name: "10 MB of JSON", send: m.withBody(`"` + strings.Repeat("x", tenMB) + `"`)})
	var good any
	if m.body == "" || json.Unmarshal([]byte(m.body), &good) != nil {
		return list
	}
	for _, v := range badValues(schema, good) {
		list = append(list, badCase{class: Body, name: v.name, send: m.withJSON(v.value)})
	}
	return append(list, b.fields(m, schema, good)...)
}

// fields returns objects with unknown and foreign things in their fields.
func (b *bad) fields(m message, schema *openapi3.Schema, good any) []badCase {
	object, ok := good.(map[string]any)
	if !ok {
		return nil
	}
	var list []badCase
	for name, value := range object {
		text, ok := value.(string)
		if !ok || schema.Properties[name] == nil {
			continue
		}
		list = append(list, b.strangers(Body, name, text, func(other string) message {
			changed := maps.Clone(object)
			changed[name] = other
			return m.withJSON(changed)
		})...)
	}
	return list
}

// forms returns bad multipart forms.
func (b *bad) forms(m message) []badCase {
	var list []badCase
	for name, f := range map[string]formFile{
		"wrong field": {"noSuchField", m.form.name, m.form.data},
		"empty file":  {m.form.field, m.form.name, nil},
		"garbage":     {m.form.field, m.form.name, []byte("this is no such file")},
		"cut file":    {m.form.field, m.form.name, m.form.data[:len(m.form.data)/2]},
	} {
		other := m
		other.header = maps.Clone(m.header)
		other.form = &f
		other.setForm(b.t)
		list = append(list, badCase{class: Body, name: name, send: other})
	}
	return append(list,
		badCase{class: Body, name: "broken off", send: m.withBody(m.body[:len(m.body)/2])},
		badCase{class: MediaType, name: "application/json", send: m.withType("application/json")},
		badCase{class: MediaType, name: "no boundary", send: m.withType("multipart/form-data")})
}

func (m message) withBody(body string) message {
	m.body = body
	return m
}

func (m message) withJSON(v any) message {
	text, _ := json.Marshal(v) // it was read from JSON
	return m.withBody(string(text))
}

func (m message) withType(mediaType string) message {
	m.header = maps.Clone(m.header)
	m.header.Set("Content-Type", mediaType)
	return m
}

// cutShort removes the last significant character.
func cutShort(text string) string {
	text = strings.TrimSpace(text)
	return text[:max(0, len(text)-1)]
}

// jsonSchema returns the schema of a JSON body, or nil.
func jsonSchema(body *openapi3.RequestBody) *openapi3.Schema {
	for _, name := range []string{"application/json", "text/json"} {
		if t := body.Content[name]; t != nil && t.Schema != nil {
			return t.Schema.Value
		}
	}
	return nil
}
