package securid

import (
	"bytes"
	"cmp"
	"net/http"
	"strings"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/provisioning/httpkit/jwtauth"
	"vtoken/vtoken/record"
)

// scopes are the rights that the scopes of an access token give.
var scopes = map[string]record.Rights{
	"rsa.authenticator.sidtoken.read":   record.MayView,
	"rsa.authenticator.sidtoken.manage": record.MayView | record.MayAdd | record.MayEdit,
	"rsa.authenticator.sidtoken.delete": record.MayView | record.MayRemove,
}

// rightsOf are the rights of scopes. Those that are not known give none.
func rightsOf(names []string) record.Rights {
	var all record.Rights
	for _, name := range names {
		all |= scopes[name]
	}
	return all
}

// audiences are what tokens for this API are for: its base URL, with and without
// the version.
func (d *Dialect) audiences() []string {
	return []string{d.kit.URL + base + "v1", d.kit.URL + strings.TrimSuffix(base, "/")}
}

// endpoint is the URL of the token endpoint.
func (d *Dialect) endpoint() string { return d.kit.URL + base + "oauth/token" }

// caller is who sent a request: by a token that the client signed, by one that the
// authorization server of the installation signed, or by an access token of ours.
func (d *Dialect) caller(r *http.Request) (provisioning.Caller, error) {
	bearer := httpkit.Bearer(r)
	defer bearer.Wipe()
	if bytes.Count(bearer, []byte(".")) != 2 {
		return d.sessions.Caller(r.Context(), bearer)
	}
	t, err := jwtauth.Parse(string(bearer))
	if err != nil {
		return provisioning.Caller{}, refused(err)
	}
	if issuer := d.kit.Issuer; issuer != nil && t.Unverified().Issuer == issuer.Name {
		return d.issued(r, issuer, t)
	}
	return d.signed(r, t)
}

// signed is who signed a token with the key of a credential.
func (d *Dialect) signed(r *http.Request, t *jwtauth.Token) (provisioning.Caller, error) {
	found, err := d.core.Signer(r.Context(), Name, t.Unverified().Subject)
	if err != nil {
		return provisioning.Caller{}, err
	}
	rules := jwtauth.Rules{Algorithms: []string{jwtauth.RS256}, Type: "JWT", Audiences: d.audiences(), MaxAge: lifetime}
	if _, err := t.Verify(found.PublicKey, rules, d.kit.Clock()()); err != nil {
		return provisioning.Caller{}, refused(err)
	}
	return found.Caller, nil
}

// issued is whom an authorization server says a token is of.
func (d *Dialect) issued(r *http.Request, issuer *jwtauth.Issuer, t *jwtauth.Token) (provisioning.Caller, error) {
	claims, err := issuer.Verify(r.Context(), t, d.audiences(), d.kit.Clock()())
	if err != nil {
		return provisioning.Caller{}, refused(err)
	}
	found, err := d.core.Signer(r.Context(), Name, cmp.Or(claims.ClientID, claims.Subject))
	if err != nil {
		return provisioning.Caller{}, err
	}
	return found.Caller.Limited(rightsOf(claims.Scopes)), nil
}

// refused says why a token is none, which its sender may know.
func refused(err error) error {
	return provisioning.Errorf(provisioning.Unauthenticated, "the bearer token is not accepted: %v", err)
}

// assertionType is that of RFC 7523, section 2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// accessToken trades an assertion that a client signed for an access token.
func (d *Dialect) accessToken(w http.ResponseWriter, r *http.Request, _ provisioning.Caller) error {
	in, err := httpkit.ReadTokenRequest(w, r)
	defer in.ClientSecret.Wipe()
	switch {
	case err != nil:
		return err
	case in.GrantType != httpkit.ClientCredentials:
		return &httpkit.OAuthError{Code: "unsupported_grant_type", Detail: "the grant type is client_credentials"}
	case in.AssertionType != assertionType || in.Assertion == "":
		return &httpkit.OAuthError{Code: "invalid_request", Detail: "the client proves itself with a client_assertion of type " + assertionType}
	}
	names := strings.Fields(in.Scope)
	rights := rightsOf(names)
	if in.Scope != "" && rights == 0 {
		return &httpkit.OAuthError{Code: "invalid_scope", Detail: "none of the scopes is known here"}
	}
	if in.Scope == "" {
		rights = ^record.Rights(0)
	}
	var found provisioning.Credential
	_, err = d.kit.Admit(r, func(r *http.Request) (c provisioning.Caller, err error) {
		found, err = d.client(r, in)
		return found.Caller, err
	})
	if err != nil {
		return err
	}
	token, _, _ := d.sessions.Begin(found, rights)
	return httpkit.WriteToken(w, token, d.sessions.Lifetime(), in.Scope)
}

// client is who signed an assertion, which works once.
func (d *Dialect) client(r *http.Request, in httpkit.TokenRequest) (provisioning.Credential, error) {
	t, err := jwtauth.Parse(in.Assertion)
	if err != nil {
		return provisioning.Credential{}, refused(err)
	}
	id := t.Unverified().Subject
	if in.ClientID != "" && in.ClientID != id {
		return provisioning.Credential{}, provisioning.Errorf(provisioning.Unauthenticated, "the assertion is of another client than client_id")
	}
	found, err := d.core.Signer(r.Context(), Name, id)
	if err != nil {
		return provisioning.Credential{}, err
	}
	rules := jwtauth.Rules{Algorithms: []string{jwtauth.RS256, jwtauth.ES256}, Audiences: []string{d.endpoint()}, Issuer: id, MaxAge: lifetime}
	claims, err := t.Verify(found.PublicKey, rules, d.kit.Clock()())
	if err == nil {
		err = d.replays.Use(id, claims)
	}
	if err != nil {
		return provisioning.Credential{}, refused(err)
	}
	return found, nil
}
