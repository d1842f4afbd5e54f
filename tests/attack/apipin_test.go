package attack

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// apiCaller is a program that calls the APIs over HTTPS with a credential.
type apiCaller struct {
	t             *testing.T
	http          *http.Client
	base          string
	authorization string
}

// answer is what came back. Its text is the whole body.
type answer struct {
	status     int
	text       string
	retryAfter int
}

// newCaller is a caller on connections of its own.
func newCaller(t *testing.T, d *harness.Daemon, authorization string) *apiCaller {
	t.Helper()
	pem, err := os.ReadFile(d.CA)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &apiCaller{t: t, http: &http.Client{Transport: transport, Timeout: hangsAfter}, base: d.API, authorization: authorization}
}

// newKey is a caller with an API key of the role.
func newKey(t *testing.T, d *harness.Daemon, name, role string) *apiCaller {
	t.Helper()
	key, err := d.Vtoken("apikey", "create", name, "--role", role)
	require.NoError(t, err)
	return newCaller(t, d, "Bearer "+key)
}

// call sends a body as JSON, or as a form where it is one.
func (c *apiCaller) call(method, path string, body any) (answer, error) {
	kind := "application/json"
	var text []byte
	switch b := body.(type) {
	case nil:
	case url.Values:
		text, kind = []byte(b.Encode()), "application/x-www-form-urlencoded"
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			return answer{}, err
		}
	}
	return c.send(method, path, kind, text)
}

// send sends a body of that kind; of none where it is nil.
func (c *apiCaller) send(method, path, kind string, body []byte) (answer, error) {
	r, err := http.NewRequest(method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		r.Header.Set("Content-Type", kind)
	}
	if c.authorization != "" {
		r.Header.Set("Authorization", c.authorization)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	after, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return answer{resp.StatusCode, string(all), after}, err
}

// must is call where the call itself has to work.
func (c *apiCaller) must(method, path string, body any) answer {
	c.t.Helper()
	a, err := c.call(method, path, body)
	require.NoError(c.t, err)
	return a
}

type object = map[string]any

// guessSOPIN tries to set a user PIN with a guess of the SO PIN.
func (c *apiCaller) guessSOPIN(token, guess string) (answer, error) {
	return c.call("POST", "/v1/tokens/"+token+"/pin", object{"role": "user", "pin": "attacker", "currentPin": guess})
}

// newCard makes a complete card with a SO PIN of four digits.
func newCard(t *testing.T, d *harness.Daemon, login, soPIN string) string {
	t.Helper()
	id, err := d.NewTokenFor(login, "card", harness.PIN, soPIN)
	require.NoError(t, err)
	return id
}

// TestAPIGuessRate: many API keys guess the SO PIN of a token at the same time, and an
// administrator's unlocks it as often as it may. Before the APIs had the delays of PKCS#11,
// that was 43 guesses a second, and a PIN of four digits was found at once.
func TestAPIGuessRate(t *testing.T) {
	t.Parallel()
	const keys, window = 6, 12 * time.Second
	d := start(t)
	token := newCard(t, d, "alice", "7351")
	admin := newKey(t, d, "admin", "admin")
	var next, compared, refused atomic.Int64
	var found atomic.Bool
	var all sync.WaitGroup
	began := time.Now()
	for i := range keys {
		c := newKey(t, d, fmt.Sprint("guesser", i), "edit")
		all.Go(func() {
			for time.Since(began) < window && !found.Load() {
				a, err := c.guessSOPIN(token, fmt.Sprintf("%04d", next.Add(1)))
				switch {
				case err != nil:
					t.Error(err)
					return
				case a.status == http.StatusNoContent:
					found.Store(true)
				case a.status == http.StatusForbidden:
					compared.Add(1)
				case a.status == http.StatusTooManyRequests:
					refused.Add(1)
					return // it would only be refused again
				case a.status == http.StatusConflict: // locked
					if _, err := admin.call("POST", "/v1/tokens/"+token+"/unlock", object{"role": "so"}); err != nil {
						t.Error(err)
						return
					}
				default:
					t.Errorf("a guess was answered %d %s", a.status, a.text)
					return
				}
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	t.Logf("%d API keys: %d guesses in %v (%.1f/s), %d refused", keys, compared.Load(), took.Round(time.Millisecond),
		float64(compared.Load())/took.Seconds(), refused.Load())
	require.False(t, found.Load(), "the SO PIN was guessed")
	require.LessOrEqual(t, compared.Load(), int64(30))
	require.GreaterOrEqual(t, compared.Load(), int64(5), "nobody guessed")
	metrics := newKey(t, d, "monitor", "system").must("GET", "/v1/metrics", nil).text
	counted := func(result string) (n int64) {
		t.Helper()
		_, after, ok := strings.Cut(metrics, fmt.Sprintf("vtoken_api_tries_total{result=%q,secret=\"SO PIN\"} ", result))
		require.True(t, ok, "the metrics do not count what is %s", result)
		_, err := fmt.Sscan(after, &n)
		require.NoError(t, err)
		return n
	}
	require.Equal(t, compared.Load(), counted("wrong"))
	require.LessOrEqual(t, counted("unlocked"), int64(3))

	log, err := d.Vtoken("audit", "tail", "-n", "1000", "-o", "json")
	require.NoError(t, err)
	require.Contains(t, log, `"tries":"SO PIN wrong"`)
	require.Contains(t, log, `"tries":"SO PIN unlocked"`)
}

// TestAPIGuessesAreCounted: as many guesses as there are tries, none of them lost though
// the daemon is killed each time and forgets who has to wait; new tries only from who may
// manage, three times a day, from whichever API they are asked.
func TestAPIGuessesAreCounted(t *testing.T) {
	t.Parallel()
	const tries, unlocks = 10, 3
	flags := []string{"--dialect", "entrust", "--dialect", "dualshield"}
	d := start(t, flags...)
	token := newCard(t, d, "alice", "7351")
	guess := 0
	exhaust := func() {
		t.Helper()
		editor := newKey(t, d, fmt.Sprint("editor", guess), "edit")
		var wrong atomic.Int64
		var all sync.WaitGroup
		for range 2 * tries {
			guess++
			all.Go(func() {
				if a, err := editor.guessSOPIN(token, fmt.Sprintf("%04d", guess)); err != nil {
					t.Error(err)
				} else if a.status == http.StatusForbidden {
					wrong.Add(1)
				}
			})
		}
		all.Wait()
		require.LessOrEqual(t, wrong.Load(), int64(tries))
		require.NoError(t, d.Kill())
		require.NoError(t, d.Start(flags...))
		for left := tries - int(wrong.Load()); left > 0; left-- { // a row that was too long
			guess++
			a, err := newKey(t, d, fmt.Sprint("editor", guess), "edit").guessSOPIN(token, fmt.Sprintf("%04d", guess))
			require.NoError(t, err)
			require.Equal(t, http.StatusForbidden, a.status, a.text)
		}
		a, err := newKey(t, d, fmt.Sprint("editor after", guess), "edit").guessSOPIN(token, "7351")
		require.NoError(t, err)
		require.Equal(t, http.StatusConflict, a.status, "the right PIN, after %d wrong ones: %s", tries, a.text)
	}
	unlock := object{"role": "so"}
	path := "/v1/tokens/" + token + "/unlock"
	for i := range unlocks {
		exhaust()
		require.Equal(t, http.StatusForbidden, newKey(t, d, fmt.Sprint("edits", i), "edit").must("POST", path, unlock).status)
		require.Equal(t, http.StatusOK, newKey(t, d, fmt.Sprint("manages", i), "admin").must("POST", path, unlock).status)
	}
	exhaust()
	a := newKey(t, d, "manages once more", "admin").must("POST", path, unlock)
	require.Equal(t, http.StatusTooManyRequests, a.status, a.text)
	require.Greater(t, a.retryAfter, 23*60*60)
	_, err := d.Vtoken("token", "unlock", token, "--role", "so")
	require.ErrorContains(t, err, "was unlocked 3 times in the last 24 hours")
}

// seedHex is the seed of RFC 4226, appendix D, and codes are its passwords.
const seedHex = "3132333435363738393031323334353637383930"

var codes = [...]string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"}

// seedForms are how the seed would look in an answer.
var seedForms = []string{seedHex, "GEZDGNBVGY3TQOJQ", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA", "12345678901234567890", "otpauth:", "iVBORw0KGgo"}

// dialects are those that hand out seeds, as flags of the daemon.
var dialects = []string{"--dialect", "entrust", "--dialect", "surepassid", "--dialect", "dualshield"}

// vendors are callers of these and of the native API, with all rights of a tenant.
type vendors struct {
	native, entrust, surepassid, dualshield *apiCaller
	account                                 map[string]string // of SurePassID
}

// credential makes a credential of a dialect.
func credential(t *testing.T, d *harness.Daemon, dialect, role string) (fields map[string]string) {
	t.Helper()
	text, err := d.Vtoken("apikey", "create", dialect+" "+role, "--dialect", dialect, "--role", role, "-o", "json")
	require.NoError(t, err)
	var all map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &all))
	fields = map[string]string{}
	for name, value := range all {
		fields[name] = fmt.Sprint(value)
	}
	return fields
}

// newVendors logs in to each API.
func newVendors(t *testing.T, d *harness.Daemon, role string) *vendors {
	t.Helper()
	app := credential(t, d, "entrust", role)
	a := newCaller(t, d, "").must("POST", "/api/web/v1/adminapi/authenticate", object{"applicationId": app["applicationId"], "sharedSecret": app["sharedSecret"]})
	var session struct{ AuthToken string }
	require.NoError(t, json.Unmarshal([]byte(a.text), &session))
	require.NotEmpty(t, session.AuthToken, a.text)
	agent := credential(t, d, "dualshield", role)
	a = newCaller(t, d, "").must("POST", "/das5/rest/oauth/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {agent["client_id"]}, "client_secret": {agent["client_secret"]},
	})
	var access struct {
		Token string `json:"access_token"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.text), &access))
	require.NotEmpty(t, access.Token, a.text)
	account := credential(t, d, "surepassid", role)
	return &vendors{
		native: newKey(t, d, "native "+role, role), entrust: newCaller(t, d, session.AuthToken),
		dualshield: newCaller(t, d, "Bearer "+access.Token), surepassid: newCaller(t, d, ""),
		account: map[string]string{"spAccountLoginName": account["spAccountLoginName"], "spAccountLoginKey": account["spAccountLoginKey"]},
	}
}

func (v *vendors) surePassID(method string, body object) answer {
	body["type"] = method
	for name, value := range v.account {
		body[name] = value
	}
	return v.surepassid.must("POST", "/AuthServer/REST/U2F/U2FServer.aspx", body)
}

// seedOf asks every API for the seed of a token, in every way that there is, and returns
// the answers by the way.
func (v *vendors) seedOf(id, serial, userID string) map[string]answer {
	token := object{"token": object{"serial": serial}}
	part := object{"user": object{"id": userID}, "token": object{"serial": serial}}
	return map[string]answer{
		"native otp/enrol":                      v.native.must("POST", "/v1/tokens/"+id+"/otp/enrol", object{}),
		"native otp/enrol for a device":         v.native.must("POST", "/v1/tokens/"+id+"/otp/enrol", object{"device": "mine"}),
		"DualShield getDownloadUrl":             v.dualshield.must("POST", "/das5/rest/token/getDownloadUrl", token),
		"DualShield sendDownloadUrl":            v.dualshield.must("POST", "/das5/rest/tokenAssignment/sendDownloadUrl", part),
		"DualShield getTokenQRCode":             v.dualshield.must("POST", "/das5/rest/tokenAssignment/getTokenQRCode", part),
		"SurePassID get_oath_device_qrcode":     v.surePassID("get_oath_device_qrcode", object{"deviceId": id}),
		"SurePassID provision_oath_device":      v.surePassID("provision_oath_device", object{"deviceId": id, "physicalDeviceId": "mine"}),
		"Entrust activation":                    v.entrust.must("POST", "/api/web/v1/tokens/"+id+"/activation", nil),
		"Entrust activation with all its types": v.entrust.must("POST", "/api/web/v1/tokens/"+id+"/activation", object{"type": []string{"CLASSIC", "ONLINE", "OFFLINE"}, "returnQRCode": true}),
	}
}

// leaks fails the test where an answer has a seed in it.
func leaks(t *testing.T, way string, a answer) {
	t.Helper()
	for _, form := range seedForms {
		require.NotContains(t, a.text, form, way)
	}
}

// refusals are how each way says that a hardware token keeps its seed.
var refusals = map[string]func(answer) bool{
	"native":     func(a answer) bool { return a.status == http.StatusNotImplemented },
	"DualShield": func(a answer) bool { return a.status == http.StatusOK && strings.Contains(a.text, `"error":8,`) },
	"SurePassID": func(a answer) bool { return a.status == http.StatusOK && strings.Contains(a.text, `"errorCode":9008`) },
	"Entrust": func(a answer) bool {
		return a.status == http.StatusBadRequest && strings.Contains(a.text, `"not_supported"`)
	},
}

// TestDevicesKeepTheirSeeds: no API hands out the seed of a hardware token, in use or in
// the drawer, nor that of a soft token that was in use, whatever is done to it before; and
// a token in use goes on working.
func TestDevicesKeepTheirSeeds(t *testing.T) {
	t.Parallel()
	d := start(t, dialects...)
	require.NoError(t, d.NewUser("alice"))
	require.NoError(t, d.NewUser("bob"))
	file := func(name, text string) string {
		path := filepath.Join(d.Dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	seed := file("seed", seedHex)
	_, err := d.Vtoken("import", "csv", file("seeds.csv", "serial,seed,loginName\nHW1,"+seedHex+",alice\nHW2,"+seedHex+",\n"))
	require.NoError(t, err)
	v := newVendors(t, d, "admin")
	ids := map[string]string{}
	var users []struct{ ID, Login string }
	text, err := d.Vtoken("user", "list", "-o", "json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(text), &users))
	userID := ""
	for _, u := range users {
		if u.Login == "alice" {
			userID = u.ID
		}
	}
	add := func(serial string, flags ...string) {
		t.Helper()
		ids[serial], err = d.Vtoken(append([]string{"otp", "add", "--serial", serial}, flags...)...)
		require.NoError(t, err)
	}
	add("HW3", "--user", "alice", "--seed-file", seed)
	add("HW4", "--user", "alice", "--seed-file", seed, "--inactive")
	a := v.surePassID("add_oath_device", object{"username": "alice", "deviceType": 1, "OtpType": 0, "psn": "HW5", "secretKeyHex": seedHex})
	require.Contains(t, a.text, `"errorCode":0`)
	var list struct{ Items []struct{ ID, Serial string } }
	require.NoError(t, json.Unmarshal([]byte(v.native.must("GET", "/v1/tokens", nil).text), &list))
	for _, one := range list.Items {
		ids[one.Serial] = one.ID
	}
	use := func(serial string, counter int) {
		t.Helper()
		a := v.native.must("POST", "/v1/tokens/"+ids[serial]+"/otp/verify", object{"code": codes[counter]})
		require.Equal(t, http.StatusOK, a.status, "%s: %s", serial, a.text)
	}
	for _, serial := range []string{"HW1", "HW2", "HW3", "HW4", "HW5"} {
		answers := v.seedOf(ids[serial], serial, userID)
		for way, a := range answers {
			leaks(t, serial+": "+way, a)
		}
		for way, a := range answers {
			api, _, _ := strings.Cut(way, " ")
			if serial == "HW2" && strings.Contains(a.text, `"error":102,`) {
				continue // nobody has it, so there is no part to ask for
			}
			require.True(t, refusals[api](a), "%s of %s was answered %d %s", way, serial, a.status, a.text)
		}
		for _, verb := range []string{"uri", "qr"} {
			out, err := d.Vtoken("otp", verb, ids[serial], "--png", filepath.Join(d.Dir, serial+verb))
			require.ErrorContains(t, err, "is a hardware token")
			require.Empty(t, out)
		}
	}
	use("HW1", 0)
	use("HW3", 0)

	// A soft token that is in use. It is activated by two passwords, or at once.
	a = v.surePassID("add_oath_device", object{"username": "alice", "deviceType": 0, "OtpType": 0, "psn": "SOFT", "secretKeyHex": seedHex})
	require.Contains(t, a.text, `"errorCode":0`)
	soft := v.native.must("GET", "/v1/tokens", nil)
	require.NoError(t, json.Unmarshal([]byte(soft.text), &list))
	for _, one := range list.Items {
		ids[one.Serial] = one.ID
	}
	a = v.surePassID("active_oath_device", object{"psn": "SOFT", "otp1": codes[0], "otp2": codes[1]})
	require.Contains(t, a.text, `"errorCode":0`)
	native := "/v1/tokens/" + ids["SOFT"]
	ask := func(after string) {
		t.Helper()
		for way, a := range v.seedOf(ids["SOFT"], "SOFT", userID) {
			leaks(t, after+": "+way, a)
		}
	}
	release := func() {
		require.Equal(t, http.StatusOK, v.native.must("PATCH", native, object{"confined": false}).status)
	}
	ask("in use")
	release()
	ask("released")
	require.Equal(t, http.StatusOK, v.native.must("POST", native+"/activation", object{}).status)
	ask("its activation begun anew")
	require.Equal(t, http.StatusOK, v.native.must("PUT", native+"/activation", object{}).status)
	use("SOFT", 2)
	require.Equal(t, http.StatusOK, v.native.must("POST", native+"/unassign", object{}).status)
	ask("taken from its holder")
	require.Equal(t, http.StatusOK, v.native.must("POST", native+"/assign", object{"user": "bob", "inactive": true}).status)
	release()
	ask("given to another")
}

// TestAPICodesAreSlow: one-time passwords that are guessed through several APIs share the
// delays and the tries of the token; only who may manage gives it new ones, three times a
// day.
func TestAPICodesAreSlow(t *testing.T) {
	t.Parallel()
	d := start(t, dialects...)
	require.NoError(t, d.NewUser("alice"))
	path := filepath.Join(d.Dir, "seed")
	require.NoError(t, os.WriteFile(path, []byte(seedHex), 0o600))
	id, err := d.Vtoken("otp", "add", "--user", "alice", "--serial", "HW", "--seed-file", path)
	require.NoError(t, err)
	v, editor := newVendors(t, d, "admin"), newVendors(t, d, "edit")
	native := "/v1/tokens/" + id + "/otp/"
	ways := []func() answer{
		func() answer { return editor.native.must("POST", native+"verify", object{"code": "000000"}) },
		func() answer {
			return editor.native.must("POST", native+"sync", object{"first": "000000", "next": "000001"})
		},
		func() answer {
			return editor.entrust.must("PUT", "/api/web/v1/tokens/"+id+"/reset", object{"response": "000000"})
		},
		func() answer {
			return editor.surePassID("sync_oath_device", object{"psn": "HW", "otp1": "000000", "otp2": "000001"})
		},
		func() answer {
			return editor.dualshield.must("POST", "/das5/rest/token/syncToken", object{"token": object{"serial": "HW"}, "credential": "000000,000001"})
		},
	}
	began := time.Now()
	for i := range 10 {
		a := ways[i%len(ways)]()
		require.NotEqual(t, http.StatusConflict, a.status, a.text)
	}
	took := time.Since(began)
	t.Logf("10 wrong passwords through 4 APIs took %v", took.Round(time.Millisecond))
	require.Greater(t, took, 10*time.Second)
	locked := func() {
		t.Helper()
		a := v.native.must("POST", native+"verify", object{"code": codes[0]})
		require.Equal(t, http.StatusConflict, a.status, a.text)
	}
	locked()
	require.Equal(t, http.StatusForbidden, editor.native.must("POST", native+"reset", object{}).status)
	require.Equal(t, http.StatusForbidden, editor.entrust.must("PUT", "/api/web/v1/tokens/"+id+"/reset", object{}).status)
	require.Contains(t, editor.dualshield.must("POST", "/das5/rest/token/reset", object{"token": object{"serial": "HW"}}).text, `"error":3,`)
	locked()
	require.Equal(t, http.StatusOK, v.entrust.must("PUT", "/api/web/v1/tokens/"+id+"/reset", object{}).status)
	require.Equal(t, http.StatusOK, v.native.must("POST", native+"verify", object{"code": codes[0]}).status)
}
