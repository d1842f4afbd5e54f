package native

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/httpkit"
	"vtoken/provisioning/provtest"
	"vtoken/vtoken/record"
)

// FuzzRequest sends bodies to every operation. None of them is a fault of ours.
func FuzzRequest(f *testing.F) {
	routes := (&Handler{}).routes()
	seeds := 0
	for i, r := range routes {
		for _, body := range []string{"", "{}", `{"login":"bob"}`, `{"user":"alice","userPin":"12345678","complete":true}`,
			`{"role":"user","pin":"12345678"}`, `{"label":"x"}`, `{"enabled":false}`, `{"name":"n","expiresAt":"2099-01-01T00:00:00Z"}`,
			`{"user":"alice","otp":{"seedHex":"31323334353637383930","digits":8,"period":30}}`, `{"first":"000000","next":"111111"}`,
			`{"subject":"CN=x","type":"ec:P-256","emails":["x@example.com"]}`, `{"pem":"-----BEGIN CERTIFICATE-----"}`} {
			f.Add(byte(i), "limit=1", body)
			seeds++
		}
		if r.path == "" {
			f.Fatal("a route without path")
		}
	}
	if seeds < 100 {
		f.Fatalf("only %d seeds", seeds)
	}
	f.Fuzz(func(t *testing.T, which byte, query, body string) {
		mux, token, key := served(t)
		r := routes[int(which)%len(routes)]
		path := strings.NewReplacer("{tokenId}", token, "{user}", "alice", "{tenant}", "default", "{name}", "key", "{kek}", "kek", "{application}", "x").Replace(r.path)
		req := httptest.NewRequest(r.method, api.Prefix+path, strings.NewReader(body))
		req.URL.RawQuery = query
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", key)
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, req)
		if answer.Code >= http.StatusInternalServerError && answer.Code != http.StatusNotImplemented {
			t.Errorf("%s %s: %d %s", r.method, req.URL, answer.Code, answer.Body)
		}
	})
}

// emptyStore is a store with nothing in it.
type emptyStore struct{}

func (emptyStore) Check(context.Context) (api.Check, error) { return api.Check{}, nil }
func (emptyStore) Backup(context.Context, io.Writer) error  { return nil }

func (emptyStore) List(context.Context) ([]api.KEK, error)          { return []api.KEK{}, nil }
func (emptyStore) Add(context.Context, api.NewKEK) (api.KEK, error) { return api.KEK{}, nil }
func (emptyStore) Remove(context.Context, string) (string, error)   { return "", nil }
func (emptyStore) Rotate(context.Context) error                     { return nil }
func (emptyStore) RotationLeft() (int, error)                       { return 0, nil }
func (emptyStore) RenewKeys(context.Context, record.TenantID) error { return nil }
func (emptyStore) RenewalLeft() (int, error)                        { return 0, nil }

// emptyLog is an audit log with nothing in it.
type emptyLog struct{}

func (emptyLog) Lines(context.Context, uint64, int, time.Duration) ([]json.RawMessage, uint64, error) {
	return nil, 0, nil
}
func (emptyLog) Newest() uint64                                  { return 0 }
func (emptyLog) Verify(context.Context) (api.AuditReport, error) { return api.AuditReport{}, nil }
func (emptyLog) Archive(uint64, string) (uint64, error)          { return 0, nil }

// served is the API with one user and one token in it, for a caller who may do
// everything.
func served(t *testing.T) (mux http.Handler, token, key string) {
	core := provisioning.New(provtest.New(), provisioning.Options{})
	system := provisioning.System("test")
	kit := &httpkit.Kit{Keys: core, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	tenant, err := core.TenantNamed(t.Context(), system, "")
	require.NoError(t, err)
	_, err = core.CreateUser(t.Context(), system, tenant.ID, "alice")
	require.NoError(t, err)
	made, err := core.CreateToken(t.Context(), system, provisioning.NewToken{Tenant: tenant.ID, User: "alice"})
	require.NoError(t, err)
	_, secret, err := core.CreateAPIKey(t.Context(), system, tenant.ID, provisioning.NewAPIKey{Name: "key", Role: record.RoleSystem})
	require.NoError(t, err)
	served := http.NewServeMux()
	New(core, kit, Info{Keeper: emptyStore{}, Audit: emptyLog{}, KEKs: emptyStore{}, Metrics: func(io.Writer) error { return nil }}).Mount(served)
	return kit.Wrap(served), string(made.ID), string(secret)
}

// FuzzForm reads forms. What is read is within its bounds and was in the body.
func FuzzForm(f *testing.F) {
	part := func(name, body string) string {
		return "--x\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + body + "\r\n"
	}
	for _, seed := range []string{
		part("pfx", "file") + part("password", "secret") + "--x--\r\n",
		part("pfx", "a") + part("pfx", "b") + "--x--\r\n",
		part("password", strings.Repeat("p", maxPassword+1)) + "--x--\r\n",
		"--x\r\n\r\n--x--", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		file, password, err := readPFX(&request{http: req})
		if err != nil {
			var e *provisioning.Error
			if !errors.As(err, &e) || e.Kind != provisioning.BadInput && e.Kind != provisioning.TooLarge {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		if len(file) == 0 || len(password) > maxPassword || !bytes.Contains(body, file) || !bytes.Contains(body, password) {
			t.Errorf("read %d and %d bytes that are not in the form", len(file), len(password))
		}
	})
}
