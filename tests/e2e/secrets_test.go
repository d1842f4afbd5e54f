package e2e

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSecretsLeaveOnce has each API hand out what it hands out, takes it in again, and
// looks for it where it must not be: in the log, in the audit log, in the data folder
// and in the listings.
func TestSecretsLeaveOnce(t *testing.T) {
	t.Parallel()
	d, v := withVendors(t, "--log-level", "debug")
	require.NoError(t, d.NewUser("alice"))
	v.entrustSecrets()
	v.surepassidSecrets()
	v.dualshieldSecrets()
	v.refusedSecrets()
	require.GreaterOrEqual(t, len(v.secrets), 25, "secrets to look for")
	told := map[string]string{
		"the listing of API keys": vtoken(t, d, "apikey", "list", "-o", "json"),
		"the listing of tokens":   vtoken(t, d, "token", "search", "-o", "json"),
		"the audit log":           vtoken(t, d, "audit", "tail", "-n", "1000", "-o", "json"),
	}
	require.NoError(t, d.Stop())
	told["the log"] = d.Log()
	for where, text := range told {
		if len(text) < 500 {
			t.Errorf("%s is short: %s", where, text)
		}
		find(t, where, []byte(text), v.secrets)
	}
	require.NoError(t, filepath.WalkDir(d.DataDir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		find(t, path, content, v.secrets)
		return err
	}))
}

// keep remembers a secret that was handed out.
func (v *vendors) keep(name string, value any) string {
	v.t.Helper()
	text, ok := value.(string)
	require.True(v.t, ok, "the %s is %v", name, value)
	require.GreaterOrEqual(v.t, len(text), 8, "the %s is %v", name, value)
	v.secrets[name] = []byte(text)
	return text
}

// keepSeed remembers a seed in the forms that APIs have for it.
func (v *vendors) keepSeed(name string, seed []byte) {
	v.keep(name, string(seed))
	v.keep(name+" in base32", base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(seed))
}

// keepURI remembers an otpauth:// URI and the seed in it.
func (v *vendors) keepURI(name string, value any) {
	v.t.Helper()
	uri, err := url.Parse(v.keep(name, value))
	require.NoError(v.t, err)
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(uri.Query().Get("secret"))
	require.NoError(v.t, err)
	v.keepSeed("seed of the "+name, seed)
}

// keepPicture remembers the middle of a picture: all pictures begin alike.
func (v *vendors) keepPicture(name string, value any) {
	v.t.Helper()
	text := v.keep(name, value)
	v.secrets[name] = []byte(text[200:264])
}

func (v *vendors) entrustSecrets() {
	const seed = "Canary-Seed-of-Entrust"
	v.keepSeed("seed for Entrust", []byte(seed))
	v.entrust(http.MethodPost, "users/"+v.user("alice")+"/tokens/GOOGLE_AUTHENTICATOR",
		map[string]any{"activateParms": map[string]any{"secret": base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(seed))}})
	id := v.entrust(http.MethodPost, "users/"+v.user("alice")+"/tokens/ENTRUST_SOFT_TOKEN", map[string]any{})["id"].(string)
	got := v.entrust(http.MethodPost, "tokens/"+id+"/activation", map[string]any{"returnQRCode": true})
	v.keepURI("activation URL", got["activationURL"])
	v.keepPicture("activation QR code", got["activationQRCode"])
	code := v.keep("activation code of Entrust", got["activationCode"])
	v.entrust(http.MethodPut, "tokens/"+id+"/activation", map[string]any{"registrationCode": code})
	v.dualshield("tokenAssignment/set", slotToken{id: id, user: v.user("alice")}.assignment(map[string]any{"pin": v.keep("PIN", "90817263544")}))
	v.keep("unlock code", v.entrust(http.MethodPut, "tokens/"+id+"/unlock", map[string]any{"unlockChallenge": "4711"})["unlockCode"])
}

func (v *vendors) surepassidSecrets() {
	const seed = "Canary-Seed-of-SurePassID"
	v.keepSeed("seed for SurePassID", []byte(seed))
	v.surepassid("add_oath_device", map[string]any{"username": "alice", "secretKeyHex": hex.EncodeToString([]byte(seed)), "psn": "brought"})
	id := v.surepassid("add_oath_device", map[string]any{"username": "alice"})["deviceId"]
	got := v.surepassid("provision_oath_device", map[string]any{"username": "alice", "deviceId": id, "physicalDeviceId": "phone"})
	made, err := hex.DecodeString(v.keep("secret key", got["secretKeyHex"]))
	require.NoError(v.t, err)
	v.keepSeed("seed of SurePassID", made)
	id = v.surepassid("add_oath_device", map[string]any{"username": "alice"})["deviceId"]
	got = v.surepassid("get_oath_device_qrcode", map[string]any{"username": "alice", "deviceId": id, "accountName": "alice"})
	v.keepPicture("QR code of SurePassID", got["QRCodeURL"])
}

func (v *vendors) dualshieldSecrets() {
	const seed = "Canary-Seed-of-DualShield"
	v.keepSeed("seed for DualShield", []byte(seed))
	xml := fmt.Sprintf("<data><header><manufacturerCode>DN</manufacturerCode><productCode>SE</productCode><encode>BASE64</encode><encrypt>NONE</encrypt><digits>6</digits></header>"+
		"<tokens><token><serial>imported</serial><seed>%s</seed></token></tokens></data>", base64.StdEncoding.EncodeToString([]byte(seed)))
	v.dualshield("token/import", map[string]any{"attrs": map[string]any{"data": xml}})
	got := v.dualshield("token/create", map[string]any{"attrs": map[string]any{"product.id": "DN/MT", "user": map[string]any{"loginName": "alice"}}, "return": []string{"serial"}})
	made := got["result"].(map[string]any)
	part := map[string]any{"id": made["id"].(string) + "." + v.user("alice")}
	token := map[string]any{"token": map[string]any{"serial": made["serial"]}}
	v.keepPicture("QR code of DualShield", v.dualshield("tokenAssignment/getTokenQRCode", part)["result"])
	v.dualshield("token/release", token)
	v.keepURI("download URL", v.dualshield("token/getDownloadUrl", token)["result"].(map[string]any)["url"])
	code := v.keep("activation code of DualShield", v.dualshield("tokenAssignment/sendActivationCode", part)["result"].(map[string]any)["activationCode"])
	v.dualshield("tokenAssignment/activate", map[string]any{"id": part["id"], "code": code})
}

// refusedSecrets sends secrets in requests that are refused, whose errors go to the log.
func (v *vendors) refusedSecrets() {
	for i, row := range []struct{ method, path, kind, auth, body string }{
		{"POST", "/api/web/v1/adminapi/authenticate", "application/json", "", `{"applicationId": "nobody", "sharedSecret": "%s"}`},
		{"POST", "/api/web/v1/adminapi/authenticate", "application/json", "", `{"sharedSecret": "%s`},
		{"GET", "/api/web/v1/tokens/" + v.user("alice"), "application/json", "%s", ""},
		{"POST", "/api/web/v1/users/" + v.user("alice") + "/tokens/GOOGLE_AUTHENTICATOR", "application/json", v.auth["entrust"], `{"activateParms": {"secret": "%s"}}`},
		{"PUT", "/api/web/v1/tokens/" + v.user("alice") + "/activation", "application/json", v.auth["entrust"], `{"registrationCode": "%s"}`},
		{"POST", "/AuthServer/REST/U2F/U2FServer.aspx", "application/json", "", `{"type": "find_device", "spAccountLoginName": "nobody", "spAccountLoginKey": "%s"}`},
		{"POST", "/AdminInterface/restapi/v1/sidTokens/lookup", "application/json", "Bearer %s", `{}`},
		{"POST", "/AdminInterface/restapi/oauth/token", "application/x-www-form-urlencoded", "", "grant_type=client_credentials&client_assertion=%s"},
		{"POST", "/das5/rest/oauth/token", "application/x-www-form-urlencoded", "", "grant_type=client_credentials&client_id=nobody&client_secret=%s"},
		{"POST", "/das5/rest/token/create", "application/json", v.auth["dualshield"], `{"attrs": {"product.id": "DN/MT", "pin": ["%s"]}}`},
		{"POST", "/das5/rest/token/import", "application/json", v.auth["dualshield"], `{"attrs": {"data": "<data><header><encode>HEX</encode></header><tokens><token><serial>1</serial><seed>%s</seed></token></tokens></data>"}}`},
		{"POST", "/das5/rest/tokenAssignment/activate", "application/json", v.auth["dualshield"], `{"id": "x", "code": "%s"}`},
	} {
		canary := v.keep(fmt.Sprintf("secret of refused request %d", i), fmt.Sprintf("Canary-Refused-%02d", i))
		fill := strings.NewReplacer("%s", canary)
		status, answer := v.ask(row.method, row.path, row.kind, fill.Replace(row.auth), fill.Replace(row.body))
		if status == http.StatusOK && strings.Contains(string(answer), `"error":0`) || strings.Contains(string(answer), canary) {
			v.t.Errorf("%s %s: %d %s", row.method, row.path, status, answer)
		}
	}
}
