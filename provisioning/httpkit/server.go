package httpkit

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"time"

	"vtoken/vtoken/secret"
)

// NewServer returns an HTTP server with bounds on everything that a client can hold. It
// serves TLS listeners and Unix sockets.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           newTurns().inTurn(onOwnStack(h)),
		ConnContext:       WithPeer,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		// What HTTP/2 would hold of requests that nobody reads yet.
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          64,
			MaxReceiveBufferPerConnection: 256 << 10,
			MaxReceiveBufferPerStream:     64 << 10,
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// onOwnStack runs handlers on stacks that are cleared: bodies may hold PINs and keys.
func onOwnStack(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret.OnOwnStack(func() { h.ServeHTTP(w, r) })
	})
}

// ClientCertificate returns the certificate whose key the client has proved to have, or
// nil. Its issuer and its validity are not checked.
func ClientCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

// TLSConfig returns a configuration for TLS 1.2 and later with Go's default ciphers. cert
// returns the certificate chain and its key for each new connection. Clients may present a
// certificate of any issuer, or none.
func TLSConfig(cert func() *tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert(), nil },
		ClientAuth:     tls.RequestClientCert,
		NextProtos:     []string{"h2", "http/1.1"},
	}
}
