package dialecttest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// operation is the document's description of a request.
type operation struct {
	*openapi3.Operation
	id     string
	path   string            // as in the document
	values map[string]string // of the path's parameters
	item   *openapi3.PathItem
	open   bool // for everybody
}

// operation finds a request in the document, or returns nil.
func (b *bad) operation(m message) *operation {
	route, values, err := b.server.find(m.request(b.t))
	if err != nil {
		return nil
	}
	security := route.Operation.Security
	return &operation{
		Operation: route.Operation, id: route.Operation.OperationID, path: route.Path, values: values,
		item: route.PathItem, open: security != nil && len(*security) == 0,
	}
}

// parameters returns those of the operation and of its path.
func (op *operation) parameters(in string) []*openapi3.Parameter {
	var list []*openapi3.Parameter
	for _, p := range slices.Concat(op.item.Parameters, op.Parameters) {
		if p.Value != nil && p.Value.In == in && p.Value.Schema != nil {
			list = append(list, p.Value)
		}
	}
	return list
}

// tryAll tries every bad form of a good request.
func (b *bad) tryAll(name string, m message) {
	op := b.operation(m)
	if op == nil {
		return
	}
	b.foreign = newForeign(b.t, b.server)
	defer b.foreign.remove(b.t, b.server)
	for _, cases := range [][]badCase{b.credentials(op, m), b.verbs(m), b.paths(op, m), b.queries(op, m), b.headers(op, m), b.bodies(op, m)} {
		for _, c := range cases {
			b.try(name, op, c)
		}
	}
}

// try sends a bad request and checks that it is refused and changes nothing.
func (b *bad) try(name string, op *operation, c badCase) {
	b.t.Helper()
	if b.accepted(op.id, c.name) {
		return
	}
	if b.tried[op.id] == nil {
		b.tried[op.id] = map[Class]int{}
	}
	b.tried[op.id][c.class]++
	before := b.server.Store.Commits()
	status, header, body := b.ask(c)
	what := fmt.Sprintf("%s: %s: %s %q", name, op.id, c.class, c.name)
	if err := b.refused(c.class, status, header, body); err != nil {
		b.t.Errorf("%s: %v\n%.500s", what, err, body)
	}
	if b.server.Store.Commits() != before && !slices.Contains(b.o.Counts, op.id) {
		b.t.Errorf("%s: answers %d and changed something", what, status)
	}
	if c.twin == nil || b.accepted(op.id, c.twin.name) {
		return
	}
	twinStatus, _, twin := b.ask(*c.twin)
	if twinStatus != status || plain(body, c.value, c.other) != plain(twin, c.value, c.other) {
		b.t.Errorf("%s is told from %q: %d %s, and %d %s", what, c.twin.name, status, body, twinStatus, twin)
	}
}

func (b *bad) ask(c badCase) (int, http.Header, []byte) {
	r := c.send.request(b.t)
	if c.spoil != nil {
		c.spoil(r)
	}
	answer := b.server.Do(r)
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, body
}

func (b *bad) refused(c Class, status int, header http.Header, body []byte) error {
	if b.o.Refused != nil {
		return b.o.Refused(c, status, header, body)
	}
	if list := b.statuses(c); !slices.Contains(list, status) {
		return fmt.Errorf("answers %d, want one of %v", status, list)
	}
	return nil
}

// plain removes from an answer what may differ: request ids, and the requested values.
func plain(body []byte, values ...string) string {
	text := requestID.ReplaceAllString(string(bytes.ToLower(body)), "")
	for _, v := range values {
		text = strings.ReplaceAll(text, strings.ToLower(v), "")
	}
	return text
}

// verbs returns the methods that the path does not have.
func (b *bad) verbs(m message) []badCase {
	var list []badCase
	for _, verb := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := m
		other.method = verb
		if _, _, err := b.server.find(other.request(b.t)); err != nil {
			list = append(list, badCase{class: Verb, name: verb, send: other})
		}
	}
	return list
}

// paths returns bad values in the path.
func (b *bad) paths(op *operation, m message) []badCase {
	var list []badCase
	for _, p := range op.parameters(openapi3.ParameterInPath) {
		with := func(value string) message {
			return m.withSegment(op.path, p.Name, value)
		}
		for _, v := range badTexts(p.Schema.Value) {
			list = append(list, badCase{class: PathValue, name: v.name + " " + p.Name, send: with(v.value)})
		}
		list = append(list, b.strangers(PathValue, p.Name, op.values[p.Name], with)...)
	}
	return list
}

// withSegment returns the message with another value in a segment of its path.
func (m message) withSegment(template, name, value string) message {
	raw, query, _ := strings.Cut(m.target, "?")
	segments, want := strings.Split(raw, "/"), strings.Split(template, "/")
	for i := range segments {
		if i < len(want) && want[i] == "{"+name+"}" {
			segments[i] = url.PathEscape(value)
		}
	}
	m.target = strings.Join(segments, "/")
	if query != "" {
		m.target += "?" + query
	}
	return m
}

// queries returns bad values in the query, and leaves out required ones.
func (b *bad) queries(op *operation, m message) []badCase {
	var list []badCase
	for _, p := range op.parameters(openapi3.ParameterInQuery) {
		with := func(change func(url.Values)) message {
			raw, query, _ := strings.Cut(m.target, "?")
			values, _ := url.ParseQuery(query)
			change(values)
			other := m
			other.target = raw + "?" + values.Encode()
			return other
		}
		if p.Required {
			list = append(list, badCase{class: QueryValue, name: "missing " + p.Name, send: with(func(v url.Values) { v.Del(p.Name) })})
		}
		for _, bad := range badTexts(p.Schema.Value) {
			list = append(list, badCase{class: QueryValue, name: bad.name + " " + p.Name, send: with(func(v url.Values) { v.Set(p.Name, bad.value) })})
		}
	}
	return list
}

// headers returns bad values of the operation's headers, and leaves out required ones.
func (b *bad) headers(op *operation, m message) []badCase {
	var list []badCase
	for _, p := range op.parameters(openapi3.ParameterInHeader) {
		with := func(change func(http.Header)) message {
			other := m
			other.header = maps.Clone(m.header)
			change(other.header)
			return other
		}
		if p.Required {
			list = append(list, badCase{class: Header, name: "missing " + p.Name, send: with(func(h http.Header) { h.Del(p.Name) })})
		}
		for _, bad := range badTexts(p.Schema.Value) {
			if bad.value != "" && !strings.ContainsAny(bad.value, "\x00\n") {
				list = append(list, badCase{class: Header, name: bad.name + " " + p.Name, send: with(func(h http.Header) { h.Set(p.Name, bad.value) })})
			}
		}
	}
	return list
}
