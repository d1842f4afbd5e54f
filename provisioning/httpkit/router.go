package httpkit

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"vtoken/provisioning"
)

// Handler serves one operation, for an authenticated caller, or for the zero Caller where
// its route is open. Its error goes to the dialect's ErrorWriter, unless the answer has
// begun.
type Handler func(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error

// Route is an operation of a dialect.
type Route struct {
	Method string
	// Path has segments, such as /v1/tokens/{tokenId}. Literal segments match in either
	// case, as in vendors' servers. A {name} matches any one segment, even an empty one,
	// and the handler reads it with r.PathValue, decoded.
	Path  string
	Serve Handler
	// Quiet routes are not recorded in the audit log: they are about the state of the
	// daemon and are polled.
	Quiet bool
	// Open routes are served without authentication: the handler gets the zero Caller and
	// calls [Kit.Admit] itself.
	Open bool
	// MaxBody bounds the body, in bytes; 0 is [MaxBody].
	MaxBody int64
	// Errors writes the errors of this route in a form of its own; nil is the form of all
	// routes.
	Errors ErrorWriter
}

// Router serves a dialect's routes. An unknown path is 404 and a wrong method
// 405, both without asking who calls.
type Router struct {
	kit    *Kit
	routes []compiled
	errors ErrorWriter
}

type compiled struct {
	Route
	segments []string
}

// Router returns the handler of a dialect's routes. The first match wins.
func (k *Kit) Router(routes []Route, errors ErrorWriter) *Router {
	rt := &Router{kit: k, errors: errors}
	for _, r := range routes {
		rt.routes = append(rt.routes, compiled{r, strings.Split(r.Path, "/")})
	}
	return rt
}

// NotFound returns a handler that answers every request with the 404 of unknown paths,
// for the root of a server's mux.
func (k *Kit) NotFound() http.Handler { return k.Router(nil, Problems(nil)) }

// ServeHTTP finds the route and serves it.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route, allowed, ok := rt.find(r)
	switch {
	case ok:
		note(r, rt.kit.dialect, route)
		boundBody(w, r, route.MaxBody)
		if err := rt.serve(route, w, r); err != nil {
			rt.failRoute(route, w, r, err)
		}
	case len(allowed) > 0:
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		rt.fail(w, r, &httpError{http.StatusMethodNotAllowed, "this path does not support " + r.Method + "; it supports " + strings.Join(allowed, ", ")})
	default:
		rt.fail(w, r, &httpError{http.StatusNotFound, "there is no such path; check the URL against the API's document under /docs"})
	}
}

func (rt *Router) serve(route compiled, w http.ResponseWriter, r *http.Request) error {
	if err := rt.kit.beginAudit(r, route); err != nil {
		return err
	}
	var c provisioning.Caller
	if !route.Open {
		var err error
		if c, err = rt.kit.Admit(r, rt.kit.authenticate); err != nil {
			return err
		}
	}
	return route.Serve(w, r, c)
}

// failRoute answers with the error of a route.
func (rt *Router) failRoute(route compiled, w http.ResponseWriter, r *http.Request, err error) {
	if route.Errors == nil {
		rt.fail(w, r, err)
		return
	}
	err = orBusy(r, err)
	noteError(r, err)
	setRetryAfter(w.Header(), err)
	route.Errors(w, r, err)
}

// fail answers with an error and keeps it for the log line.
func (rt *Router) fail(w http.ResponseWriter, r *http.Request, err error) {
	err = orBusy(r, err)
	noteError(r, err)
	setRetryAfter(w.Header(), err)
	rt.errors(w, r, err)
}

// find returns the route of a request. If there is none, it returns the methods that its
// path has.
func (rt *Router) find(r *http.Request) (route compiled, allowed []string, ok bool) {
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for _, c := range rt.routes {
		values, match := c.match(segments)
		if !match {
			continue
		}
		if c.Method != r.Method && (c.Method != http.MethodGet || r.Method != http.MethodHead) {
			if !slices.Contains(allowed, c.Method) {
				allowed = append(allowed, c.Method)
			}
			continue
		}
		for name, value := range values {
			r.SetPathValue(name, value)
		}
		return c, nil, true
	}
	return compiled{}, allowed, false
}

// match compares a path's segments, which are still percent-encoded, so that an encoded
// slash stays inside its segment.
func (c compiled) match(segments []string) (values map[string]string, ok bool) {
	if len(segments) != len(c.segments) {
		return nil, false
	}
	values = map[string]string{}
	for i, want := range c.segments {
		got, err := url.PathUnescape(segments[i])
		switch name, isName := parameter(want); {
		case err != nil:
			return nil, false
		case isName:
			values[name] = got
		case !strings.EqualFold(got, want):
			return nil, false
		}
	}
	return values, true
}

func parameter(segment string) (name string, ok bool) {
	if strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}") {
		return segment[1 : len(segment)-1], true
	}
	return "", false
}
