package surepassid

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/secret"
)

// fields are the fields of a call by their names in lower case, because the vendor's
// documents mix cases. A null field counts as absent.
type fields map[string]json.RawMessage

// readFields reads the body of a call. It ignores the media type, because scripts send
// that of a form.
func readFields(w http.ResponseWriter, r *http.Request) (fields, error) {
	var raw map[string]json.RawMessage
	if err := (httpkit.JSON{AnyType: true}).Read(w, r, &raw); err != nil {
		fields(raw).wipe()
		return nil, err
	}
	in := make(fields, len(raw))
	for name, v := range raw {
		lower := strings.ToLower(name)
		if _, twice := in[lower]; twice {
			fields(raw).wipe()
			return nil, provisioning.Errorf(provisioning.BadInput, "the field %.60q is there twice, in two cases", name)
		}
		in[lower] = v
	}
	for name, v := range in {
		if string(v) == "null" {
			delete(in, name)
		}
	}
	return in, nil
}

// wipe overwrites the values: one of them is the account's key.
func (f fields) wipe() {
	for _, v := range f {
		clear(v)
	}
}

// only refuses fields with other names.
func (f fields) only(names []string) error {
	for name := range f {
		if slices.Contains(names, name) {
			continue
		}
		return provisioning.Errorf(provisioning.BadInput, "this method has no field %.60q; leave it out", name)
	}
	return nil
}

// text returns a string field, empty where it is absent.
func (f fields) text(name string) (string, error) {
	v, found := f[name]
	if !found {
		return "", nil
	}
	var text string
	if json.Unmarshal(v, &text) != nil {
		return "", provisioning.Errorf(provisioning.BadInput, "the field %s is a text", name)
	}
	return text, nil
}

// secret is text for a secret. The caller wipes it.
func (f fields) secret(name string) (secret.Bytes, error) {
	v, found := f[name]
	if !found {
		return nil, nil
	}
	var text secret.Text
	if json.Unmarshal(v, &text) != nil {
		return nil, provisioning.Errorf(provisioning.BadInput, "the field %s is a text", name)
	}
	return text.Bytes(), nil
}

// number returns an integer field, also in a string; 0 where it is absent.
func (f fields) number(name string) (int, error) {
	v, found := f[name]
	if !found {
		return 0, nil
	}
	n, err := strconv.Atoi(unquoted(v))
	if err != nil {
		return 0, provisioning.Errorf(provisioning.BadInput, "the field %s is a whole number", name)
	}
	return n, nil
}

// code returns a field that is a one-time password: a string, or a number, which has lost
// its leading zeros.
func (f fields) code(name string) (provisioning.Code, error) {
	v, found := f[name]
	text := unquoted(v)
	n, err := strconv.ParseUint(text, 10, 32)
	if !found || err != nil {
		return provisioning.Code{}, provisioning.Errorf(provisioning.BadInput,
			"the field %s is missing, or no one-time password", name)
	}
	if v[0] == '"' {
		return provisioning.TextCode(text), nil
	}
	return provisioning.NumberCode(n), nil
}

// pin returns a PIN, from a string or a number; nil where it is absent, empty or 0. The
// caller wipes it.
func (f fields) pin(name string) (secret.Bytes, error) {
	v, found := f[name]
	text := unquoted(v)
	if !found || text == "" || text == "0" {
		return nil, nil
	}
	if _, err := strconv.ParseUint(text, 10, 64); err != nil {
		return nil, provisioning.Errorf(provisioning.BadInput, "the field %s is a PIN of digits", name)
	}
	return secret.Bytes(text), nil
}

// unquoted returns a number that may be in a string.
func unquoted(v json.RawMessage) string {
	text := string(v)
	if inner, ok := strings.CutPrefix(text, `"`); ok {
		return strings.TrimSuffix(inner, `"`)
	}
	return text
}
