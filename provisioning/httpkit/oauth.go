package httpkit

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"vtoken/provisioning"
	"vtoken/vtoken/secret"
)

// TokenRequest is a request for an access token (RFC 6749, section 4.4) by a client that
// authenticates with its secret (section 2.3.1) or with an assertion (RFC 7521, section
// 4.2).
type TokenRequest struct {
	GrantType string
	ClientID  string
	// ClientSecret is from the form or from basic authentication; the caller of
	// ReadTokenRequest wipes it.
	ClientSecret  secret.Bytes
	AssertionType string
	Assertion     string
	Scope         string
}

// ClientCredentials is the grant type of clients that act for themselves.
const ClientCredentials = "client_credentials"

// ReadTokenRequest reads the form of a request for an access token. A repeated parameter,
// or a client that authenticates in two ways, is BadInput.
func ReadTokenRequest(w http.ResponseWriter, r *http.Request) (TokenRequest, error) {
	form, err := ReadForm(w, r)
	if err != nil {
		return TokenRequest{}, err
	}
	for name, values := range form {
		if len(values) > 1 {
			return TokenRequest{}, provisioning.Errorf(provisioning.BadInput,
				"the parameter %.64q is there more than once; send it once", name)
		}
	}
	t := TokenRequest{
		GrantType: form.Get("grant_type"), ClientID: form.Get("client_id"), Scope: form.Get("scope"),
		AssertionType: form.Get("client_assertion_type"), Assertion: form.Get("client_assertion"),
		ClientSecret: secret.Bytes(form.Get("client_secret")),
	}
	return t, t.readBasic(r)
}

// readBasic reads the id and the secret from the Authorization header, where both are
// form-encoded.
func (t *TokenRequest) readBasic(r *http.Request) error {
	id, key, ok := r.BasicAuth()
	r.Header.Del("Authorization")
	if !ok {
		return nil
	}
	if len(t.ClientSecret) > 0 || t.Assertion != "" {
		return provisioning.Errorf(provisioning.BadInput, "the client proves itself in two ways; use one")
	}
	id, errID := url.QueryUnescape(id)
	key, errKey := url.QueryUnescape(key)
	if errID != nil || errKey != nil || t.ClientID != "" && t.ClientID != id {
		return provisioning.Errorf(provisioning.BadInput,
			"the Authorization header is malformed or is for another client than client_id")
	}
	t.ClientID, t.ClientSecret = id, secret.Bytes(key)
	return nil
}

// WriteToken answers with an access token (RFC 6749, section 5.1), and wipes it.
func WriteToken(w http.ResponseWriter, token secret.Bytes, lifetime time.Duration, scope string) error {
	defer token.Wipe()
	w.Header().Set("Pragma", "no-cache")
	return WriteJSON(w, http.StatusOK, struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int    `json:"expires_in"`
		Scope       string `json:"scope,omitempty"`
	}{string(token), "Bearer", int(lifetime.Seconds()), scope})
}

// OAuthError is an error of RFC 6749, section 5.2.
type OAuthError struct {
	// Code is one of that section, such as "unsupported_grant_type".
	Code   string
	Detail string
}

// Error returns the sentence.
func (e *OAuthError) Error() string { return e.Detail }

// OAuthErrors is the ErrorWriter of token endpoints (RFC 6749, section 5.2). An unknown
// client gets 401.
func OAuthErrors(w http.ResponseWriter, r *http.Request, err error) {
	code, status := oauthCode(err)
	detail := err.Error()
	if code == "server_error" {
		detail = provisioning.AsError(err).Detail
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Basic")
	}
	_ = WriteJSON(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		RequestID   string `json:"request_id,omitempty"`
	}{code, detail, RequestID(r.Context())})
}

func oauthCode(err error) (code string, status int) {
	var own *OAuthError
	if errors.As(err, &own) {
		return own.Code, http.StatusBadRequest
	}
	if status := StatusOf(err); status != 0 {
		return "invalid_request", status
	}
	switch provisioning.KindOf(err) {
	case provisioning.Unauthenticated:
		return "invalid_client", http.StatusUnauthorized
	case provisioning.Forbidden:
		return "unauthorized_client", http.StatusBadRequest
	case provisioning.RateLimited:
		return "temporarily_unavailable", http.StatusTooManyRequests
	case provisioning.Busy:
		return "temporarily_unavailable", http.StatusServiceUnavailable
	case provisioning.Internal, provisioning.StorageFull:
		return "server_error", http.StatusInternalServerError
	case provisioning.TooLarge:
		return "invalid_request", http.StatusRequestEntityTooLarge
	}
	return "invalid_request", http.StatusBadRequest
}
