package dualshield

import (
	"net/http"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
)

// lifetime is how long an access token is good.
const lifetime = time.Hour

// allRights are the rights of an access token, within those of its agent.
const allRights = ^record.Rights(0)

// agent finds the API agent that sent a request: by its access token, or else by its TLS
// client certificate.
func (d *Dialect) agent(r *http.Request) (provisioning.Caller, error) {
	token := httpkit.Bearer(r)
	defer token.Wipe()
	if len(token) > 0 {
		return d.sessions.Caller(r.Context(), token)
	}
	found, err := d.core.AuthenticateCertificate(r.Context(), Name, httpkit.ClientCertificate(r))
	return found.Caller, err
}

// accessToken exchanges the secret of an agent for an access token (RFC 6749, section
// 4.4).
func (d *Dialect) accessToken(w http.ResponseWriter, r *http.Request, _ provisioning.Caller) error {
	in, err := httpkit.ReadTokenRequest(w, r)
	defer in.ClientSecret.Wipe()
	if err != nil {
		return err
	}
	if in.GrantType != httpkit.ClientCredentials {
		return &httpkit.OAuthError{Code: "unsupported_grant_type", Detail: "the grant type is client_credentials"}
	}
	var found provisioning.Credential
	_, err = d.kit.Admit(r, func(r *http.Request) (c provisioning.Caller, err error) {
		found, err = d.core.AuthenticateSecret(r.Context(), Name, in.ClientID, in.ClientSecret)
		return found.Caller, err
	})
	if err != nil {
		return err
	}
	token, _, _ := d.sessions.Begin(found, allRights)
	return httpkit.WriteToken(w, token, d.sessions.Lifetime(), "")
}
