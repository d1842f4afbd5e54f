package dualshield

import (
	"context"
	"net/http"
	"slices"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
)

// call is one call of a method.
type call struct {
	ctx    context.Context
	http   *http.Request
	caller provisioning.Caller
	body   map[string]any
}

// method serves a call and returns the result, nil for none.
type method func(*call) (any, error)

// methods are all methods of the API, by object and name.
func (d *Dialect) methods() map[string]method {
	return map[string]method{
		"token/create":                       d.createToken,
		"token/get":                          d.getToken,
		"token/set":                          d.setToken,
		"token/search":                       d.searchTokens,
		"token/delete":                       d.deleteToken,
		"token/reset":                        d.resetToken,
		"token/confine":                      d.confine(true),
		"token/release":                      d.confine(false),
		"token/import":                       d.importTokens,
		"token/syncToken":                    d.syncToken,
		"token/batchAssignTokens":            d.batchAssign,
		"token/getDownloadUrl":               d.downloadURL,
		"token/retrieveCredential":           d.retrieveCredential,
		"tokenAssignment/get":                d.getAssignment,
		"tokenAssignment/search":             d.searchAssignments,
		"tokenAssignment/set":                d.setAssignment,
		"tokenAssignment/activate":           d.activate,
		"tokenAssignment/sort":               d.sortAssignments,
		"tokenAssignment/sendActivationCode": d.sendActivationCode,
		"tokenAssignment/sendDownloadUrl":    d.sendDownloadURL,
		"tokenAssignment/getTokenQRCode":     d.tokenQRCode,
	}
}

// large are the methods whose body may contain a file.
var large = map[string]bool{"token/import": true, "token/batchAssignTokens": true}

// maxFile bounds those bodies, in bytes.
const maxFile = 12 << 20

// body says how to read the body of a method.
func body(name string) httpkit.JSON {
	if large[name] {
		return httpkit.JSON{Max: maxFile}
	}
	return httpkit.JSON{}
}

func (d *Dialect) routes() []httpkit.Route {
	all := []httpkit.Route{{Method: http.MethodPost, Path: base + "oauth/token", Serve: d.accessToken, Open: true, Errors: httpkit.OAuthErrors}}
	for name, do := range d.methods() {
		all = append(all, httpkit.Route{Method: http.MethodPost, Path: base + name, Serve: d.serve(name, do), MaxBody: body(name).Max})
	}
	return all
}

// base begins every path.
const base = "/das5/rest/"

// serve reads the body, calls the method and writes the envelope.
func (d *Dialect) serve(name string, do method) httpkit.Handler {
	return func(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
		in := &call{ctx: r.Context(), http: r, caller: c, body: map[string]any{}}
		if err := body(name).Read(w, r, &in.body); err != nil {
			return err
		}
		if in.body == nil {
			return provisioning.Errorf(provisioning.BadInput, "the body is a JSON object, not null")
		}
		result, err := do(in)
		if err != nil {
			return err
		}
		return httpkit.WriteJSON(w, http.StatusOK, envelope{Result: result})
	}
}

// only refuses members of the body that the method does not know.
func (c *call) only(names ...string) error {
	for name := range c.body {
		if !slices.Contains(names, name) {
			return provisioning.Errorf(provisioning.BadInput, "there is no member %.60q here; there are %v", name, names)
		}
	}
	return nil
}

// has reports whether a member is present, even if it is null.
func (c *call) has(name string) bool {
	_, found := c.body[name]
	return found
}

// attrs is the member "attrs" in dotted form.
func (c *call) attrs() (attrs, error) { return flattenList(c.body["attrs"]) }

// some returns those of the members that are present.
func (c *call) some(names ...string) attrs {
	a := attrs{}
	for _, name := range names {
		if v, found := c.body[name]; found {
			a[name] = v
		}
	}
	return a
}

// parts returns the body without some members, in dotted form.
func (c *call) parts(but ...string) (attrs, error) {
	rest := map[string]any{}
	for name, v := range c.body {
		if !slices.Contains(but, name) {
			rest[name] = v
		}
	}
	return flatten(rest)
}
