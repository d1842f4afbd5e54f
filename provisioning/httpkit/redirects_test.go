package httpkit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"vtoken/provisioning/httpkit"
)

// TestExact: paths that a mux would redirect reach the handler as they are.
func TestExact(t *testing.T) {
	mux := http.NewServeMux()
	for _, root := range []string{"/", "/api/"} {
		mux.HandleFunc(root, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(root + " " + r.URL.EscapedPath()))
		})
	}
	for path, want := range map[string]string{
		"/api/x":         "/api/ /api/x",
		"/api/x/":        "/api/ /api/x/",
		"/api//x":        "/api/ /api//x",
		"/api/x%2F%2Fy":  "/api/ /api/x%2F%2Fy",
		"/api/../x":      "/ /api/../x",
		"/api/%2E%2E/x/": "/ /api/%2E%2E/x/",
		"//":             "/ //",
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost"+path, nil)
		httpkit.Exact(mux).ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%s: %d %q, want %q", path, w.Code, w.Body, want)
		}
	}
}
