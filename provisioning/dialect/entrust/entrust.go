package entrust

import (
	_ "embed"
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/secret"
)

// Name is what the configuration calls this dialect.
const Name = "entrust"

//go:embed openapi.yaml
var document []byte

// Describe returns the description of this dialect. Its clients are applications with a
// shared secret.
func Describe() dialect.Description {
	return dialect.Description{Name: Name, New: New, Credential: dialect.Credential{
		Kind: provisioning.SharedSecret,
		Fields: func(i dialect.Issued) []dialect.Field {
			return []dialect.Field{{Name: "applicationId", Value: secret.Text(i.ID)}, {Name: "sharedSecret", Value: i.Secret}}
		},
		Example: "vtoken apikey create help-desk --dialect entrust --role view,edit -o json",
	}}
}

// Dialect serves the API. It is safe for concurrent use.
type Dialect struct {
	core     *provisioning.Service
	kit      *httpkit.Kit
	sessions *httpkit.Sessions
	jobs     jobs
}

// New makes the dialect on a core.
func New(core *provisioning.Service, kit *httpkit.Kit) dialect.Dialect {
	d := &Dialect{core: core, sessions: httpkit.NewSessions(core, lifetime, kit.Now)}
	d.kit = kit.WithAuthentication(d.caller)
	return d
}

// Name is "entrust".
func (*Dialect) Name() string { return Name }

// OpenAPI is the document of the operations that are served.
func (*Dialect) OpenAPI() []byte { return document }

// Mount adds everything under /api/web/.
func (d *Dialect) Mount(mux *http.ServeMux) {
	mux.Handle(base, d.kit.Router(d.routes(), fail))
}
