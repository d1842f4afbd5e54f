package native

import (
	"encoding/pem"
	"slices"
	"strings"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/vtoken/secret"
)

// adminRESTAPI is the path that the key file of RSA SecurID names.
const adminRESTAPI = "/AdminInterface/restapi/v1"

// credentialForm is what the credentials of a dialect are made of, and how its
// vendor writes them.
type credentialForm struct {
	dialect string
	kind    provisioning.CredentialKind
	// named credentials have their name for an id.
	named bool
	// certificate says that one may be bound to a TLS client certificate.
	certificate bool
	write       func(made) api.Credential
}

// made is a credential that was made, what its holder is told once, and what the
// vendor's form tells beside.
type made struct {
	key      provisioning.APIKey
	secret   api.Secret
	customer string
	url      string
}

// credentialForms is the table of the dialects that have credentials of their own.
var credentialForms = []credentialForm{
	{dialect: "entrust", kind: provisioning.SharedSecret, write: func(m made) api.Credential {
		return api.Credential{ApplicationID: m.key.ID, SharedSecret: m.secret}
	}},
	{dialect: "surepassid", kind: provisioning.SharedSecret, named: true, write: func(m made) api.Credential {
		return api.Credential{AccountLoginName: m.key.ID, AccountLoginKey: m.secret}
	}},
	{dialect: "securid", kind: provisioning.Signer, write: func(m made) api.Credential {
		return api.Credential{
			CustomerName: m.customer, AccessID: m.key.ID, AccessKey: m.secret,
			AdminRESTAPIURL: m.url + adminRESTAPI, Description: m.key.Name,
		}
	}},
	{dialect: "dualshield", kind: provisioning.SharedSecret, certificate: true, write: func(m made) api.Credential {
		return api.Credential{ClientID: m.key.ID, ClientSecret: m.secret}
	}},
}

// idprime takes the same keys as this API.
const idprime = "idprime"

// formOf is the form of a dialect's credentials; nil is an API key.
func formOf(dialect string) (*credentialForm, error) {
	if dialect == "" || dialect == idprime {
		return nil, nil
	}
	i := slices.IndexFunc(credentialForms, func(f credentialForm) bool { return f.dialect == dialect })
	if i < 0 {
		names := []string{idprime}
		for _, f := range credentialForms {
			names = append(names, f.dialect)
		}
		return nil, provisioning.Errorf(provisioning.BadInput, "there is no dialect of that name; there are %s", strings.Join(names, ", "))
	}
	return &credentialForms[i], nil
}

// fill completes what the core is asked for. A nil form is an API key.
func (f *credentialForm) fill(n *provisioning.NewAPIKey, in api.NewAPIKey) (err error) {
	if in.Certificate != "" && (f == nil || !f.certificate) {
		return provisioning.Errorf(provisioning.BadInput, "only credentials of dualshield have a TLS client certificate; leave it out")
	}
	if n.Certificate, err = fromPEM(in.Certificate, "CERTIFICATE"); err != nil {
		return err
	}
	if n.PublicKey, err = fromPEM(in.PublicKey, "PUBLIC KEY"); err != nil || f == nil {
		return err
	}
	if n.Dialect, n.Kind = f.dialect, f.kind; f.named {
		n.ID = n.Name
	}
	return nil
}

// fromPEM is the one block of that type in a text, nil in none.
func fromPEM(text, kind string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != kind || strings.TrimSpace(string(rest)) != "" {
		return nil, provisioning.Errorf(provisioning.BadInput, "one PEM block of the type %s is expected here, and nothing else", kind)
	}
	return block.Bytes, nil
}

// created is the answer for a key or credential that was made.
func (f *credentialForm) created(k provisioning.APIKey, key secret.Bytes, customer, url string) api.CreatedAPIKey {
	answer := api.CreatedAPIKey{APIKey: apiKeyJSON(k)}
	if f == nil {
		answer.Key = api.Secret(key)
		return answer
	}
	c := f.write(made{k, api.Secret(key), customer, url})
	answer.Credential = &c
	return answer
}
