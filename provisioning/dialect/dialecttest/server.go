package dialecttest

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/httpkit"
	"vtoken/provisioning/provtest"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Server is a dialect that can be asked. It is safe for concurrent use.
type Server struct {
	Store   *provtest.Store
	Core    *provisioning.Service
	Dialect dialect.Dialect
	Handler http.Handler
	// Tenant is the default tenant, Key an administrator's API key for it.
	Tenant record.TenantID
	Key    string
	// Log is everything that was logged.
	Log *Log
	// Succeeds reports whether an answer is a success, in a dialect whose status
	// does not say so; nil goes by the status. What a scene knows sets it.
	Succeeds func(status int, body []byte) bool

	t      testing.TB
	routes routers.Router
	mu     sync.Mutex
	served map[string]bool // ids of operations that were served
}

// URL is how clients reach the server, as far as it is told.
const URL = "https://tokens.example"

// New makes a server of a dialect.
func New(t testing.TB, make dialect.New) *Server {
	t.Helper()
	s := &Server{t: t, Store: provtest.New(), Log: &Log{}, served: map[string]bool{}}
	s.Core = provisioning.New(s.Store, provisioning.Options{})
	kit := &httpkit.Kit{Keys: s.Core, URL: URL, Log: slog.New(slog.NewTextHandler(s.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	s.Dialect = make(s.Core, kit)
	mux := http.NewServeMux()
	dialect.Mount(mux, s.Dialect)
	mux.Handle("/", kit.NotFound())
	s.Handler = kit.Wrap(httpkit.Exact(mux))

	tenant, err := s.Core.TenantNamed(t.Context(), provisioning.System("test"), record.DefaultTenant)
	require.NoError(t, err)
	s.Tenant = tenant.ID
	s.Key = s.NewKey(s.Tenant, record.RoleAdmin)
	s.routes = routesOf(t, Document(t, s.Dialect))
	return s
}

// NewKey makes an API key of the role for a tenant.
func (s *Server) NewKey(tenant record.TenantID, role record.Role) string {
	s.t.Helper()
	name := string(role) + " for tests"
	_, key, err := s.Core.CreateAPIKey(s.t.Context(), provisioning.System("test"), tenant, provisioning.NewAPIKey{Name: name, Role: role})
	require.NoError(s.t, err)
	return string(key)
}

// NewCredential makes a credential for the dialect, in the server's tenant, and
// returns it with its secret.
func (s *Server) NewCredential(n provisioning.NewAPIKey) (provisioning.APIKey, string) {
	s.t.Helper()
	n.Dialect = s.Dialect.Name()
	k, key, err := s.Core.CreateAPIKey(s.t.Context(), provisioning.System("test"), s.Tenant, n)
	require.NoError(s.t, err)
	return k, string(key)
}

// Document reads a dialect's document and checks that it is a good one.
func Document(t testing.TB, d dialect.Dialect) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(d.OpenAPI())
	require.NoError(t, err, "reading the document of %s", d.Name())
	require.NoError(t, doc.Validate(context.Background()), "the document of %s", d.Name())
	return doc
}

func routesOf(t testing.TB, doc *openapi3.T) routers.Router {
	t.Helper()
	r, err := legacy.NewRouter(doc)
	require.NoError(t, err, "the paths in the document")
	return r
}

// Do asks and checks the exchange against the document. A path that the document
// does not have must be refused.
func (s *Server) Do(r *http.Request) *http.Response {
	s.t.Helper()
	body, err := io.ReadAll(r.Body)
	require.NoError(s.t, err)
	described := r.Clone(r.Context())
	described.Body = io.NopCloser(bytes.NewReader(body))
	r.Body = io.NopCloser(bytes.NewReader(body))
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	answer := w.Result()
	if err := s.check(described, answer.StatusCode, answer.Header, w.Body.Bytes()); err != nil {
		s.t.Errorf("%s %s answers %d: %v\n%s", r.Method, r.URL.EscapedPath(), answer.StatusCode, err, w.Body)
	}
	return answer
}

// succeeded reports whether an answer is a success.
func (s *Server) succeeded(status int, body []byte) bool {
	if status < 400 && s.Succeeds != nil {
		return s.Succeeds(status, body)
	}
	return status < 400
}

// Log collects what is logged.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is the log so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// seal encrypts a text for the server's tenant.
func (s *Server) seal(text string) string {
	s.t.Helper()
	key, err := s.Core.ExchangeKey(s.t.Context(), provisioning.System("test"), s.Tenant)
	require.NoError(s.t, err)
	return Seal(s.t, key, secret.Bytes(text))
}

// options are how exchanges are checked: authentication is the server's to do.
func options() *openapi3filter.Options {
	return &openapi3filter.Options{
		AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
		IncludeResponseStatus: true,
	}
}
