package surepassid_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/provisioning/dialect/surepassid"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
)

// known is what there is before an archive begins: an account, the users Mandy and
// John, and a card that nobody holds.
func known(t testing.TB) func(s *dialecttest.Server) map[string]string {
	return func(s *dialecttest.Server) map[string]string {
		ctx, admin := t.Context(), provisioning.System("test")
		s.Succeeds = succeeds
		for _, login := range []string{"Mandy", "John"} {
			_, err := s.Core.CreateUser(ctx, admin, s.Tenant, login)
			require.NoError(t, err)
		}
		card, err := s.Core.CreateToken(ctx, admin, provisioning.NewToken{Tenant: s.Tenant, Unassigned: true, Serial: "CARD0001", Kind: record.KindCard})
		require.NoError(t, err)
		account, key := newAccount(s, record.RoleAdmin)
		return map[string]string{"account": account, "accountKey": key, "card": string(card.ID)}
	}
}

// newAccount makes an account.
func newAccount(s *dialecttest.Server, role record.Role) (name, key string) {
	k, key := s.NewCredential(provisioning.NewAPIKey{Name: "account " + string(role), Kind: provisioning.SharedSecret, Role: role})
	return k.ID, key
}

// succeeds reads the envelope.
func succeeds(_ int, body []byte) bool {
	var out struct{ ErrorCode *int }
	return json.Unmarshal(body, &out) == nil && out.ErrorCode != nil && *out.ErrorCode == 0
}

func TestGolden(t *testing.T) { dialecttest.RunWith(t, surepassid.New, known(t)) }

func TestBadInput(t *testing.T) {
	dialecttest.BadInput(t, surepassid.New, dialecttest.BadInputOptions{
		Known:    known(t),
		Things:   map[string]string{"psn": "serial", "deviceId": "token", "username": "user"},
		Accepted: map[string]string{"call/image/png": "the body is JSON whatever its media type says"},
		// Reading is one of the methods of the one operation; TestRights has the roles.
		Reads: []string{"call"},
		Credentials: func(s *dialecttest.Server) []dialecttest.BadCredential {
			return []dialecttest.BadCredential{
				{Name: "no name", Spoil: spoil("spAccountLoginName", nil)},
				{Name: "no key", Spoil: spoil("spAccountLoginKey", nil)},
				{Name: "wrong name", Spoil: spoil("spAccountLoginName", "nobody")},
				{Name: "wrong key", Spoil: spoil("spAccountLoginKey", strings.Repeat("A", 43))},
				{Name: "API key", Spoil: spoil("spAccountLoginKey", s.Key)},
			}
		},
		Refused: refused,
	})
}

// spoil replaces a field of the body.
func spoil(field string, value any) func(*http.Request) {
	return func(r *http.Request) {
		var in map[string]any
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			return
		}
		in[field] = value
		b, _ := json.Marshal(in)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	}
}

// refused reads the envelope: an error has a code, whatever the status.
func refused(c dialecttest.Class, status int, _ http.Header, body []byte) error {
	var out struct{ ErrorCode int }
	if err := json.Unmarshal(body, &out); err != nil {
		return fmt.Errorf("the answer is no envelope: %w", err)
	}
	if out.ErrorCode < 9000 {
		return fmt.Errorf("the answer is a success (status %d)", status)
	}
	if c == dialecttest.Credential && (out.ErrorCode != 9000 || status != http.StatusOK) {
		return fmt.Errorf("no account is %d with status %d", out.ErrorCode, status)
	}
	return nil
}

// ask sends a body and returns the answer, whose code has to be the wanted one. It
// does not go by the document, which has the fields in one spelling.
func ask(t testing.TB, s *dialecttest.Server, body string, want int) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost/AuthServer/REST/U2F/U2FServer.aspx", strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // curl's own
	r.RemoteAddr = "192.0.2.1:1234"
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out["errorCode"] != float64(want) {
		t.Fatalf("%s: want %d: %s", body, want, w.Body)
	}
	return out
}

// Names of fields are taken in either case, but not twice; null is nothing; and
// what is no field of the method is refused.
func TestSpellings(t *testing.T) {
	s := dialecttest.New(t, surepassid.New)
	k := known(t)(s)
	account := fmt.Sprintf(`"SPACCOUNTLOGINNAME": %q, "spaccountloginkey": %q`, k["account"], k["accountKey"])
	got := ask(t, s, `{`+account+`, "Type": "add_oath_device", "DEVICETYPE": 1, "otptype": "0", "psn": null, "otpPin": 0}`, 0)
	if got["type"] != "add_oath_device" || got["psn"] == "" {
		t.Errorf("%v", got)
	}
	for body, want := range map[string]int{
		`, "Type": "find_device", "type": "find_device"`:              9013,
		`, "type": "find_device", "psn": "CARD0001", "color": 1`:      9013,
		`, "type": "find_device", "psn": "CARD0001", "otp1": 1`:       9013,
		`, "type": "find_device", "psn": 1`:                           9013,
		`, "type": "find_device", "PSN": "CARD0001"`:                  0,
		`, "type": "find_device", "PSN": "CARD0001", "username": "x"`: 9001,
		``: 9013, `, "type": 1`: 9013,
	} {
		ask(t, s, `{`+account+body+`}`, want)
	}
	for _, body := range []string{`null`, `{}`, `{"type": "find_device"}`} {
		ask(t, s, body, 9000)
	}
	ask(t, s, `[]`, 9013)
	if strings.Contains(s.Log.String(), k["accountKey"]) {
		t.Error("the key of the account is in the log")
	}
}

// A token that comes with a serial number of its maker keeps it; one that makes too
// many wrong passwords takes no more.
func TestSerialNumber(t *testing.T) {
	s := dialecttest.New(t, surepassid.New)
	k := known(t)(s)
	account := fmt.Sprintf(`{"spAccountLoginName": %q, "spAccountLoginKey": %q, `, k["account"], k["accountKey"])
	add := account + `"type": "add_oath_device", "deviceType": 1, "psn": "OATH_1234567", "secretKeyHex": "3132333435363738393031323334353637383930"}`
	if got := ask(t, s, add, 0); got["psn"] != "OATH_1234567" {
		t.Errorf("%v", got)
	}
	ask(t, s, account+`"type": "sync_oath_device", "psn": "OATH_1234567", "otp1": 755224, "otp2": 287082}`, 0)
	for range provisioning.MaxWrongOTP {
		ask(t, s, account+`"type": "sync_oath_device", "psn": "OATH_1234567", "otp1": 111111, "otp2": 222222}`, 9003)
	}
	ask(t, s, account+`"type": "sync_oath_device", "psn": "OATH_1234567", "otp1": 338314, "otp2": 254676}`, 9015)
	ask(t, s, add, 9019)
	ask(t, s, strings.Replace(add, "OATH_1234567", strings.Repeat("7", 37), 1), 9013)
}

// Too many requests are the one refusal with a status of its own, and say when to
// come again.
func TestTooMany(t *testing.T) {
	s := dialecttest.New(t, surepassid.New)
	limits := httpkit.NewLimits(httpkit.Rates{Failed: httpkit.Rate{PerSecond: 1e-3, Burst: 1}}, nil)
	mux := http.NewServeMux()
	surepassid.New(s.Core, &httpkit.Kit{Keys: s.Core, Limits: limits}).Mount(mux)
	s.Handler = mux
	body := `{"type": "find_device", "psn": "1", "spAccountLoginName": "x", "spAccountLoginKey": "y"}`
	ask(t, s, body, 9000)
	r := httptest.NewRequest(http.MethodPost, "/AuthServer/REST/U2F/U2FServer.aspx", strings.NewReader(body))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	var out struct{ ErrorCode int }
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusTooManyRequests || out.ErrorCode != 9015 || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, %v: %s", w.Code, w.Header(), w.Body)
	}
}

// What an account may not do is 9033, whether there is such a device or not.
func TestRights(t *testing.T) {
	s := dialecttest.New(t, surepassid.New)
	known(t)(s)
	name, key := newAccount(s, record.RoleView)
	account := fmt.Sprintf(`{"spAccountLoginName": %q, "spAccountLoginKey": %q, "username": "Mandy", `, name, key)
	ask(t, s, strings.Replace(account, `"username": "Mandy", `, "", 1)+`"type": "find_device", "psn": "CARD0001"}`, 0)
	for _, rest := range []string{
		`"type": "add_oath_device"}`,
		`"type": "provision_oath_device", "deviceId": "11111111-2222-4333-8444-555555555555", "physicalDeviceId": "x"}`,
		`"type": "get_oath_device_qrcode", "deviceId": "11111111-2222-4333-8444-555555555555"}`,
		`"type": "assign_device", "psn": "CARD0001"}`, `"type": "unassign_device", "psn": "none"}`,
		`"type": "active_oath_device", "psn": "none", "otp1": 755224, "otp2": 287082}`,
		`"type": "sync_oath_device", "psn": "none", "otp1": 755224, "otp2": 287082}`,
		`"type": "enable_device", "psn": "none"}`, `"type": "disable_device", "psn": "none"}`, `"type": "delete_device", "psn": "none"}`,
	} {
		ask(t, s, account+rest, 9033)
	}
}

// Every type of the document has a golden exchange.
func TestEveryMethod(t *testing.T) {
	s := dialecttest.New(t, surepassid.New)
	types := dialecttest.Document(t, s.Dialect).Components.Schemas["Call"].Value.Properties["type"].Value.Enum
	files, _ := filepath.Glob("testdata/*.txtar")
	var all strings.Builder
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(b)
	}
	if len(types) == 0 {
		t.Fatal("the document has no types")
	}
	for _, name := range types {
		if !strings.Contains(all.String(), fmt.Sprintf(`{"type": %q, "errorCode": 0,`, name)) {
			t.Errorf("no golden exchange has %s succeed", name)
		}
	}
}
