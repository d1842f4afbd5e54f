package idprime

import (
	_ "embed"
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/httpkit"
)

// Name is what the configuration calls this dialect.
const Name = "idprime"

//go:embed openapi.yaml
var document []byte

// Describe returns the description of this dialect. Its clients use the keys of the
// native API.
func Describe() dialect.Description {
	return dialect.Description{Name: Name, New: New, Credential: dialect.Credential{Kind: provisioning.BearerKey}}
}

// Dialect serves the API. It is safe for concurrent use.
type Dialect struct {
	core *provisioning.Service
	kit  *httpkit.Kit
}

// New makes the dialect on a core.
func New(core *provisioning.Service, kit *httpkit.Kit) dialect.Dialect {
	return &Dialect{core: core, kit: kit}
}

// Name is "idprime".
func (*Dialect) Name() string { return Name }

// OpenAPI is the document of the operations that are served.
func (*Dialect) OpenAPI() []byte { return document }

// Mount adds everything under /IDPrimeVirtual/, in either case of these words.
func (d *Dialect) Mount(mux *http.ServeMux) {
	router := d.kit.Router(d.routes(), httpkit.Problems(statuses))
	for _, root := range []string{"/IDPrimeVirtual/", "/idprimevirtual/"} {
		mux.Handle(root, router)
	}
}
