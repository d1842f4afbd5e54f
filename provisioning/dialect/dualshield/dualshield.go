package dualshield

import (
	_ "embed"
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/httpkit"
)

// Name is what the configuration calls this dialect.
const Name = "dualshield"

//go:embed openapi.yaml
var document []byte

// Dialect serves the API. It is safe for concurrent use.
type Dialect struct {
	core     *provisioning.Service
	kit      *httpkit.Kit
	sessions *httpkit.Sessions
}

// New makes the dialect on a core.
func New(core *provisioning.Service, kit *httpkit.Kit) dialect.Dialect {
	d := &Dialect{core: core, sessions: httpkit.NewSessions(core, lifetime, kit.Now)}
	d.kit = kit.By(d.agent)
	return d
}

// Name is "dualshield".
func (*Dialect) Name() string { return Name }

// OpenAPI is the document of the operations that are served.
func (*Dialect) OpenAPI() []byte { return document }

// Mount adds everything under /das5/.
func (d *Dialect) Mount(mux *http.ServeMux) {
	mux.Handle("/das5/", d.kit.Router(d.routes(), fail))
}
