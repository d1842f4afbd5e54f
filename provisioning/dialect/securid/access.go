package securid

import (
	"net/http"
	"strings"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/provisioning/httpkit/jwtauth"
	"vtoken/vtoken/record"
)

// scopes are the rights of the scopes of an access token.
var scopes = map[string]record.Rights{
	"rsa.authenticator.sidtoken.read":   record.MayView,
	"rsa.authenticator.sidtoken.manage": record.MayView | record.MayAdd | record.MayEdit,
	"rsa.authenticator.sidtoken.delete": record.MayView | record.MayRemove,
}

// signedTokens has the rules for tokens that clients sign, or that an authorization
// server signs for them. The audience is the base URL, with the version in the vendor's
// older form and without it in the newer one.
func signedTokens(core *provisioning.Service, kit *httpkit.Kit) *httpkit.SignedTokens {
	audiences := []string{kit.URL + base + "v1", kit.URL + strings.TrimSuffix(base, "/")}
	return &httpkit.SignedTokens{
		Signers: core, Dialect: Name, Issuer: kit.Issuer, Audiences: audiences, Scopes: scopes,
		Own:     jwtauth.Rules{Algorithms: []string{jwtauth.RS256}, Type: "JWT", Audiences: audiences[:1], MaxAge: time.Hour},
		Replays: jwtauth.NewReplays(kit.Now), Now: kit.Clock(),
	}
}

// caller finds the sender of a request: by a signed token, or by an access token of ours.
func (d *Dialect) caller(r *http.Request) (provisioning.Caller, error) {
	bearer := httpkit.Bearer(r)
	defer bearer.Wipe()
	if httpkit.IsSigned(bearer) {
		return d.signed.Caller(r.Context(), bearer)
	}
	return d.sessions.Caller(r.Context(), bearer)
}

// accessToken exchanges an assertion that a client signed for an access token.
func (d *Dialect) accessToken(w http.ResponseWriter, r *http.Request, _ provisioning.Caller) error {
	in, err := httpkit.ReadTokenRequest(w, r)
	defer in.ClientSecret.Wipe()
	if err != nil {
		return err
	}
	var found provisioning.Credential
	var rights record.Rights
	_, err = d.kit.Admit(r, func(r *http.Request) (c provisioning.Caller, err error) {
		found, rights, err = d.signed.Client(r.Context(), in, []string{d.kit.URL + tokenPath})
		return found.Caller, err
	})
	if err != nil {
		return err
	}
	token, _, _ := d.sessions.Begin(found, rights)
	return httpkit.WriteToken(w, token, d.sessions.Lifetime(), in.Scope)
}
