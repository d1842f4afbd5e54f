package surepassid

import (
	_ "embed"
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/secret"
)

// Name is what the configuration calls this dialect.
const Name = "surepassid"

//go:embed openapi.yaml
var document []byte

// Describe returns the description of this dialect. Its clients log in with the name of an
// account and a key.
func Describe() dialect.Description {
	return dialect.Description{Name: Name, New: New, Credential: dialect.Credential{
		Kind:     provisioning.SharedSecret,
		IDIsName: true,
		Fields: func(i dialect.Issued) []dialect.Field {
			return []dialect.Field{
				{Name: "spAccountLoginName", Value: secret.Text(i.ID)},
				{Name: "spAccountLoginKey", Value: i.Secret},
			}
		},
	}}
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
