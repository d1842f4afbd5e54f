package httpkit_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
)

// TestServed: who counts requests is told the route's words, never the client's, and
// who overwrites what requests leave behind is told of all but quiet ones.
func TestServed(t *testing.T) {
	var told []string
	forgotten := 0
	kit := &httpkit.Kit{Keys: keys{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Forgotten: func() { forgotten++ },
		Served: func(dialect, operation string, status int, took time.Duration) {
			if took < 0 {
				t.Errorf("it took %v", took)
			}
			told = append(told, fmt.Sprintf("%s|%s|%d", dialect, operation, status))
		}}
	ok := func(w http.ResponseWriter, _ *http.Request, _ provisioning.Caller) error {
		return httpkit.WriteJSON(w, http.StatusOK, nil)
	}
	boom := func(http.ResponseWriter, *http.Request, provisioning.Caller) error { panic("boom") }
	cut := func(http.ResponseWriter, *http.Request, provisioning.Caller) error { panic(http.ErrAbortHandler) }
	mux := http.NewServeMux()
	mux.Handle("/a/", kit.ForDialect("one").Router([]httpkit.Route{
		{Method: "GET", Path: "/a/{id}", Serve: ok}, {Method: "POST", Path: "/a/boom", Serve: boom}, {Method: "POST", Path: "/a/cut", Serve: cut},
		{Method: "GET", Path: "/a/quiet/status", Serve: ok, Quiet: true},
	}, httpkit.Problems(httpkit.StatusTable{provisioning.Unauthenticated: 401})))
	mux.Handle("/", kit.NotFound())
	h := kit.Wrap(mux)
	for _, r := range []struct{ method, path, key string }{
		{"GET", "/a/secret-id", goodKey}, {"HEAD", "/a/x", goodKey}, {"GET", "/a/x", "wrong"}, {"MADEUP", "/a/x", goodKey},
		{"GET", "/made/up", goodKey}, {"POST", "/a/boom", goodKey}, {"POST", "/a/cut", goodKey}, {"GET", "/a/quiet/status", goodKey},
	} {
		req := httptest.NewRequestWithContext(t.Context(), r.method, r.path, nil)
		req.Header.Set("Authorization", r.key)
		func() {
			defer func() { _ = recover() }() // an aborted answer panics on, for the server
			h.ServeHTTP(httptest.NewRecorder(), req)
		}()
	}
	want := []string{"one|GET /a/{id}|200", "one|GET /a/{id}|200", "one|GET /a/{id}|401", "||405", "||404", "one|POST /a/boom|500", "one|POST /a/cut|500", "one|GET /a/quiet/status|200"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if forgotten != len(want)-1 {
		t.Errorf("told %d times of what is left behind, want %d", forgotten, len(want)-1)
	}
}
