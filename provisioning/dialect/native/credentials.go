package native

import (
	"encoding/pem"
	"slices"
	"strings"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/dialect"
	"vtoken/vtoken/secret"
)

// dialectNamed returns the description of a dialect whose clients have credentials of
// their own, and nil where they use the keys of this API.
func (h *Handler) dialectNamed(name string) (*dialect.Description, error) {
	if name == "" {
		return nil, nil
	}
	all := h.info.AllDialects
	i := slices.IndexFunc(all, func(d dialect.Description) bool { return d.Name == name })
	switch {
	case i < 0:
		return nil, provisioning.Errorf(provisioning.BadInput, "there is no dialect of that name; there are %s",
			strings.Join(names(all), ", "))
	case all[i].Credential.Kind == provisioning.BearerKey:
		return nil, nil
	}
	return &all[i], nil
}

func names(list []dialect.Description) (names []string) {
	for _, d := range list {
		names = append(names, d.Name)
	}
	return names
}

// complete adds to a request for the core what the credentials of a dialect need. A nil
// dialect makes an API key.
func (h *Handler) complete(n *provisioning.NewAPIKey, in api.NewAPIKey, d *dialect.Description) (err error) {
	if in.Certificate != "" && (d == nil || !d.Credential.ClientCertificate) {
		able := slices.DeleteFunc(slices.Clone(h.info.AllDialects), func(d dialect.Description) bool { return !d.Credential.ClientCertificate })
		return provisioning.Errorf(provisioning.BadInput,
			"only credentials of %s have a TLS client certificate; leave it out", strings.Join(names(able), ", "))
	}
	if n.Certificate, err = fromPEM(in.Certificate, "CERTIFICATE"); err != nil {
		return err
	}
	if n.PublicKey, err = fromPEM(in.PublicKey, "PUBLIC KEY"); err != nil || d == nil {
		return err
	}
	if n.Dialect, n.Kind = d.Name, d.Credential.Kind; d.Credential.IDIsName {
		n.ID = n.Name
	}
	return nil
}

// fromPEM decodes text that is one PEM block of that type. Empty text is nil.
func fromPEM(text, kind string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != kind || strings.TrimSpace(string(rest)) != "" {
		return nil, provisioning.Errorf(provisioning.BadInput,
			"one PEM block of the type %s is expected here, and nothing else", kind)
	}
	return block.Bytes, nil
}

// created returns the answer for a new key or the credential of a dialect.
func (h *Handler) created(k provisioning.APIKey, key secret.Bytes, tenant string, d *dialect.Description) api.CreatedAPIKey {
	answer := api.CreatedAPIKey{APIKey: apiKeyJSON(k)}
	if d == nil {
		answer.Key = api.Secret(key)
		return answer
	}
	issued := dialect.Issued{Name: k.Name, ID: k.ID, Secret: api.Secret(key), Tenant: tenant, URL: h.info.API}
	for _, f := range d.Credential.Fields(issued) {
		if len(f.Value) > 0 {
			answer.Credential = append(answer.Credential, api.Field(f))
		}
	}
	return answer
}
