package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"vtoken/vtoken/secret"
)

// Unix returns a client for the daemon on the admin socket with that path. It sends
// nothing yet.
func Unix(socket string) *Client {
	var d net.Dialer
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := d.DialContext(ctx, "unix", socket)
			if err != nil {
				return nil, err
			}
			if err := checkServer(conn.(*net.UnixConn), os.Geteuid()); err != nil {
				conn.Close()
				return nil, err
			}
			return conn, nil
		},
		IdleConnTimeout: time.Minute,
	}
	return &Client{
		http:  newHTTP(t),
		base:  &url.URL{Scheme: "http", Host: "localhost"},
		where: socket,
	}
}

// foreignError says that another user's process serves the socket. An administrator must
// not send it PINs and PFX files.
type foreignError struct {
	server uint32
	self   int
}

func (e *foreignError) Error() string {
	return fmt.Sprintf(
		"it is served by the user %d, who is neither root nor you (%d): nothing was sent; to administer the daemon of that user, run this as that user",
		e.server, e.self)
}

// checkServer asks the kernel for the process that serves the connection, as
// p11module/remote does.
func checkServer(conn *net.UnixConn, self int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *syscall.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		peer, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if failed != nil {
		return os.NewSyscallError("getsockopt SO_PEERCRED", failed)
	}
	if peer.Uid != 0 && int(peer.Uid) != self {
		return &foreignError{peer.Uid, self}
	}
	return nil
}

// HTTPS returns a client for the daemon at an https URL, with an API key. roots are the
// trusted certificates; nil is those of the system. It sends nothing yet.
func HTTPS(address string, key secret.Bytes, roots *x509.CertPool) (*Client, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the address of the API: %w", err)
	case u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("the address of the API is like https://host:8443, not %q", address)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the address of the API has a host, a port and a path only; the key goes into a file")
	case len(key) == 0:
		return nil, errors.New("the API over HTTPS needs an API key; make one on its machine with: vtoken apikey create NAME")
	}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     time.Minute,
		ForceAttemptHTTP2:   true,
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return &Client{http: newHTTP(t), base: u, where: u.String(), key: key}, nil
}

// newHTTP follows no redirect, which could carry the API key or a PIN elsewhere.
func newHTTP(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     t,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ReadRoots reads trusted certificates from a PEM file.
func ReadRoots(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the certificates to trust: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf(
			"read the certificates to trust: %s holds no certificate in PEM form; the daemon's own is api.crt in its data folder",
			file)
	}
	return roots, nil
}

// notSent returns the error of a request that got no answer. It leaves out the request's
// URL, which the user did not choose.
func (c *Client) notSent(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var cert *tls.CertificateVerificationError
	var foreign *foreignError
	switch {
	case errors.As(err, &foreign):
		return fmt.Errorf("use the admin socket %s: %w", c.where, foreign)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open %s: %w", c.where, ErrAccess)
	case errors.As(err, &cert):
		return fmt.Errorf("trust the certificate of %s: %w", c.where, cert.Err)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fmt.Errorf("%w at %s (%v)", ErrUnreachable, c.where, rootCause(err))
}

// rootCause returns the innermost error: "connection refused" without the words that the
// net package puts before it.
func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
