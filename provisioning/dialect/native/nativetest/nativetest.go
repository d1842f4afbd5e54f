// Package nativetest serves the native API to tests: on a Unix socket and over
// HTTPS, on a core with a store in memory. It holds every exchange against the
// OpenAPI document.
package nativetest

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/dialect/all"
	"vtoken/provisioning/dialect/native"
	"vtoken/provisioning/httpkit"
	"vtoken/provisioning/provtest"
	"vtoken/vtoken/record"
)

// Server is a daemon's API without the daemon.
type Server struct {
	Store *provtest.Store
	Core  *provisioning.Service
	// Applications are those that use tokens.
	Applications *Applications
	// Socket is the admin socket: everybody who connects is an administrator.
	Socket string
	// URL is the HTTPS address, and CAFile its certificate.
	URL, CAFile string
	// Log is what was logged.
	Log *Log

	mu     sync.Mutex
	served map[string]bool // operations that succeeded
}

// Version is the version that the server tells.
const Version = "1.2.3"

// Metrics are the metrics that the server tells.
const Metrics = "# TYPE vtoken_sessions gauge\nvtoken_sessions 3\n"

// Start serves until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	dir := shortDir(t)
	store := provtest.New()
	apps := newApplications()
	core := provisioning.New(store, provisioning.Options{Applications: apps})
	s := &Server{
		Store: store, Applications: apps, Core: core, served: map[string]bool{}, Log: &Log{},
		Socket: filepath.Join(dir, "admin.sock"), CAFile: filepath.Join(dir, "api.crt"),
	}
	kit := &httpkit.Kit{
		Keys:  core,
		Admin: func(record.Peer) (provisioning.Caller, error) { return provisioning.System("test"), nil },
		Log:   slog.New(slog.NewTextHandler(s.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	served := native.New(core, kit, native.Info{
		Version: Version, StartedAt: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
		P11Socket: "/run/vtoken/p11.sock", AdminSocket: s.Socket, DataDir: dir, API: "https://localhost:8443",
		Dialects: []string{"native"}, AllDialects: all.Descriptions(), Keeper: Keeper{}, Audit: AuditLog{}, KEKs: newKEKs(),
		Metrics:  func(w io.Writer) error { _, err := io.WriteString(w, Metrics); return err },
		Clients:  func() api.Clients { return api.Clients{Applications: 2, Sessions: 3} },
		Restart:  func(context.Context) error { return nil },
		Recovery: func() (bool, error) { return false, nil },
		Rollback: func() (api.Rollback, error) {
			accepted := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
			return api.Rollback{Detected: true, KEK: "tpm2:device=/dev/tpmrm0", AcceptedAt: &accepted}, nil
		},
	})
	mux := http.NewServeMux()
	dialect.Mount(mux, served)
	mux.Handle("/", kit.NotFound())
	handler := s.check(t, served.OpenAPI(), kit.Wrap(httpkit.Exact(mux)))
	s.serveSocket(t, httpkit.NewServer(handler, kit.Log))
	s.serveHTTPS(t, handler)
	return s
}

func (s *Server) serveSocket(t testing.TB, server *http.Server) {
	l, err := net.Listen("unix", s.Socket)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
}

func (s *Server) serveHTTPS(t testing.TB, handler http.Handler) {
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelDebug)
	server.StartTLS()
	t.Cleanup(server.Close)
	s.URL = server.URL
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(s.CAFile, text, 0o600))
}

// Log collects what is logged.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
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

// Client is a client on the admin socket.
func (s *Server) Client(t testing.TB) *client.Client {
	c := client.Unix(s.Socket)
	t.Cleanup(c.Close)
	return c
}

// shortDir is a folder whose path leaves room for the name of a Unix socket,
// which may have 107 bytes in all.
func shortDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "native")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
