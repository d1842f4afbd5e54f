package dualshield_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/provisioning/dialect/dualshield"
	"vtoken/vtoken/record"
)

// known is what there is before an archive begins: an agent, the users john.smith
// and mary of domain.com.
func known(t testing.TB) func(s *dialecttest.Server) map[string]string {
	return func(s *dialecttest.Server) map[string]string {
		ctx, admin := t.Context(), provisioning.System("test")
		s.Succeeds = succeeds
		out := map[string]string{}
		domain := "domain.com"
		for name, login := range map[string]string{"john": "john.smith", "mary": "mary"} {
			u, err := s.Core.CreateUser(ctx, admin, s.Tenant, login)
			if err == nil {
				_, err = s.Core.ChangeUser(ctx, admin, s.Tenant, login, provisioning.UserChange{Domain: &domain})
			}
			require.NoError(t, err)
			out[name] = string(u.ID)
		}
		k, key := s.NewCredential(provisioning.NewAPIKey{Name: "own", Kind: provisioning.SharedSecret})
		out["client"], out["secret"], out["access"] = k.ID, key, access(t, s, record.RoleAdmin)
		return out
	}
}

func TestGolden(t *testing.T) { dialecttest.RunWith(t, dualshield.New, known(t)) }

func TestBadInput(t *testing.T) {
	viewers := map[*dialecttest.Server]string{}
	dialecttest.BadInput(t, dualshield.New, dialecttest.BadInputOptions{
		Known: known(t),
		Accepted: map[string]string{
			"accessToken/none": "it asks for no access token", "accessToken/wrong": "likewise", "accessToken/API key": "likewise",
		},
		Counts: []string{"syncToken", "activateAssignment"},
		Reads:  []string{"getToken", "searchTokens", "getAssignment", "searchAssignments", "accessToken", "retrieveCredential"},
		Credentials: func(s *dialecttest.Server) []dialecttest.BadCredential {
			set := func(value string) func(*http.Request) {
				return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+value) }
			}
			if viewers[s] == "" {
				viewers[s] = access(t, s, record.RoleView)
			}
			return []dialecttest.BadCredential{
				{Name: "none", Spoil: func(r *http.Request) { r.Header.Del("Authorization") }},
				{Name: "wrong", Spoil: set("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")},
				{Name: "API key", Spoil: set(s.Key)},
				{Name: "viewer", Writes: true, Spoil: set(viewers[s])},
			}
		},
		Refused: refused,
	})
}

// succeeds reads the envelope: a success has no error, or is an access token.
func succeeds(_ int, body []byte) bool {
	var out struct {
		Error any
		Token string `json:"access_token"`
	}
	return json.Unmarshal(body, &out) == nil && (out.Error == float64(0) || out.Error == nil && out.Token != "")
}

// refused reads the envelope: an error has a number, whatever the status.
func refused(_ dialecttest.Class, status int, _ http.Header, body []byte) error {
	var out struct{ Error any }
	if err := json.Unmarshal(body, &out); err != nil {
		return fmt.Errorf("the answer is no envelope: %w", err)
	}
	if succeeds(status, body) {
		return fmt.Errorf("the answer is a success (status %d)", status)
	}
	return nil
}

// The spellings of the vendor's examples are all understood.
func TestSpellings(t *testing.T) {
	s := dialecttest.New(t, dualshield.New)
	k := known(t)(s)
	for _, attrs := range []string{
		`[{"product.id": "DN/MT", "user.id": "JOHN", "pin": "1234"}]`,
		`{"product": {"manufacturerCode": "DN", "productCode": "MT"}, "user": {"domain.name": "domain.com", "loginNam": "john.smith"}, "pin": 1234}`,
		`{"product.manufacturerCode": "DN", "product.productCode": "MT", "user": {"domain": {"name": "DOMAIN.COM"}, "loginName": "john.smith"}}`,
		`[{"product": {"id": "DN/MT"}, "user": [{"id": "JOHN"}]}]`,
	} {
		got := call(t, s, k["access"], "token/create", `{"attrs": `+strings.ReplaceAll(attrs, "JOHN", k["john"])+`}`, 0)
		if got["id"] == nil {
			t.Errorf("%s: %v", attrs, got)
		}
	}
	for body, want := range map[string]int{
		`{"attrs": {"product.id": "DN/XX"}}`:                                                              4,
		`{"attrs": {"product.id": "DN/MT", "user.id": "nobody"}}`:                                         101,
		`{"attrs": {"product.id": "DN/MT", "user": {"loginName": "john.smith", "domain.name": "other"}}}`: 101,
		`{"attrs": {"product.id": "DN/MT", "color": "red"}}`:                                              4,
		`{"attrs": "x"}`: 4, `[]`: 4, `null`: 4,
	} {
		call(t, s, k["access"], "token/create", body, want)
	}
	for _, match := range []string{`[["user.loginName", "=", "john.smith"]]`, `["user.id", "=", "JOHN"]`, `[{"user.id": "JOHN"}]`, `{"product.id": "DN/MT"}`} {
		got := call(t, s, k["access"], "token/search", `{"match": `+strings.ReplaceAll(match, "JOHN", k["john"])+`, "max": 2, "offset": 1, "sort": ["serial"], "order": "desc", "return": ["*", "users"]}`, 0)
		if got["total"] != float64(4) || len(got["rows"].([]any)) != 2 {
			t.Errorf("%s: %v", match, got)
		}
	}
}

// What a seed file says is imported as a whole or not at all, at 10,000 rows.
func TestImportMany(t *testing.T) {
	s := dialecttest.New(t, dualshield.New)
	k := known(t)(s)
	file := func(n int, last string) string {
		var b strings.Builder
		b.WriteString("<data><header><manufacturerCode>DN</manufacturerCode><productCode>ST</productCode><encode>HEX</encode><encrypt>NONE</encrypt>" +
			"<digits>6</digits><timeWindow>60</timeWindow><crypto>HmacSHA1</crypto></header><tokens>")
		for i := range n {
			fmt.Fprintf(&b, "<token><serial>%08d</serial><seed>3132333435363738393031323334353637383930</seed></token>", i)
		}
		b.WriteString(last + "</tokens></data>")
		text, _ := json.Marshal(b.String())
		return `{"attrs": {"product.id": "DN/ST", "repository.id": "store", "data": ` + string(text) + `}, "return": ["serial"]}`
	}
	call(t, s, k["access"], "token/import", file(3, "<token><serial>x</serial><seed>zz</seed></token>"), 4)
	if got := call(t, s, k["access"], "token/search", `{}`, 0); got["total"] != float64(0) {
		t.Errorf("a refused file left %v tokens", got["total"])
	}
	got := call(t, s, k["access"], "token/import", file(10_000, ""), 0)
	if got["total"] != float64(10_000) {
		t.Errorf("imported %v", got["total"])
	}
}
