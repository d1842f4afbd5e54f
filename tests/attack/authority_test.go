package attack

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
)

// residentApplication is an application that stays: it logs in to its one token, makes a
// key, and for each line that it reads signs in the same session and tells what it sees.
func residentApplication(args []string) error {
	c, err := client()
	if err != nil {
		return err
	}
	defer c.Close()
	h, key, err := residentKey(c, []byte(args[0]))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		slots, err := c.GetSlotList(true)
		if err != nil {
			return err
		}
		if err = c.SignInit(h, &ck.Mechanism{Type: ck.CKM_ECDSA}, key); err == nil {
			_, err = c.Sign(h, make([]byte, 32), remote.Out{To: make([]byte, 64)})
		}
		fmt.Println(slots, ck.CodeOf(err))
	}
	return nil
}

// residentKey makes a key on the one token that this process sees.
func residentKey(c *remote.Client, pin []byte) (ck.SessionHandle, ck.ObjectHandle, error) {
	slots, err := c.GetSlotList(true)
	if err != nil {
		return 0, 0, err
	}
	if len(slots) != 1 {
		return 0, 0, fmt.Errorf("there are %d slots, not one", len(slots))
	}
	h, err := c.OpenSession(slots[0], ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	if err != nil {
		return 0, 0, err
	}
	if err := c.Login(h, ck.CKU_USER, pin); err != nil {
		return 0, 0, err
	}
	p256 := []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	_, key, err := c.GenerateKeyPair(h, &ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN},
		ck.Template{{Type: ck.CKA_EC_PARAMS, Value: p256}, ck.Bool(ck.CKA_TOKEN, true)}, ck.Template{ck.Bool(ck.CKA_TOKEN, true), ck.Bool(ck.CKA_SIGN, true)})
	return h, key, err
}

// slotsAttacker tells the slots of this process.
func slotsAttacker([]string) error {
	c, err := client()
	if err != nil {
		return err
	}
	defer c.Close()
	slots, err := c.GetSlotList(true)
	if err == nil {
		fmt.Println(len(slots))
	}
	return err
}

// tenantAPI is somebody with a credential, far away.
type tenantAPI struct {
	http          *http.Client
	url           string
	authorization string
}

func newTenantAPI(t *testing.T, d *harness.Daemon, authorization string) tenantAPI {
	t.Helper()
	text, err := os.ReadFile(d.CA)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(c.CloseIdleConnections)
	return tenantAPI{c, d.API, authorization}
}

// ask makes a request, of JSON or of a form.
func (a tenantAPI) ask(t *testing.T, method, path string, body any) (status int, answer map[string]any) {
	t.Helper()
	text, kind := []byte(nil), "application/json"
	if form, ok := body.(url.Values); ok {
		text, kind = []byte(form.Encode()), "application/x-www-form-urlencoded"
	} else if body != nil {
		var err error
		text, err = json.Marshal(body)
		require.NoError(t, err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, a.url+path, bytes.NewReader(text))
	require.NoError(t, err)
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", a.authorization)
	got, err := a.http.Do(r)
	require.NoError(t, err)
	defer got.Body.Close()
	text, err = io.ReadAll(got.Body)
	require.NoError(t, err)
	if len(text) > 0 && text[0] == '{' {
		require.NoError(t, json.Unmarshal(text, &answer), string(text))
	}
	return got.StatusCode, answer
}

// tenantKey makes an API key of a tenant.
func tenantKey(t *testing.T, d *harness.Daemon, tenant, role string) tenantAPI {
	t.Helper()
	key, err := d.Vtoken("apikey", "create", tenant+" "+role, "--tenant", tenant, "--role", role)
	require.NoError(t, err)
	return newTenantAPI(t, d, "Bearer "+key)
}

// systemUser is the uid of an OS user that every Debian has and that runs nothing here.
func systemUser(t *testing.T, name string) uint32 {
	t.Helper()
	u, err := user.Lookup(name)
	require.NoError(t, err)
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	require.NoError(t, err)
	return uint32(uid)
}

// TestNobodyTakesAnotherTenantsUsers: the administrators of two tenants try to have the
// OS users of others act for users of their own. A process that signs all the while
// keeps its session, its slots and its key.
func TestNobodyTakesAnotherTenantsUsers(t *testing.T) {
	t.Parallel()
	d := start(t)
	_, err := d.Vtoken("tenant", "create", "sales")
	require.NoError(t, err)
	_, err = d.NewTokenFor("games", "card-of-games", harness.PIN, harness.SOPIN) // by name
	require.NoError(t, err)
	newToken(t, d, "alice", alice, "card-of-alice")
	byName := launch(t, d, systemUser(t, "games"), "resident", harness.PIN)
	byMap := launch(t, d, alice, "resident", harness.PIN)
	said := map[*attacker]string{}
	for _, a := range []*attacker{byName, byMap} {
		require.Equal(t, "ready", a.line(t))
		a.tell(t, "?")
		said[a] = a.line(t)
		require.Contains(t, said[a], "CKR_OK")
	}
	same := func(what string) {
		t.Helper()
		for a, want := range said {
			a.tell(t, "?")
			require.Equal(t, want, a.line(t), what)
		}
	}
	games := fmt.Sprintf("#%d", systemUser(t, "games"))
	others := []string{"games", games, "root", "#0", fmt.Sprintf("#%d", alice), fmt.Sprintf("#0%d", alice)}
	for _, tenant := range []string{"sales", "default"} {
		admin := tenantKey(t, d, tenant, "admin")
		status, answer := admin.ask(t, "POST", "/v1/users", map[string]any{"login": "mallory"})
		require.Equal(t, 201, status, answer)
		status, answer = admin.ask(t, "POST", "/v1/tokens", map[string]any{"user": "mallory", "userPin": harness.PIN, "complete": true})
		require.Equal(t, 201, status, answer)
		for _, name := range others {
			status, answer := admin.ask(t, "POST", "/v1/users", map[string]any{"login": "for " + name, "osUsers": []string{name}})
			require.Equal(t, 403, status, "%s: %v", name, answer)
			status, answer = admin.ask(t, "PATCH", "/v1/users/mallory", map[string]any{"osUsers": []string{name}})
			require.Equal(t, 403, status, "%s: %v", name, answer)
			same(tenant + " and " + name)
		}
		status, answer = admin.ask(t, "PATCH", "/v1/users/mallory", map[string]any{"aliases": []string{"daemon"}})
		require.Equal(t, 200, status, answer)
		status, answer = admin.ask(t, "PATCH", "/v1/tenants/"+tenant, map[string]any{"osUsers": []string{"*"}})
		require.Equal(t, 403, status, answer)
	}
	out, err := run(t, d, systemUser(t, "daemon"), "slots")
	require.NoError(t, err)
	require.Equal(t, "0\n", out, "an alias maps somebody")
	// A policy for all does not give away who belongs to another tenant.
	_, err = d.Vtoken("tenant", "policy", "sales", "--os-users", "*,root")
	require.NoError(t, err)
	sales := newTenantAPI(t, d, "")
	sales.authorization = tenantKey(t, d, "sales", "manage+view").authorization
	for _, name := range others {
		status, answer := sales.ask(t, "PATCH", "/v1/users/mallory", map[string]any{"osUsers": []string{name}})
		require.Equal(t, 403, status, "%s: %v", name, answer)
	}
	same("a policy for all")
	// The machine's administrator may have both show. Nothing is taken away by that, nor
	// when the other user is disabled.
	_, err = d.Vtoken("user", "map", "mallory", "--tenant", "sales", "--os-user", "games", "--os-user", fmt.Sprintf("#%d", alice))
	require.NoError(t, err)
	for a, before := range said {
		a.tell(t, "?")
		line := a.line(t)
		require.Contains(t, line, "CKR_OK")
		require.NotEqual(t, before, line)
	}
	_, err = d.Vtoken("user", "disable", "mallory", "--tenant", "sales")
	require.NoError(t, err)
	same("a user who is mapped besides is disabled")
}

// TestNoMapByName: an administrator of the default tenant makes users that are named
// like OS users, in the ways that there are. They act for nobody, unless the policy of
// the tenant says so.
func TestNoMapByName(t *testing.T) {
	t.Parallel()
	d := start(t, "--dialect", "idprime")
	tenant, err := d.Tenant()
	require.NoError(t, err)
	admin := tenantKey(t, d, "default", "admin")
	make := func(login string) {
		t.Helper()
		status, answer := admin.ask(t, "POST", "/v1/users", map[string]any{"login": login})
		require.Equal(t, 201, status, answer)
		status, answer = admin.ask(t, "POST", "/v1/tokens", map[string]any{"user": login, "userPin": harness.PIN, "complete": true})
		require.Equal(t, 201, status, answer)
	}
	sees := func(name, slots string) {
		t.Helper()
		out, err := run(t, d, systemUser(t, name), "slots")
		require.NoError(t, err)
		require.Equal(t, slots+"\n", out, name)
	}
	make("daemon")
	sees("daemon", "0")
	// The user that IDPrime makes along the way.
	base := "/IDPrimeVirtual/Provisioning/V2.0/Tenants/" + tenant + "/Users/games/Tokens"
	status, answer := admin.ask(t, "POST", base, nil)
	require.Equal(t, 200, status, answer)
	list, err := d.Vtoken("token", "list", "--user", "games", "-o", "json")
	require.NoError(t, err)
	var tokens []struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(list), &tokens))
	require.Len(t, tokens, 1)
	for _, step := range []string{"/Role/User/ResetPin", "/Complete"} {
		method, body := "PUT", any(nil)
		if step != "/Complete" {
			method, body = "POST", harness.PIN
		}
		status, answer = admin.ask(t, method, base+"/"+tokens[0].ID+step, body)
		require.Less(t, status, 300, "%s: %v", step, answer)
	}
	sees("games", "0")
	_, err = d.Vtoken("tenant", "policy", "default", "--os-users", "bin")
	require.NoError(t, err)
	make("bin")
	sees("bin", "1")
	make("sys")
	sees("sys", "0")
	// The quick start: the machine's administrator names anybody.
	_, err = d.NewTokenFor("mail", "card-of-mail", harness.PIN, harness.SOPIN)
	require.NoError(t, err)
	sees("mail", "1")
	_, err = d.Vtoken("user", "map", "daemon", "--default")
	require.NoError(t, err)
	sees("daemon", "1")
}

// TestKeysStayInTheirHands: credentials of role edit, of every dialect, try to leave
// alice's keys and PIN to mallory. Mallory never sees the card, and alice gets it back
// as it was.
func TestKeysStayInTheirHands(t *testing.T) {
	t.Parallel()
	d := start(t, "--dialect", "idprime", "--dialect", "entrust", "--dialect", "securid", "--dialect", "surepassid", "--dialect", "dualshield")
	id := newToken(t, d, "alice", alice, "card-of-alice")
	newToken(t, d, "mallory", mallory, "card-of-mallory")
	resident := launch(t, d, alice, "resident", harness.PIN)
	require.Equal(t, "ready", resident.line(t))
	card := func() (c struct {
		Serial  string
		Objects []any
	}) {
		out, err := d.Vtoken("token", "show", id, "-o", "json")
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal([]byte(out), &c))
		return c
	}
	serial := card().Serial
	ids := map[string]string{}
	out, err := d.Vtoken("user", "list", "-o", "json")
	require.NoError(t, err)
	var users []struct{ ID, Login string }
	require.NoError(t, json.Unmarshal([]byte(out), &users))
	for _, u := range users {
		ids[u.Login] = u.ID
	}
	for name, ways := range map[string]func(*testing.T, *harness.Daemon, string, string, map[string]string) (give, take func(login string) bool){
		"native": nativeHands, "dualshield": dualshieldHands, "securid": securidHands, "surepassid": surepassidHands, "entrust": entrustHands,
	} {
		t.Run(name, func(t *testing.T) {
			give, take := ways(t, d, id, serial, ids)
			unseen := func() {
				t.Helper()
				out, err := run(t, d, mallory, "slots")
				require.NoError(t, err)
				require.Equal(t, "1\n", out)
				require.Len(t, card().Objects, 2)
			}
			require.False(t, give("mallory"), "shared or taken")
			unseen()
			taken := take("alice")
			require.False(t, give("mallory"), "left to another")
			unseen()
			require.Equal(t, taken, give("alice"))
			_, err := d.Vtoken("token", "activate", id) // where the dialect leaves it for later
			if name != "securid" {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
			}
			out, err := run(t, d, alice, "login", harness.PIN)
			require.NoError(t, err)
			require.Contains(t, out, "CKR_OK")
		})
	}
}

// dialectCredential makes a credential of role edit.
func dialectCredential(t *testing.T, d *harness.Daemon, dialect string) map[string]string {
	t.Helper()
	out, err := d.Vtoken("apikey", "create", dialect+" edit", "--role", "edit", "--dialect", dialect, "-o", "json")
	require.NoError(t, err)
	var c map[string]string
	require.NoError(t, json.Unmarshal([]byte(out), &c))
	return c
}

func nativeHands(t *testing.T, d *harness.Daemon, id, _ string, _ map[string]string) (give, take func(string) bool) {
	a := tenantKey(t, d, "default", "edit")
	give = func(login string) bool {
		for _, how := range []string{"share", "take", "none"} {
			body := map[string]any{"user": login}
			if how != "none" {
				body[how] = true
			}
			if status, _ := a.ask(t, "POST", "/v1/tokens/"+id+"/assign", body); status == 200 {
				return true
			}
		}
		return false
	}
	return give, func(login string) bool {
		status, _ := a.ask(t, "POST", "/v1/tokens/"+id+"/unassign", map[string]any{"user": login})
		return status == 200
	}
}

func dualshieldHands(t *testing.T, d *harness.Daemon, id, serial string, _ map[string]string) (give, take func(string) bool) {
	c := dialectCredential(t, d, "dualshield")
	a := newTenantAPI(t, d, "")
	status, answer := a.ask(t, "POST", "/das5/rest/oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {c["client_id"]}, "client_secret": {c["client_secret"]}})
	require.Equal(t, 200, status, answer)
	a.authorization = fmt.Sprint("Bearer ", answer["access_token"])
	call := func(method string, body any) bool {
		status, answer := a.ask(t, "POST", "/das5/rest/token/"+method, body)
		require.Equal(t, 200, status, answer)
		return answer["error"] == 0.0
	}
	give = func(login string) bool {
		return call("batchAssignTokens", map[string]any{"attrs": map[string]any{"csv": "loginName,serial\n" + login + "," + serial + "\n"}})
	}
	return give, func(login string) bool {
		return call("delete", map[string]any{"id": id, "user": map[string]any{"loginName": login}})
	}
}

func surepassidHands(t *testing.T, d *harness.Daemon, _, serial string, _ map[string]string) (give, take func(string) bool) {
	c := dialectCredential(t, d, "surepassid")
	a := newTenantAPI(t, d, "")
	call := func(method, login string, force int) bool {
		body := map[string]any{"type": method, "psn": serial, "username": login, "spAccountLoginName": c["spAccountLoginName"], "spAccountLoginKey": c["spAccountLoginKey"]}
		if method == "assign_device" {
			body["force"] = force
		}
		status, answer := a.ask(t, "POST", "/AuthServer/REST/U2F/U2FServer.aspx", body)
		require.Equal(t, 200, status, answer)
		return answer["errorCode"] == 0.0
	}
	give = func(login string) bool { return call("assign_device", login, 1) }
	return give, func(login string) bool { return call("unassign_device", login, 0) }
}

func securidHands(t *testing.T, d *harness.Daemon, _, serial string, ids map[string]string) (give, take func(string) bool) {
	c := dialectCredential(t, d, "securid")
	block, _ := pem.Decode([]byte(c["accessKey"]))
	require.NotNil(t, block)
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	require.NoError(t, err)
	part := func(v map[string]any) string {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := time.Now()
	input := part(map[string]any{"typ": "JWT", "alg": "RS256"}) + "." +
		part(map[string]any{"sub": c["accessID"], "aud": c["adminRestApiUrl"], "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()})
	sum := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	require.NoError(t, err)
	a := newTenantAPI(t, d, "Bearer "+input+"."+base64.RawURLEncoding.EncodeToString(signature))
	call := func(verb, login string) bool {
		status, _ := a.ask(t, "PATCH", "/AdminInterface/restapi/v1/users/"+ids[login]+"/sidTokens/"+verb, map[string]any{"tokenSerialNumber": serial})
		return status == 200
	}
	give = func(login string) bool { return call("assign", login) }
	return give, func(login string) bool { return call("unassign", login) }
}

func entrustHands(t *testing.T, d *harness.Daemon, id, serial string, ids map[string]string) (give, take func(string) bool) {
	c := dialectCredential(t, d, "entrust")
	a := newTenantAPI(t, d, "")
	status, answer := a.ask(t, "POST", "/api/web/v1/adminapi/authenticate", map[string]any{"applicationId": c["applicationId"], "sharedSecret": c["sharedSecret"]})
	require.Equal(t, 200, status, answer)
	a.authorization = fmt.Sprint(answer["authToken"])
	give = func(login string) bool {
		byID, _ := a.ask(t, "PUT", "/api/web/v1/tokens/"+id+"/assign", map[string]any{"userId": login})
		bySerial, _ := a.ask(t, "PUT", "/api/web/v1/users/"+ids[login]+"/tokens/assign", map[string]any{"serialNumber": serial})
		return byID/100 == 2 || bySerial/100 == 2
	}
	return give, func(string) bool {
		status, _ := a.ask(t, "PUT", "/api/web/v1/tokens/"+id+"/unassign", nil)
		return status/100 == 2
	}
}
