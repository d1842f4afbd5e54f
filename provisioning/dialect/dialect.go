package dialect

import (
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
)

// Dialect is an HTTP API on the provisioning core.
type Dialect interface {
	// Name returns the name in the configuration: lower-case letters.
	Name() string
	// Mount adds the dialect's paths, which no other dialect has.
	Mount(mux *http.ServeMux)
	// OpenAPI returns the document of all its operations: OpenAPI 3.0 in YAML.
	OpenAPI() []byte
}

// New makes a dialect on a core.
type New func(core *provisioning.Service, kit *httpkit.Kit) Dialect

// DocumentPath returns the path where a dialect's document is served, without
// authentication.
func DocumentPath(d Dialect) string { return "/docs/" + d.Name() + "/openapi.yaml" }

// Mount mounts a dialect and its document.
func Mount(mux *http.ServeMux, d Dialect) {
	d.Mount(mux)
	document := d.OpenAPI()
	mux.HandleFunc("GET "+DocumentPath(d), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(document)
	})
}

// MountIndex serves the list of these dialects' documents under /docs, without
// authentication: error messages refer to it.
func MountIndex(mux *http.ServeMux, list []Dialect) {
	index := struct {
		Documents []string `json:"documents"`
	}{[]string{}}
	for _, d := range list {
		index.Documents = append(index.Documents, DocumentPath(d))
	}
	serve := func(w http.ResponseWriter, _ *http.Request) { _ = httpkit.WriteJSON(w, http.StatusOK, index) }
	mux.HandleFunc("GET /docs", serve)
	mux.HandleFunc("GET /docs/{$}", serve)
}
