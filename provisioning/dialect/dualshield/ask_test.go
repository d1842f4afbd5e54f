package dualshield_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/vtoken/record"
)

// call calls a method and returns the result; it fails where the error is not the
// number that is wanted.
func call(t testing.TB, s *dialecttest.Server, token, method, body string, want int) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost/das5/rest/"+method, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	answer := s.Do(r)
	b, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	var out struct {
		Error  int
		Result any
	}
	if err := json.Unmarshal(b, &out); err != nil || out.Error != want {
		t.Fatalf("%s: error %d, want %d: %s", method, out.Error, want, b)
	}
	result, _ := out.Result.(map[string]any)
	return result
}

// access gets an access token with an agent's secret.
func access(t testing.TB, s *dialecttest.Server, role record.Role) string {
	t.Helper()
	k, key := s.NewCredential(provisioning.NewAPIKey{Name: "agent " + string(role), Kind: provisioning.SharedSecret, Role: role})
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {k.ID}, "client_secret": {key}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost/das5/rest/oauth/token", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(s.Do(r).Body).Decode(&out); err != nil || out.Token == "" {
		t.Fatalf("no access token (%v)", err)
	}
	return out.Token
}
