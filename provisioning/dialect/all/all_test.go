package all_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/dialect/all"
	"vtoken/provisioning/httpkit"
	"vtoken/provisioning/provtest"
)

// The index names a document of each dialect, and each is there.
func TestIndex(t *testing.T) {
	core := provisioning.New(provtest.New(), provisioning.Options{})
	list, err := all.New(all.Names(), core, &httpkit.Kit{Keys: core, URL: "https://localhost"})
	require.NoError(t, err)
	mux := http.NewServeMux()
	for _, d := range list {
		dialect.Mount(mux, d)
	}
	dialect.MountIndex(mux, list)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
		return w
	}
	var want []string
	for _, name := range all.Names() {
		want = append(want, "/docs/"+name+"/openapi.yaml")
		get("/docs/" + name + "/openapi.yaml")
	}
	for _, path := range []string{"/docs", "/docs/"} {
		var got struct{ Documents []string }
		if err := json.Unmarshal(get(path).Body.Bytes(), &got); err != nil || !slices.Equal(got.Documents, want) {
			t.Errorf("%s: %v (%v), want %v", path, got.Documents, err, want)
		}
	}
}
