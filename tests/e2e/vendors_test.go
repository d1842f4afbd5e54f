package e2e

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// vendors calls a daemon by the APIs of several vendors, as one administrator each.
type vendors struct {
	t       *testing.T
	d       *harness.Daemon
	c       *http.Client
	auth    map[string]string // the value of Authorization
	account map[string]string // of SurePassID
	// secrets are what the daemon gave out, by name, which it is to tell nobody else.
	secrets map[string][]byte
}

// withVendors starts a daemon with the APIs and makes a credential of each.
func withVendors(t *testing.T, flags ...string) (*harness.Daemon, *vendors) {
	t.Helper()
	d := start(t, append(flags, "--dialect", "idprime", "--dialect", "entrust", "--dialect", "surepassid", "--dialect", "securid", "--dialect", "dualshield")...)
	v := &vendors{t: t, d: d, c: overTLS(t, d), auth: map[string]string{}, secrets: map[string][]byte{}}
	key := vtoken(t, d, "apikey", "create", "idprime-admin", "--role", "admin")
	v.auth["idprime"], v.secrets["API key"] = key, []byte(key)
	app := v.credential("entrust")
	v.secrets["shared secret"] = []byte(app["sharedSecret"])
	v.auth["entrust"] = v.entrust(http.MethodPost, "adminapi/authenticate",
		map[string]any{"applicationId": app["applicationId"], "sharedSecret": app["sharedSecret"]})["authToken"].(string)
	v.auth["securid"] = "Bearer " + v.signed(v.credential("securid"))
	v.account = v.credential("surepassid")
	v.secrets["account key"] = []byte(v.account["spAccountLoginKey"])
	agent := v.credential("dualshield")
	v.secrets["client secret"] = []byte(agent["client_secret"])
	got := v.send(http.MethodPost, "/das5/rest/oauth/token", "application/x-www-form-urlencoded", "", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {agent["client_id"]}, "client_secret": {agent["client_secret"]}}.Encode())
	v.auth["dualshield"] = "Bearer " + got["access_token"].(string)
	for name, value := range v.auth {
		v.secrets["what proves a caller of "+name] = []byte(strings.TrimPrefix(value, "Bearer "))
	}
	return d, v
}

func (v *vendors) credential(dialect string) (out map[string]string) {
	v.t.Helper()
	require.NoError(v.t, json.Unmarshal([]byte(vtoken(v.t, v.d, "apikey", "create", dialect+"-admin", "--dialect", dialect, "--role", "admin", "-o", "json")), &out))
	return out
}

// signed is a JSON Web Token as the clients of SecurID sign it.
func (v *vendors) signed(file map[string]string) string {
	v.t.Helper()
	block, _ := pem.Decode([]byte(file["accessKey"]))
	v.secrets["access key"] = []byte(base64.StdEncoding.EncodeToString(block.Bytes)[64:124])
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	require.NoError(v.t, err)
	claims, err := json.Marshal(map[string]any{"sub": file["accessID"], "aud": file["adminRestApiUrl"], "iat": time.Now().Unix(), "exp": time.Now().Unix() + 3600})
	require.NoError(v.t, err)
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"RS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	require.NoError(v.t, err)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (v *vendors) entrust(method, path string, body any) map[string]any {
	v.t.Helper()
	return v.json(method, "/api/web/v1/"+path, "entrust", body)
}

func (v *vendors) securid(method, path string, body any) map[string]any {
	v.t.Helper()
	return v.json(method, "/AdminInterface/restapi/"+path, "securid", body)
}

// dualshield is a call that succeeds.
func (v *vendors) dualshield(path string, body any) map[string]any {
	v.t.Helper()
	got := v.json(http.MethodPost, "/das5/rest/"+path, "dualshield", body)
	require.Equal(v.t, 0.0, got["error"], "%s: %v", path, got)
	return got
}

// surepassid is a call that succeeds.
func (v *vendors) surepassid(method string, body map[string]any) map[string]any {
	v.t.Helper()
	body["type"] = method
	for name, value := range v.account {
		body[name] = value
	}
	got := v.json(http.MethodPost, "/AuthServer/REST/U2F/U2FServer.aspx", "", body)
	require.Equal(v.t, 0.0, got["errorCode"], "%s: %v", method, got)
	return got
}

func (v *vendors) json(method, path, dialect string, body any) map[string]any {
	v.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(v.t, err)
	return v.send(method, path, "application/json", v.auth[dialect], string(text))
}

// send makes a call that succeeds and returns its answer, nil where that is no
// object.
func (v *vendors) send(method, path, kind, auth, body string) (out map[string]any) {
	v.t.Helper()
	status, text := v.ask(method, path, kind, auth, body)
	require.Less(v.t, status, http.StatusMultipleChoices, "%s %s: %s", method, path, text)
	_ = json.Unmarshal(text, &out) // a text, or nothing, is no object
	return out
}

// ask makes a call, whatever comes of it.
func (v *vendors) ask(method, path, kind, auth, body string) (status int, answer []byte) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.d.API+path, strings.NewReader(body))
	require.NoError(v.t, err)
	r.Header.Set("Content-Type", kind)
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	got, err := v.c.Do(r)
	require.NoError(v.t, err)
	defer got.Body.Close()
	answer, err = io.ReadAll(got.Body)
	require.NoError(v.t, err)
	return got.StatusCode, answer
}

// user is the id of a user.
func (v *vendors) user(login string) string {
	v.t.Helper()
	var users []struct{ ID, Login string }
	require.NoError(v.t, json.Unmarshal([]byte(vtoken(v.t, v.d, "user", "list", "-o", "json")), &users))
	for _, u := range users {
		if u.Login == login {
			return u.ID
		}
	}
	require.FailNow(v.t, "there is no user "+login)
	return ""
}
