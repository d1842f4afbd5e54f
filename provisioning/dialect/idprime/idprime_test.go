package idprime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/provisioning/dialect/idprime"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

const (
	nowhere = "11111111-2222-4333-8444-555555555555"
	base    = "/IDPrimeVirtual/Provisioning/V1.0/Tenants/"
)

func TestGolden(t *testing.T) { dialecttest.RunWith(t, idprime.New, systemKey) }

// systemKey is a key that may touch every tenant, for the exchanges.
func systemKey(s *dialecttest.Server) map[string]string {
	return map[string]string{"system": s.NewKey(s.Tenant, record.RoleSystem)}
}

// world is a server with a token of alice's on it.
type world struct {
	*dialecttest.Server
	t     testing.TB
	token string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Server: dialecttest.New(t, idprime.New), t: t}
	status, body := w.ask("POST", w.user("alice", "Tokens"), "", nil)
	if status != http.StatusOK || json.Unmarshal(body, &w.token) != nil {
		t.Fatalf("%d %s", status, body)
	}
	return w
}

func (w *world) user(login, rest string) string {
	return base + string(w.Tenant) + "/Users/" + login + "/" + rest
}

func (w *world) path(rest string) string { return w.user("alice", "Tokens/"+w.token+rest) }

// ask sends a request with the world's key, unless the headers have one.
func (w *world) ask(method, path, body string, header http.Header) (status int, answer []byte) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, "https://localhost"+path, strings.NewReader(body))
	require.NoError(w.t, err)
	r.Header.Set("Authorization", w.Key)
	for k, v := range header {
		r.Header[k] = v
	}
	resp := w.Do(r)
	answer, err = io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, answer
}

// want asks and compares the status and, for an error, the kind.
func (w *world) want(status int, kind provisioning.Kind, method, path, body string, header http.Header) {
	w.t.Helper()
	got, answer := w.ask(method, path, body, header)
	if got != status {
		w.t.Errorf("%s %s: %d, want %d\n%s", method, path, got, status, answer)
		return
	}
	if status < 400 {
		return
	}
	var p httpkit.Problem
	if err := json.Unmarshal(answer, &p); err != nil || p.Kind != httpkit.KindName(kind) || p.Detail == "" {
		w.t.Errorf("%s %s: %s, want kind %s (%v)", method, path, answer, httpkit.KindName(kind), err)
	}
}

func with(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// form is a multipart form with a PFX in the field.
func form(t testing.TB, field, file string, more ...string) (string, http.Header) {
	t.Helper()
	data := []byte(file)
	if strings.HasSuffix(file, ".p12") {
		var err error
		data, err = os.ReadFile("../../testdata/pfx/" + file)
		require.NoError(t, err)
	}
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	part, err := m.CreateFormFile(field, "upload.pfx")
	if err == nil {
		_, err = part.Write(data)
	}
	require.NoError(t, err)
	require.NoError(t, m.Close())
	h := with(append([]string{"Content-Type", m.FormDataContentType()}, more...)...)
	return b.String(), h
}

const password = "X-IDPrimeVirtual-CertificatePassword"

// operation is a request that is good for alice's token.
type operation struct {
	name, method string
	path         string // after the tenant; {user} and {token} are to be replaced
	body         string
	header       http.Header
	ok           int  // its status
	sealed       bool // it is refused after Complete
}

func operations(t testing.TB) []operation {
	pfx, formHeader := form(t, "pfxCertificate", "openssl-p256.p12", password, "correct-horse")
	const tokens, token = "/Users/{user}/Tokens", "/Users/{user}/Tokens/{token}"
	return []operation{
		{"1 exchange key", "GET", "/TenantExchangePublicKey", "", nil, 200, false},
		{"2 create", "POST", tokens, "", nil, 200, false},
		{"3 list", "GET", tokens, "", nil, 200, false},
		{"4 import", "POST", token + "/Certificate", pfx, formHeader, 200, true},
		{"5 certificates", "GET", token + "/Certificates", "", nil, 200, false},
		{"6 complete", "PUT", token + "/Complete", "", nil, 204, true},
		{"7 delete", "DELETE", token, "", nil, 204, false},
		{"8 label", "PUT", token + "/Label/x", "", nil, 204, true},
		{"9 reset", "POST", token + "/Role/User/ResetPin", `"12345678"`, with("Content-Type", "application/json"), 204, true},
	}
}

// run sends an operation's request.
func (w *world) run(op operation, tenant, user, token string, more http.Header) (int, []byte) {
	w.t.Helper()
	path := base + tenant + strings.NewReplacer("{user}", user, "{token}", token).Replace(op.path)
	header := op.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	for k, v := range more {
		header[k] = v
	}
	return w.ask(op.method, path, op.body, header)
}

// TestStatuses tries every operation with what each status of the vendor's list
// is for.
func TestStatuses(t *testing.T) {
	for _, op := range operations(t) {
		t.Run(op.name, func(t *testing.T) {
			w := newWorld(t)
			status := func(want int, tenant, user, token string, h http.Header) {
				t.Helper()
				if got, body := w.run(op, tenant, user, token, h); got != want {
					t.Errorf("%d, want %d\n%s", got, want, body)
				}
			}
			tenant := string(w.Tenant)
			other, err := w.Core.CreateTenant(t.Context(), provisioning.System("test"), "other")
			require.NoError(t, err)
			before := w.Store.Commits()
			// 401: no key, a wrong one, one of another tenant, one that may not.
			foreign := with("Authorization", w.NewKey(other.ID, record.RoleAdmin))
			before++
			for _, h := range []http.Header{with("Authorization", ""), with("Authorization", "vtk_wrong"), with("Authorization", "Basic eDp5"), foreign} {
				status(401, tenant, "alice", w.token, h)
				status(401, nowhere, "alice", w.token, h)
			}
			if op.method != "GET" {
				viewer := with("Authorization", w.NewKey(w.Tenant, record.RoleView))
				before++
				status(401, tenant, "alice", w.token, viewer)
			}
			// 400: what is no GUID.
			status(400, "not-a-guid", "alice", w.token, nil)
			if strings.Contains(op.path, "{token}") {
				status(400, tenant, "alice", w.token+"0", nil)
			}
			// 404: what does not exist. Who may use every tenant is told so.
			system := with("Authorization", w.NewKey(w.Tenant, record.RoleSystem))
			before++
			status(404, nowhere, "alice", w.token, system)
			if strings.Contains(op.path, "{user}") && op.name != "2 create" {
				status(404, tenant, "nobody", w.token, nil)
			}
			if strings.Contains(op.path, "{token}") {
				status(404, tenant, "alice", nowhere, nil)
			}
			if got := w.Store.Commits(); got != before {
				t.Errorf("%d refused requests changed something", got-before)
			}
			// 409: after Complete.
			if op.sealed {
				w.want(204, 0, "PUT", w.path("/Complete"), "", nil)
				status(409, tenant, "alice", w.token, nil)
				return
			}
			status(op.ok, tenant, "alice", w.token, with("Authorization", "bearer "+w.Key))
		})
	}
}

// TestFaults: the store's faults are 500 with a sentence, and nothing of the
// cause; the log has it.
func TestFaults(t *testing.T) {
	for _, op := range operations(t) {
		if op.method == "GET" {
			continue
		}
		w := newWorld(t)
		w.Store.FillDisk()
		if got, body := w.run(op, string(w.Tenant), "alice", w.token, nil); got != 500 || !bytes.Contains(body, []byte("no space left, so nothing was changed")) {
			t.Errorf("%s on a full disk: %d %s", op.name, got, body)
		}
		w.Store.Fail(fmt.Errorf("a canary"))
		if got, body := w.run(op, string(w.Tenant), "alice", w.token, nil); got != 500 || bytes.Contains(body, []byte("canary")) || !strings.Contains(w.Log.String(), "a canary") {
			t.Errorf("%s on a fault: %d %s", op.name, got, body)
		}
		w.Store.Fail(nil)
		if got, body := w.run(op, string(w.Tenant), "alice", w.token, nil); got != op.ok {
			t.Errorf("%s afterwards: %d %s", op.name, got, body)
		}
	}
}

// TestSpellings: versions, and words of the path in either case.
func TestSpellings(t *testing.T) {
	w := newWorld(t)
	tenant := string(w.Tenant)
	for _, version := range []string{"V1", "V1.0", "v1", "v1.0", "V2", "V2.0", "v2", "v2.0"} {
		w.askOnly(200, "GET", "/IDPrimeVirtual/Provisioning/"+version+"/Tenants/"+tenant+"/Users/alice/Tokens")
		w.askOnly(200, "GET", "/IDPrimeVirtual/provisioning/"+version+"/tenants/"+strings.ToUpper(tenant)+"/tenantexchangepublickey")
	}
	for _, version := range []string{"V0", "V3", "V1.1", "V2.1", "1.0", "%20"} {
		w.askOnly(404, "GET", "/IDPrimeVirtual/Provisioning/"+version+"/Tenants/"+tenant+"/Users/alice/Tokens")
	}
	w.askOnly(200, "GET", "/docs/idprime/openapi.yaml")
	w.askOnly(404, "GET", "/nowhere")
	for method, path := range map[string]string{"PUT": "/Complete", "POST": "/Certificate"} {
		for _, wrong := range []string{"GET", "PATCH", "OPTIONS", "DELETE", "PUT", "POST"} {
			if wrong != method {
				w.askOnly(405, wrong, w.path(path))
			}
		}
	}
}

// askOnly asks without comparing with the document, which has one spelling.
func (w *world) askOnly(status int, method, path string) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, "https://localhost"+path, nil)
	r.Header.Set("Authorization", w.Key)
	rec := httptest.NewRecorder()
	w.Handler.ServeHTTP(rec, r)
	if rec.Code != status {
		w.t.Errorf("%s %s: %d, want %d\n%s", method, path, rec.Code, status, rec.Body)
	}
	if status == 405 && rec.Header().Get("Allow") == "" {
		w.t.Errorf("%s %s: 405 without Allow", method, path)
	}
	if rec.Code >= 400 && rec.Header().Get("Content-Type") != "application/problem+json" {
		w.t.Errorf("%s %s: %d as %s", method, path, rec.Code, rec.Header().Get("Content-Type"))
	}
}

func TestLabels(t *testing.T) {
	w := newWorld(t)
	for encoded, status := range map[string]int{
		"":                              400,
		"x":                             204,
		"%20":                           204,
		strings.Repeat("x", 32):         204,
		strings.Repeat("x", 33):         400,
		strings.Repeat("%E6%BC%A2", 32): 204, // characters count, not bytes
		strings.Repeat("%E6%BC%A2", 33): 400,
		"%00":                           400,
		"a%0Ab":                         400,
		"%FF":                           400,
	} {
		w.want(status, provisioning.BadInput, "PUT", w.path("/Label/"+encoded), "", nil)
	}
}

func TestResetPin(t *testing.T) {
	w := newWorld(t)
	hex48 := strings.Repeat("0aB9", 12)
	sealed := func(v string) string {
		key, err := w.Core.ExchangeKey(t.Context(), provisioning.System("test"), w.Tenant)
		require.NoError(t, err)
		return fmt.Sprintf("%q", dialecttest.Seal(t, key, secret.Bytes(v)))
	}
	encrypted := with("X-IDPrimeVirtual-IsNewPasswordEncrypted", "true", "Content-Type", "application/json")
	json := with("Content-Type", "application/json; charset=utf-8")
	for _, c := range []struct {
		role, body string
		header     http.Header
		status     int
		kind       provisioning.Kind
	}{
		{"User", `"12345678"`, json, 204, 0},
		{"uSER", `"12345678"`, json, 204, 0},
		{"User", `"1234567"`, json, 400, provisioning.BadInput},
		{"User", `"` + strings.Repeat("1", 25) + `"`, json, 204, 0},
		{"User", `"` + strings.Repeat("1", 26) + `"`, json, 400, provisioning.BadInput},
		{"User", `"` + strings.Repeat("ü", 25) + `"`, json, 204, 0},
		{"Admin", `"` + hex48 + `"`, json, 204, 0},
		{"admin", `"` + hex48[1:] + `"`, json, 400, provisioning.BadInput},
		{"Admin", `"` + hex48[1:] + `g"`, json, 400, provisioning.BadInput},
		{"SO", `"` + hex48 + `"`, json, 404, provisioning.RoleNotFound},
		{"%20", `"12345678"`, json, 404, provisioning.RoleNotFound},
		{"User", sealed("12345678"), encrypted, 204, 0},
		{"User", sealed("1234567"), encrypted, 400, provisioning.BadInput}, // the rule is on the clear value
		{"User", `"12345678"`, encrypted, 400, provisioning.BadInput},
		{"User", `"12345678"`, with("X-IDPrimeVirtual-IsNewPasswordEncrypted", "yes"), 400, provisioning.BadInput},
		{"User", `12345678`, json, 400, provisioning.BadInput},
		{"User", `{"pin":"12345678"}`, json, 400, provisioning.BadInput},
		{"User", `"12345678" "x"`, json, 400, provisioning.BadInput},
		{"User", `"1234`, json, 400, provisioning.BadInput},
		{"User", ``, json, 400, provisioning.BadInput},
		{"User", `"` + strings.Repeat("1", 100_000) + `"`, json, 413, provisioning.TooLarge},
	} {
		w.want(c.status, c.kind, "POST", w.path("/Role/"+c.role+"/ResetPin"), c.body, c.header)
	}
	status, _ := w.ask("POST", w.path("/Role/User/ResetPin"), `"12345678"`, with("Content-Type", "text/plain"))
	if status != 415 {
		t.Errorf("a PIN as text/plain: %d", status)
	}
	if !w.Store.HasPIN(record.TokenID(w.token), pin.User, secret.Bytes("12345678")) || !w.Store.HasPIN(record.TokenID(w.token), pin.SO, secret.Bytes(hex48)) {
		t.Error("the PINs are not the last good ones")
	}
}

func TestImport(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, field, file, password string
		status                      int
		kind                        provisioning.Kind
	}{
		{"wrong password", "pfxCertificate", "openssl-p256.p12", "wrong", 400, provisioning.BadInput},
		{"no password", "pfxCertificate", "openssl-p256.p12", "", 400, provisioning.BadInput},
		{"no key", "pfxCertificate", "openssl-certs-only.p12", "correct-horse", 400, provisioning.BadInput},
		{"corrupt", "pfxCertificate", "no PFX at all", "correct-horse", 400, provisioning.BadInput},
		{"empty", "pfxCertificate", "", "correct-horse", 400, provisioning.BadInput},
		{"wrong field", "file", "openssl-p256.p12", "correct-horse", 400, provisioning.BadInput},
		{"1 MiB and a byte", "pfxCertificate", strings.Repeat("x", 1<<20+1), "correct-horse", 413, provisioning.TooLarge},
		{"2 MiB", "pfxCertificate", strings.Repeat("x", 2<<20), "correct-horse", 413, provisioning.TooLarge},
		{"UTF-8 password", "pfxCertificate", "openssl-unicode-password.p12", "Grüße-漢字", 200, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, h := form(t, c.field, c.file, password, c.password)
			w.want(c.status, c.kind, "POST", w.path("/Certificate"), body, h)
		})
	}
	good, h := form(t, "pfxCertificate", "openssl-p384.p12", password, "correct-horse")
	h.Set("X-IDPrimeVirtual-IsPasswordEncrypted", "maybe")
	w.want(400, provisioning.BadInput, "POST", w.path("/Certificate"), good, h)
	h.Set("X-IDPrimeVirtual-IsPasswordEncrypted", "true")
	w.want(400, provisioning.BadInput, "POST", w.path("/Certificate"), good, h) // it is not
	for name, contentType := range map[string]string{"no form": "application/octet-stream", "no boundary": "multipart/form-data", "none": ""} {
		h := with(password, "x", "Content-Type", contentType)
		if status, body := w.ask("POST", w.path("/Certificate"), good, h); status != 400 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// TestHugeUpload: 80 MB are refused before they are read.
func TestHugeUpload(t *testing.T) {
	w := newWorld(t)
	read := &countingReader{left: 80 << 20}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "https://localhost"+w.path("/Certificate"), read)
	for _, length := range []int64{80 << 20, -1} { // announced, and in chunks
		r.Header = with("Authorization", w.Key, "Content-Type", "multipart/form-data; boundary=x", password, "x")
		r.ContentLength = length
		rec := httptest.NewRecorder()
		w.Handler.ServeHTTP(rec, r)
		if rec.Code != http.StatusRequestEntityTooLarge || read.total > 2<<20 {
			t.Errorf("length %d: %d after %d bytes\n%s", length, rec.Code, read.total, rec.Body)
		}
	}
}

// countingReader is a form whose file never ends, and counts what was read.
type countingReader struct{ left, total int }

func (c *countingReader) Read(p []byte) (int, error) {
	head := "--x\r\nContent-Disposition: form-data; name=\"pfxCertificate\"; filename=\"x\"\r\n\r\n"
	n := min(len(p), c.left)
	for i := range n {
		p[i] = 'x'
		if at := c.total + i; at < len(head) {
			p[i] = head[at]
		}
	}
	c.left -= n
	c.total += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// TestNothingLeaks: no password, PIN or key of a whole life is in the log.
func TestNothingLeaks(t *testing.T) {
	w := newWorld(t)
	const canary = "Canary-7d1f"
	json := with("Content-Type", "application/json")
	w.want(204, 0, "POST", w.path("/Role/User/ResetPin"), `"`+canary+`"`, json)
	w.want(400, provisioning.BadInput, "POST", w.path("/Role/User/ResetPin"), `"`+canary+strings.Repeat("x", 30)+`"`, json)
	w.want(400, provisioning.BadInput, "POST", w.path("/Role/User/ResetPin"), canary, json)
	body, h := form(t, "pfxCertificate", "openssl-p256.p12", password, canary)
	w.want(400, provisioning.BadInput, "POST", w.path("/Certificate"), body, h)
	w.askOnly(401, "GET", base+nowhere+"/TenantExchangePublicKey?password="+canary)
	w.want(401, provisioning.Unauthenticated, "GET", base+nowhere+"/TenantExchangePublicKey", "", with("Authorization", canary))
	_, made := w.ask("POST", "/IDPrimeVirtual/ApiManager/V1.0/Tenants/"+string(w.Tenant)+"/ApiKey/x", "", nil)
	log := w.Log.String()
	if strings.Contains(log, canary) || strings.Contains(log, provisioning.APIKeyPrefix) || strings.Contains(log, w.Key) {
		t.Errorf("the log has a secret:\n%s", log)
	}
	if !strings.Contains(log, w.token) || !strings.Contains(log, "status=204") || len(made) == 0 {
		t.Errorf("the log does not tell what happened:\n%s", log)
	}
}

// TestKinds: every kind of the core's errors has a status here.
func TestKinds(t *testing.T) {
	for _, k := range provisioning.Kinds() {
		if idprime.StatusOf(k) == 0 {
			t.Errorf("%v has no status", k)
		}
	}
}

// FuzzImportForm: no body of an import is more than refused.
func FuzzImportForm(f *testing.F) {
	good, h := form(f, "pfxCertificate", "openssl-p256.p12")
	f.Add(good, h.Get("Content-Type"), "correct-horse")
	f.Add("--x\r\n\r\n--x--", "multipart/form-data; boundary=x", "x")
	f.Add("", "", "\xff")
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, body, contentType, pw string) {
		r := httptest.NewRequestWithContext(context.Background(), "POST", "https://localhost"+w.path("/Certificate"), strings.NewReader(body))
		r.Header = http.Header{"Authorization": {w.Key}, "Content-Type": {contentType}, http.CanonicalHeaderKey(password): {pw}}
		rec := httptest.NewRecorder()
		w.Handler.ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
	})
}

// FuzzResetPin: no body of a reset is more than refused.
func FuzzResetPin(f *testing.F) {
	for _, seed := range []string{`"12345678"`, `"\u00e9\ud83d"`, `[[[`, ``, `12`, "\"\xff\xff\xff\xff\xff\xff\xff\xff\""} {
		f.Add(seed, "false")
	}
	f.Add(`"AAAA"`, "true")
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, body, encrypted string) {
		r := httptest.NewRequestWithContext(context.Background(), "POST", "https://localhost"+w.path("/Role/User/ResetPin"), strings.NewReader(body))
		r.Header = http.Header{"Authorization": {w.Key}, "X-Idprimevirtual-Isnewpasswordencrypted": {encrypted}}
		rec := httptest.NewRecorder()
		w.Handler.ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
	})
}
