package surepassid

import (
	_ "embed"
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/httpkit"
)

// Name is what the configuration calls this dialect.
const Name = "surepassid"

//go:embed openapi.yaml
var document []byte

// Dialect serves the API. It is safe for concurrent use.
type Dialect struct {
	core *provisioning.Service
	kit  *httpkit.Kit
}

// New makes the dialect on a core.
func New(core *provisioning.Service, kit *httpkit.Kit) dialect.Dialect {
	return &Dialect{core: core, kit: kit}
}

// Name is "surepassid".
func (*Dialect) Name() string { return Name }

// OpenAPI is the document of the operations that are served.
func (*Dialect) OpenAPI() []byte { return document }

// Mount adds everything under /AuthServer/, in either case of these words.
func (d *Dialect) Mount(mux *http.ServeMux) {
	router := d.kit.Router(d.routes(), fail)
	mux.Handle("/AuthServer/", router)
	mux.Handle("/authserver/", router)
}
