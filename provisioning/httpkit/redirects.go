package httpkit

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// Exact serves a mux without its redirects. A mux redirects a path with an empty segment,
// as where a client left out an id, with a page of HTML. Here the request goes to the API
// of that path unchanged, which refuses it in its own form.
func Exact(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clean := path.Clean("/" + r.URL.Path)
		if strings.HasSuffix(r.URL.Path, "/") && clean != "/" {
			clean += "/"
		}
		if clean == r.URL.Path {
			mux.ServeHTTP(w, r)
			return
		}
		look := *r
		look.URL = &url.URL{Path: clean}
		h, _ := mux.Handler(&look)
		h.ServeHTTP(w, r)
	})
}
