package harness

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// handshakeClients is how many connections there are at a time.
const handshakeClients = 4

// handshakeWithin is how long one connection may take. Only a server that hangs
// reaches it.
const handshakeWithin = 60 * time.Second

// Handshakes asks a TLS server again and again, each time on a new connection
// with a full handshake, so that it signs each time: by TLS 1.3 and by TLS 1.2
// with ECDSA and with RSA, in turn.
type Handshakes struct {
	Address string
	Roots   *x509.CertPool // the server's certificates, for localhost
	Count   int            // how many at least
	Reloads int            // how often Reload is called meanwhile, one after the other
	Reload  func() error
}

// Run makes the handshakes and counts them by version and by type of the
// certificate's key. It is an error if one of them went wrong.
func (h Handshakes) Run() (map[string]int, error) {
	kinds := []*tls.Config{TLS13(h.Roots), TLS12ECDSA(h.Roots), TLS12RSA(h.Roots)}
	jobs, reloaded := make(chan *tls.Config), make(chan error, 1)
	var tally tally
	var clients sync.WaitGroup
	for range handshakeClients {
		clients.Go(func() {
			for config := range jobs {
				tally.add(Handshake(h.Address, config))
			}
		})
	}
	go func() { reloaded <- h.reload() }()
	err := feed(h.Count, kinds, jobs, reloaded)
	clients.Wait()
	if err != nil {
		return nil, err
	}
	if tally.bad > 0 {
		return nil, fmt.Errorf("%d handshakes went wrong; the first: %w", tally.bad, tally.err)
	}
	return tally.count, nil
}

func (h Handshakes) reload() error {
	for n := range h.Reloads {
		if err := h.Reload(); err != nil {
			return fmt.Errorf("reload %d: %w", n+1, err)
		}
	}
	return nil
}

// feed hands out jobs until there were enough and the reloads are over.
func feed(count int, kinds []*tls.Config, jobs chan<- *tls.Config, reloaded <-chan error) error {
	defer close(jobs)
	over := false
	for n := 0; n < count || !over; {
		select {
		case err := <-reloaded:
			if err != nil {
				return err
			}
			over = true
		case jobs <- kinds[n%len(kinds)]:
			n++
		}
	}
	return nil
}

// TLS13 asks localhost for TLS 1.3.
func TLS13(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13}
}

// TLS12ECDSA asks localhost for TLS 1.2 with a signature by ECDSA.
func TLS12ECDSA(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
}

// TLS12RSA asks localhost for TLS 1.2 with a signature by RSA.
func TLS12RSA(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
}

// Handshake asks the server once for a page, on a new connection, and tells how it was.
func Handshake(address string, config *tls.Config) (kind string, err error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: handshakeWithin}, "tcp", address, config)
	if err != nil {
		return "", err
	}
	defer c.Close()
	state := c.ConnectionState()
	kind = fmt.Sprintf("%s %v", tls.VersionName(state.Version), state.PeerCertificates[0].PublicKeyAlgorithm)
	if err := c.SetDeadline(time.Now().Add(handshakeWithin)); err != nil {
		return kind, err
	}
	if _, err := fmt.Fprint(c, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"); err != nil {
		return kind, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return kind, fmt.Errorf("reading the answer after a handshake: %w", err)
	}
	return kind, answer.Body.Close()
}

// tally counts what was done, and keeps the first error.
type tally struct {
	mu    sync.Mutex
	count map[string]int
	err   error
	bad   int
}

func (t *tally) add(kind string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.bad++
		if t.bad == 1 {
			t.err = err
		}
		return
	}
	if t.count == nil {
		t.count = map[string]int{}
	}
	t.count[kind]++
}

func handshakesCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) == 3 {
		ts.Fatalf("usage: handshakes CERTIFICATES COUNT [RELOADS COMMAND [ARGUMENT...]]")
	}
	h := Handshakes{Address: "127.0.0.1:" + ts.Getenv("PORT"), Roots: x509.NewCertPool()}
	certificates, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if !h.Roots.AppendCertsFromPEM(certificates) {
		ts.Fatalf("%s holds no certificates", args[0])
	}
	h.Count, err = strconv.Atoi(args[1])
	ts.Check(err)
	if len(args) > 3 {
		h.Reloads, err = strconv.Atoi(args[2])
		ts.Check(err)
		h.Reload = func() error { return ts.Exec(args[3], args[4:]...) }
	}
	count, err := h.Run()
	ts.Check(err)
	for _, kind := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(ts.Stdout(), "%s: %d\n", kind, count[kind])
	}
}
