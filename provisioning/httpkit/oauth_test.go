package httpkit_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/secret"
)

func tokenRequest(t *testing.T, body, contentType string, basic ...string) (httpkit.TokenRequest, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/token?client_id=query", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	if len(basic) == 2 {
		r.SetBasicAuth(url.QueryEscape(basic[0]), url.QueryEscape(basic[1]))
	}
	return httpkit.ReadTokenRequest(httptest.NewRecorder(), r)
}

const formType = "application/x-www-form-urlencoded"

func TestTokenRequests(t *testing.T) {
	got, err := tokenRequest(t, "grant_type=client_credentials&client_id=a%20b&client_secret=s%2B&scope=x+y", formType+"; charset=utf-8")
	if err != nil || got.GrantType != httpkit.ClientCredentials || got.ClientID != "a b" || string(got.ClientSecret) != "s+" || got.Scope != "x y" {
		t.Errorf("%+v (%v)", got, err)
	}
	got, err = tokenRequest(t, "grant_type=client_credentials", formType, "a:b", "s%")
	if err != nil || got.ClientID != "a:b" || string(got.ClientSecret) != "s%" {
		t.Errorf("%+v (%v)", got, err)
	}
	got, err = tokenRequest(t, "grant_type=client_credentials&client_assertion_type=t&client_assertion=a.b.c", formType)
	if err != nil || got.Assertion != "a.b.c" || got.AssertionType != "t" || got.ClientID != "" {
		t.Errorf("%+v (%v)", got, err)
	}
	for body, status := range map[string]int{
		"client_id=a&client_id=b":            0,
		"client_id=%zz":                      0,
		"client_id=a;client_secret=b":        0,
		strings.Repeat("x", 1<<20) + "=":     0,
		"client_secret=x&grant_type=x&a=1":   0, // with basic below
		"client_assertion=x":                 0,
		"client_id=another&grant_type=a&b=c": 0,
	} {
		if _, err := tokenRequest(t, body, formType, "a", "b"); err == nil || httpkit.StatusOf(err) != status {
			t.Errorf("%.60q: %v", body, err)
		}
	}
	if _, err := tokenRequest(t, "{}", "application/json"); httpkit.StatusOf(err) != 415 {
		t.Error(err)
	}
}

func TestWriteToken(t *testing.T) {
	w := httptest.NewRecorder()
	token := secret.Bytes("abc")
	require.NoError(t, httpkit.WriteToken(w, token, time.Hour, "read"))
	if got := strings.TrimSpace(w.Body.String()); got != `{"access_token":"abc","token_type":"Bearer","expires_in":3600,"scope":"read"}` || string(token) == "abc" {
		t.Errorf("%s, and %q is left", got, string(token))
	}
}

func TestOAuthErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		code   string
		status int
	}{
		{provisioning.Errorf(provisioning.Unauthenticated, "no"), "invalid_client", 401},
		{provisioning.Errorf(provisioning.BadInput, "no"), "invalid_request", 400},
		{provisioning.Errorf(provisioning.TooLarge, "no"), "invalid_request", 413},
		{provisioning.Errorf(provisioning.Forbidden, "no"), "unauthorized_client", 400},
		{provisioning.Errorf(provisioning.RateLimited, "no"), "temporarily_unavailable", 429},
		{provisioning.Errorf(provisioning.Busy, "no"), "temporarily_unavailable", 503},
		{&httpkit.OAuthError{Code: "unsupported_grant_type", Detail: "no"}, "unsupported_grant_type", 400},
		{errors.New("canary"), "server_error", 500},
	} {
		w := httptest.NewRecorder()
		httpkit.OAuthErrors(w, httptest.NewRequestWithContext(t.Context(), "POST", "/", nil), c.err)
		var body struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != c.status || body.Error != c.code || body.Description == "" || strings.Contains(body.Description, "canary") {
			t.Errorf("%v: %d %s (%v)", c.err, w.Code, w.Body, err)
		}
		if (w.Header().Get("WWW-Authenticate") != "") != (c.status == 401) {
			t.Errorf("%v: WWW-Authenticate %q", c.err, w.Header().Get("WWW-Authenticate"))
		}
	}
}
