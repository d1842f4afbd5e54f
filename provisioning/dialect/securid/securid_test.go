package securid_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/provisioning/dialect/securid"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// known is what there is before an archive begins: a client with a token that it
// signed, the user john, and a hardware token.
func known(t testing.TB) func(s *dialecttest.Server) map[string]string {
	return func(s *dialecttest.Server) map[string]string {
		ctx, admin := t.Context(), provisioning.System("test")
		c := newClient(t, s, "help desk", record.RoleAdmin)
		u, err := s.Core.CreateUser(ctx, admin, s.Tenant, "john")
		require.NoError(t, err)
		_, err = s.Core.CreateToken(ctx, admin, provisioning.NewToken{
			Tenant: s.Tenant, Unassigned: true, Serial: "000123456789", Kind: record.KindOTP, UserPIN: secret.Bytes("1234"),
			Product: record.Product{Model: "SID700", Hardware: true}, OTP: &provisioning.NewOTP{Period: 60},
		})
		require.NoError(t, err)
		return map[string]string{"user": string(u.ID), "jwt": c.token(t), "assertion": c.assertion(t, "one")}
	}
}

// assertion is one for the token endpoint.
func (c client) assertion(t testing.TB, id string) string {
	claims := c.claims()
	claims["iss"], claims["aud"], claims["jti"] = c.id, dialecttest.URL+"/AdminInterface/restapi/oauth/token", id
	return c.sign(t, jwt(), claims)
}

func TestGolden(t *testing.T) { dialecttest.RunWith(t, securid.New, known(t)) }

func TestBadInput(t *testing.T) {
	viewers := map[*dialecttest.Server]string{}
	dialecttest.BadInput(t, securid.New, dialecttest.BadInputOptions{
		Known:  known(t),
		Things: map[string]string{"userid": "user"},
		Accepted: map[string]string{
			"accessToken/none": "it asks for no access token", "accessToken/wrong": "likewise", "accessToken/API key": "likewise",
		},
		Reads: []string{"lookupHardwareToken", "accessToken"},
		Once:  []string{"accessToken"},
		// An assertion that was used is a bad credential.
		Statuses: map[dialecttest.Class][]int{dialecttest.State: {401, 404, 409}},
		Credentials: func(s *dialecttest.Server) []dialecttest.BadCredential {
			set := func(value string) func(*http.Request) {
				return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+value) }
			}
			if viewers[s] == "" {
				viewers[s] = newClient(t, s, "viewer", record.RoleView).token(t)
			}
			return []dialecttest.BadCredential{
				{Name: "none", Spoil: func(r *http.Request) { r.Header.Del("Authorization") }},
				{Name: "wrong", Spoil: set("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.e30.")},
				{Name: "API key", Spoil: set(s.Key)},
				{Name: "viewer", Writes: true, Spoil: set(viewers[s])},
			}
		},
	})
}

// lookup asks for the token with a bearer token, and returns the status.
func lookup(t testing.TB, s *dialecttest.Server, bearer string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost/AdminInterface/restapi/v1/sidTokens/lookup",
		strings.NewReader(`{"tokenSerialNumber": "000123456789"}`))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+bearer)
	return s.Do(r).StatusCode
}

// TestSignedTokens: the vendor's rules for tokens, each broken once; a token may be
// used until it expires.
func TestSignedTokens(t *testing.T) {
	s := dialecttest.New(t, securid.New)
	known(t)(s)
	c, other := newClient(t, s, "one", record.RoleView), newClient(t, s, "other", record.RoleView)
	now := time.Now().Unix()
	for name, change := range map[string]func(header, claims map[string]any){
		"good": func(_, _ map[string]any) {},
		"good, times as text": func(_, c map[string]any) {
			c["iat"], c["exp"] = strconv.FormatInt(now, 10), strconv.FormatInt(now+60, 10)
		},
		"good within the skew": func(_, c map[string]any) { c["iat"], c["exp"] = now-3600, now-30 },
		"no typ":               func(h, _ map[string]any) { delete(h, "typ") },
		"another typ":          func(h, _ map[string]any) { h["typ"] = "at+jwt" },
		"another algorithm":    func(h, _ map[string]any) { h["alg"] = "RS512" },
		"none":                 func(h, _ map[string]any) { h["alg"] = "none" },
		"shared secret":        func(h, _ map[string]any) { h["alg"] = "HS256" },
		"no subject":           func(_, c map[string]any) { delete(c, "sub") },
		"another subject":      func(_, c map[string]any) { c["sub"] = other.id },
		"another audience":     func(_, c map[string]any) { c["aud"] = "https://elsewhere/AdminInterface/restapi/v1" },
		"no audience":          func(_, c map[string]any) { delete(c, "aud") },
		"no iat":               func(_, c map[string]any) { delete(c, "iat") },
		"no exp":               func(_, c map[string]any) { delete(c, "exp") },
		"expired":              func(_, c map[string]any) { c["iat"], c["exp"] = now-600, now-61 },
		"from the future":      func(_, c map[string]any) { c["iat"], c["exp"] = now+120, now+600 },
		"too long":             func(_, c map[string]any) { c["exp"] = now + 3700 },
	} {
		t.Run(name, func(t *testing.T) {
			header, claims := jwt(), c.claims()
			change(header, claims)
			want := http.StatusForbidden
			if strings.HasPrefix(name, "good") {
				want = http.StatusOK
			}
			token := c.sign(t, header, claims)
			for range 2 {
				if got := lookup(t, s, token); got != want {
					t.Errorf("%d, want %d", got, want)
				}
			}
		})
	}
}

// TestAssertions: an assertion works once, and the scopes limit what the access
// token may do.
func TestAssertions(t *testing.T) {
	s := dialecttest.New(t, securid.New)
	k := known(t)(s)
	c := newClient(t, s, "one", record.RoleAdmin)
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {c.id}, "scope": {"rsa.authenticator.sidtoken.read"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {c.assertion(t, "a")},
	}
	token := access(t, s, form, http.StatusOK)
	if got := lookup(t, s, token); got != http.StatusOK {
		t.Errorf("reading: %d", got)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, "https://localhost/AdminInterface/restapi/v1/users/"+k["user"]+"/sidTokens/assign",
		strings.NewReader(`{"tokenSerialNumber": "000123456789"}`))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	if got := s.Do(r).StatusCode; got != http.StatusForbidden {
		t.Errorf("managing with the scope of reading: %d", got)
	}
	access(t, s, form, http.StatusUnauthorized) // the same assertion again
	for name, bad := range map[string]url.Values{
		"scope":     {"scope": {"everything"}, "client_assertion": {c.assertion(t, "b")}},
		"grant":     {"grant_type": {"password"}, "client_assertion": {c.assertion(t, "c")}},
		"assertion": {"client_assertion": {c.token(t)}},
		"client":    {"client_id": {"somebody"}, "client_assertion": {c.assertion(t, "d")}},
	} {
		all := maps.Clone(form)
		maps.Copy(all, bad)
		want := http.StatusBadRequest
		if name == "assertion" || name == "client" {
			want = http.StatusUnauthorized
		}
		access(t, s, all, want)
	}
}

func access(t testing.TB, s *dialecttest.Server, form url.Values, want int) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost/AdminInterface/restapi/oauth/token", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := s.Do(r)
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != want {
		t.Fatalf("%d, want %d: %s (%v)", answer.StatusCode, want, body, err)
	}
	var out struct {
		Token string `json:"access_token"`
	}
	require.NoError(t, json.Unmarshal(body, &out))
	return out.Token
}
