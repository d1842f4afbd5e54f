package securid

import (
	_ "embed"
	"net/http"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/secret"
)

// Name is what the configuration calls this dialect.
const Name = "securid"

// base begins every path, and tokenPath is that of the token endpoint.
const (
	base      = "/AdminInterface/restapi/"
	tokenPath = base + "oauth/token"
)

// lifetime is the lifetime of an access token.
const lifetime = time.Hour

//go:embed openapi.yaml
var document []byte

// Describe returns the description of this dialect. Its clients sign with the key in the
// key file of an administration API.
func Describe() dialect.Description {
	return dialect.Description{Name: Name, New: New, Credential: dialect.Credential{
		Kind: provisioning.Signer,
		Fields: func(i dialect.Issued) []dialect.Field {
			return []dialect.Field{
				{Name: "customerName", Value: secret.Text(i.Tenant)},
				{Name: "accessID", Value: secret.Text(i.ID)},
				{Name: "accessKey", Value: i.Secret},
				{Name: "adminRestApiUrl", Value: secret.Text(i.URL + base + "v1")},
				{Name: "description", Value: secret.Text(i.Name)},
			}
		},
		Help: "For securid, --public-key-file is for clients that have a key.",
	}}
}

// Dialect serves the API. It is safe for concurrent use.
type Dialect struct {
	core     *provisioning.Service
	kit      *httpkit.Kit
	sessions *httpkit.Sessions
	signed   *httpkit.SignedTokens
}

// New makes the dialect on a core.
func New(core *provisioning.Service, kit *httpkit.Kit) dialect.Dialect {
	d := &Dialect{core: core, sessions: httpkit.NewSessions(core, lifetime, kit.Now), signed: signedTokens(core, kit)}
	d.kit = kit.WithAuthentication(d.caller)
	return d
}

// Name is "securid".
func (*Dialect) Name() string { return Name }

// OpenAPI is the document of the operations that are served.
func (*Dialect) OpenAPI() []byte { return document }

// Mount adds everything under /AdminInterface/.
func (d *Dialect) Mount(mux *http.ServeMux) {
	mux.Handle("/AdminInterface/", d.kit.Router(d.routes(), fail))
}
