package tpm

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"vtoken/keystore/kek/kektest/swtpm"

	"github.com/stretchr/testify/require"
)

// wire is what goes between a program and its TPM, and can be listened to: an
// interposer on the bus of a chip, or a socket.
type wire struct {
	mu   sync.Mutex
	said bytes.Buffer
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said.Write(b)
}

func (w *wire) has(secret []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Contains(w.said.Bytes(), secret)
}

// tap listens between a TPM and who uses the socket that it returns.
func tap(t *testing.T, tpm *swtpm.TPM) (w *wire, socket string) {
	t.Helper()
	w, socket = new(wire), filepath.Join(filepath.Dir(tpm.Socket()), "tap")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	var pipes sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); pipes.Wait() })
	pipes.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", tpm.Socket())
			if err != nil {
				t.Error(err)
				_ = near.Close()
				return
			}
			pipe := func(to, from net.Conn) {
				_, _ = io.Copy(io.MultiWriter(to, w), from)
				_ = to.Close()
			}
			pipes.Go(func() { pipe(far, near) })
			pipes.Go(func() { pipe(near, far) })
		}
	})
	return w, socket
}

// TestNothingSecretOnTheWire: sessions encrypt the KEK, the auth value and the
// secret of a counter on their way, so that listening between program and TPM gives
// nothing.
func TestNothingSecretOnTheWire(t *testing.T) {
	w, socket := tap(t, start(t, swtpm.New))
	p := mustOpen(t, "tpm2:unix="+socket+"?pcrs=7&auth-file="+secretFile(t, "something secret"))
	wrapped, err := p.Wrap(t.Context(), key())
	require.NoError(t, err)
	b, err := parseBlob(wrapped)
	require.NoError(t, err)
	var unsealed []byte
	require.NoError(t, p.usePrimary(t.Context(), func(pr *primary) (err error) {
		unsealed, err = pr.unseal(b, p.auth)
		return err
	}))
	name, value, err := p.NewCounter(t.Context())
	require.NoError(t, err)
	next, err := p.IncrementCounter(t.Context(), name)
	require.NoError(t, err, "the counter is at %d after %d", next, value)
	require.Equal(t, value+1, next, "the counter is at %d after %d", next, value)
	c, err := parseCounter(name)
	require.NoError(t, err)
	require.Len(t, unsealed, keySize, "the wire is not listened to; the test tests nothing")
	require.True(t, w.has(b.private), "the wire is not listened to; the test tests nothing")
	for what, secret := range map[string][]byte{"KEK": unsealed, "auth value": p.auth, "counter's secret": c.auth, "root key": key()} {
		if w.has(secret) {
			t.Errorf("the %s went over the wire in the clear", what)
		}
	}
}
