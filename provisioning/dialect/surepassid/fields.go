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

// fields are the fields of a call by their names in lower case, because the
// vendor's documents mix the cases. A field that is null is not there.
type fields map[string]json.RawMessage

// readFields reads the body of a call. The media type does not matter: scripts
// send the one of a form.
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

// only refuses fields that are none of the names.
func (f fields) only(names []string) error {
	for name := range f {
		if slices.Contains(names, name) {
			continue
		}
		return provisioning.Errorf(provisioning.BadInput, "this method has no field %.60q; leave it out", name)
	}
	return nil
}

// text is a field that is a text, empty where it is not there.
func (f fields) text(name string) (string, error) {
	v, there := f[name]
	if !there {
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
	v, there := f[name]
	if !there {
		return nil, nil
	}
	var text secret.Text
	if json.Unmarshal(v, &text) != nil {
		return nil, provisioning.Errorf(provisioning.BadInput, "the field %s is a text", name)
	}
	return text.Bytes(), nil
}

// number is a field that is a whole number, or a text of one; 0 where it is not
// there.
func (f fields) number(name string) (int, error) {
	v, there := f[name]
	if !there {
		return 0, nil
	}
	n, err := strconv.Atoi(unquoted(v))
	if err != nil {
		return 0, provisioning.Errorf(provisioning.BadInput, "the field %s is a whole number", name)
	}
	return n, nil
}

// code is a field that is a one-time password: a text, or a number, which has lost
// its leading zeros.
func (f fields) code(name string) (provisioning.Code, error) {
	v, there := f[name]
	text := unquoted(v)
	n, err := strconv.ParseUint(text, 10, 32)
	if !there || err != nil {
		return provisioning.Code{}, provisioning.Errorf(provisioning.BadInput, "the field %s is missing, or no one-time password", name)
	}
	if v[0] == '"' {
		return provisioning.TextCode(text), nil
	}
	return provisioning.NumberCode(n), nil
}

// pin is a field that is a PIN, a text or a number; nil where it is not there, is
// empty or 0. The caller wipes it.
func (f fields) pin(name string) (secret.Bytes, error) {
	v, there := f[name]
	text := unquoted(v)
	if !there || text == "" || text == "0" {
		return nil, nil
	}
	if _, err := strconv.ParseUint(text, 10, 64); err != nil {
		return nil, provisioning.Errorf(provisioning.BadInput, "the field %s is a PIN of digits", name)
	}
	return secret.Bytes(text), nil
}

// unquoted is a number that may be written as a text.
func unquoted(v json.RawMessage) string {
	text := string(v)
	if inner, ok := strings.CutPrefix(text, `"`); ok {
		return strings.TrimSuffix(inner, `"`)
	}
	return text
}
