package dualshield

import (
	_ "embed"
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/secret"
)

// Name is what the configuration calls this dialect.
const Name = "dualshield"

//go:embed openapi.yaml
var document []byte

// Describe returns the description of this dialect. Its clients are agents with a shared
// secret or a TLS client certificate.
func Describe() dialect.Description {
	return dialect.Description{
		Name: Name,
		New:  New,
		Credential: dialect.Credential{
			Kind:              provisioning.SharedSecret,
			ClientCertificate: true,
			Fields: func(i dialect.Issued) []dialect.Field {
				return []dialect.Field{{Name: "client_id", Value: secret.Text(i.ID)}, {Name: "client_secret", Value: i.Secret}}
			},
			Help: "For dualshield, --tls makes a TLS client certificate that can be used instead of the\n" +
				"secret: client.crt and client.key in the folder.",
			Example: "vtoken apikey create agent --dialect dualshield --tls agent -o json",
		},
		Imports: []dialect.Import{
			{
				Format:  "xml",
				Title:   "Import seeds from DualShield's XML",
				Help:    "the seed XML of DualShield, plain or encrypted with a password\n(--password-file).",
				Example: "vtoken import xml tokens.xml",
			},
			{
				Format: "assignments",
				Title:  "Assign many tokens to users",
				Help: "a CSV of the form that DualShield takes, with the header\n" +
					"domain,loginName,manufacturerCode,productCode,serial,status,pin. The tokens must exist\n" +
					"already. Tokens that somebody holds are refused, or get one more holder with --share.",
				Example: "vtoken import assignments assign.csv",
			},
		},
	}
}

// Dialect serves the API. It is safe for concurrent use.
type Dialect struct {
	core     *provisioning.Service
	kit      *httpkit.Kit
	sessions *httpkit.Sessions
}

// New makes the dialect on a core.
func New(core *provisioning.Service, kit *httpkit.Kit) dialect.Dialect {
	d := &Dialect{core: core, sessions: httpkit.NewSessions(core, lifetime, kit.Now)}
	d.kit = kit.WithAuthentication(d.agent)
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
