package entrust_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/provisioning/dialect/entrust"
	"vtoken/provisioning/oath"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// seed is that of RFC 4226, appendix D.
const seed = "12345678901234567890"

// known is what there is before an archive begins: an application, a user john,
// a hardware token without a holder, and a group.
func known(t testing.TB) func(s *dialecttest.Server) map[string]string {
	return func(s *dialecttest.Server) map[string]string {
		ctx, admin := t.Context(), provisioning.System("test")
		must := func(err error) {
			t.Helper()
			require.NoError(t, err)
		}
		k, key := s.NewCredential(provisioning.NewAPIKey{Name: "app", Kind: provisioning.SharedSecret})
		u, err := s.Core.CreateUser(ctx, admin, s.Tenant, "john")
		must(err)
		hard, err := s.Core.CreateToken(ctx, admin, provisioning.NewToken{
			Tenant: s.Tenant, Unassigned: true, Serial: "000123456", Kind: record.KindOTP, UserPIN: secret.Bytes("1234"),
			Product: record.Product{Model: "OATH_PHYSICAL_TOKEN", Hardware: true}, OTP: &provisioning.NewOTP{Seed: secret.Bytes(seed)},
		})
		must(err)
		group, err := s.Core.CreateGroup(ctx, admin, s.Tenant, "spare")
		must(err)
		return map[string]string{
			"application": k.ID, "secret": key, "user": string(u.ID), "hard": string(hard.ID), "group": string(group.ID),
			"session": session(t, s, k.ID, key),
		}
	}
}

func TestGolden(t *testing.T) { dialecttest.RunWith(t, entrust.New, known(t)) }

func TestBadInput(t *testing.T) {
	viewers := map[*dialecttest.Server]string{}
	dialecttest.BadInput(t, entrust.New, dialecttest.BadInputOptions{
		Accepted: map[string]string{
			"authenticate/none": "it asks for no session", "authenticate/wrong": "likewise", "authenticate/API key": "likewise",
		},
		Known:  known(t),
		Things: map[string]string{"userid": "user", "id": "user", "sernum": "serial", "groups": "group"},
		Counts: []string{"completeActivateTokenUsingPUT", "resetTokenUsingPUT", "assignTokenByIdUsingPUT", "assignTokenBySerialNumberUsingPUT"},
		Reads: []string{
			"assignedTokenPageUsingPOST", "unassignedTokenPageUsingPOST",
			"assignedTokenPageAsyncUsingPOST", "unassignedTokenPageAsyncUsingPOST", "authenticate",
		},
		Credentials: func(s *dialecttest.Server) []dialecttest.BadCredential {
			set := func(value string) func(*http.Request) {
				return func(r *http.Request) { r.Header.Set("Authorization", value) }
			}
			if viewers[s] == "" {
				viewer, key := s.NewCredential(provisioning.NewAPIKey{Name: "viewer", Kind: provisioning.SharedSecret, Role: record.RoleView})
				viewers[s] = session(t, s, viewer.ID, key)
			}
			return []dialecttest.BadCredential{
				{Name: "none", Spoil: func(r *http.Request) { r.Header.Del("Authorization") }},
				{Name: "wrong", Spoil: set("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")},
				{Name: "API key", Spoil: set(s.Key)},
				{Name: "viewer", Writes: true, Spoil: set(viewers[s])},
			}
		},
	})
}

// TestUnlock: the code of a challenge is eight digits, always the same, and the
// tries of the PIN begin anew.
func TestUnlock(t *testing.T) {
	s := dialecttest.New(t, entrust.New)
	k := known(t)(s)
	s.Store.Tries(record.TokenID(k["hard"]), pin.User, 10)
	var codes []string
	for range 2 {
		codes = append(codes, unlockCode(t, s, k, "4711"))
	}
	if len(codes[0]) != 8 || codes[0] != codes[1] || unlockCode(t, s, k, "4712") == codes[0] {
		t.Errorf("codes %v", codes)
	}
	got, err := s.Core.Token(t.Context(), provisioning.System("test"), provisioning.TokenRef{ID: record.TokenID(k["hard"])})
	if err != nil || got.UserPIN.Locked {
		t.Errorf("the PIN is still locked (%v)", err)
	}
}

// TestNoParms: no parameters are all types and a picture, empty ones all types and
// none, and the seed leaves once.
func TestNoParms(t *testing.T) {
	s := dialecttest.New(t, entrust.New)
	k := known(t)(s)
	for body, picture := range map[string]bool{"": true, "{}": false} {
		var made struct{ ID, State string }
		ask(t, s, k["session"], http.MethodPost, "users/"+k["user"]+"/tokens/GOOGLE_AUTHENTICATOR", body, 200, &made)
		var out struct{ ActivationCode, ActivationURL, ActivationOnlineURL, ActivationQRCode string }
		ask(t, s, k["session"], http.MethodPost, "tokens/"+made.ID+"/activation", body, 200, &out)
		if made.State != "ACTIVATING" || out.ActivationCode == "" || out.ActivationURL == "" || (out.ActivationQRCode != "") != picture {
			t.Errorf("body %q: state %s, code %v, link %v, picture %v", body, made.State, out.ActivationCode != "", out.ActivationURL != "", out.ActivationQRCode != "")
		}
		if out.ActivationOnlineURL != out.ActivationURL {
			t.Errorf("body %q: the link of ONLINE is %q", body, out.ActivationOnlineURL)
		}
		out.ActivationURL = ""
		ask(t, s, k["session"], http.MethodPost, "tokens/"+made.ID+"/activation", body, 200, &out)
		if out.ActivationURL != "" {
			t.Error("the seed left twice")
		}
	}
}

// TestGoogleSecret: a token that comes with its seed is in use at once.
func TestGoogleSecret(t *testing.T) {
	s := dialecttest.New(t, entrust.New)
	k := known(t)(s)
	path := "users/" + k["user"] + "/tokens/"
	var made struct{ State string }
	ask(t, s, k["session"], http.MethodPost, path+"GOOGLE_AUTHENTICATOR", `{"activateParms": {"secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}}`, 200, &made)
	if made.State != "ACTIVE" {
		t.Errorf("state %s", made.State)
	}
	for path, secret := range map[string]string{path + "ENTRUST_SOFT_TOKEN": "GEZDGNBVGY3TQOJQ", path + "GOOGLE_AUTHENTICATOR": "GEZDGNBV"} {
		ask(t, s, k["session"], http.MethodPost, path, `{"activateParms": {"secret": "`+secret+`"}}`, 400, nil)
	}
	ask(t, s, k["session"], http.MethodPost, path+"OATH_PHYSICAL_TOKEN", "{}", 400, nil)
}

// TestSecretAtActivation: a token whose activation begins with the app's seed makes
// the passwords of that seed, and is in use.
func TestSecretAtActivation(t *testing.T) {
	s := dialecttest.New(t, entrust.New)
	k := known(t)(s)
	const body = `{"secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}`
	var made, soft struct{ ID, SerialNumber, State string }
	ask(t, s, k["session"], http.MethodPost, "users/"+k["user"]+"/tokens/GOOGLE_AUTHENTICATOR", "", 200, &made)
	ask(t, s, k["session"], http.MethodPost, "users/"+k["user"]+"/tokens/ENTRUST_SOFT_TOKEN", "", 200, &soft)
	ask(t, s, k["session"], http.MethodPost, "tokens/"+soft.ID+"/activation", body, 400, nil)
	ask(t, s, k["session"], http.MethodPost, "tokens/"+made.ID+"/activation", `{"secret": "GEZDGNBV"}`, 400, nil)
	var out struct{ SerialNumber, ActivationCode, ActivationURL string }
	ask(t, s, k["session"], http.MethodPost, "tokens/"+made.ID+"/activation", body, 200, &out)
	if out.SerialNumber != made.SerialNumber || out.ActivationCode+out.ActivationURL != "" {
		t.Errorf("the answer is %+v", out)
	}
	ask(t, s, k["session"], http.MethodGet, "tokens/"+made.ID, "", 200, &made)
	if made.State != "ACTIVE" {
		t.Errorf("state %s", made.State)
	}
	code, err := oath.Key{Seed: secret.Bytes(seed), Hash: oath.SHA1, Digits: 6}.Code(uint64(time.Now().Unix() / 30))
	require.NoError(t, err)
	ref := provisioning.TokenRef{ID: record.TokenID(made.ID)}
	if _, err := s.Core.VerifyOTP(t.Context(), provisioning.System("test"), ref, provisioning.Code{Text: code}); err != nil {
		t.Errorf("the password of the new seed: %v", err)
	}
	ask(t, s, k["session"], http.MethodPost, "tokens/"+made.ID+"/activation", body, 409, nil)
}

// TestWebSession: half of the token is in a cookie, and neither half is enough.
func TestWebSession(t *testing.T) {
	s := dialecttest.New(t, entrust.New)
	app, key := s.NewCredential(provisioning.NewAPIKey{Name: "web", Kind: provisioning.SharedSecret})
	var out struct{ AuthToken string }
	header := ask(t, s, "", http.MethodPost, "adminapi/authenticate", `{"applicationId": "`+app.ID+`", "sharedSecret": "`+key+`", "enableWebSession": true}`, 200, &out)
	cookie := (&http.Response{Header: header}).Cookies()[0]
	path := "https://localhost/api/web/v1/tokens/sernum/none"
	for name, want := range map[string]int{"both": 404, "header": 401, "cookie": 401} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		require.NoError(t, err)
		if name != "cookie" {
			r.Header.Set("Authorization", out.AuthToken)
		}
		if name != "header" {
			r.AddCookie(cookie)
		}
		if got := s.Do(r); got.StatusCode != want {
			t.Errorf("%s: %d, want %d", name, got.StatusCode, want)
		}
	}
}
