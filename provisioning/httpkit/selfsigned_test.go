package httpkit_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/secret"
)

// memoryStore keeps a certificate, or fails.
type memoryStore struct {
	cert []byte
	key  secret.Bytes
	fail error
}

func (s *memoryStore) ServerCertificate() ([]byte, secret.Bytes, error) {
	return s.cert, s.key.Clone(), s.fail
}

func (s *memoryStore) PutServerCertificate(cert []byte, key secret.Bytes) error {
	if s.fail == nil {
		s.cert, s.key = cert, key.Clone()
	}
	return s.fail
}

func certIn(t *testing.T, dir string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, httpkit.CertFile))
	require.NoError(t, err)
	return text
}

func TestSelfSigned(t *testing.T) {
	dir, store, now := t.TempDir(), &memoryStore{}, time.Now()
	cert, err := httpkit.SelfSigned(dir, store, now)
	require.NoError(t, err)
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		require.NoError(t, cert.Leaf.VerifyHostname(host))
	}
	if host, err := os.Hostname(); err == nil && host != "" {
		require.NoError(t, cert.Leaf.VerifyHostname(host))
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1, "the certificate, and no key")
	block, _ := pem.Decode(certIn(t, dir))
	require.Equal(t, cert.Leaf.Raw, block.Bytes)

	again, err := httpkit.SelfSigned(dir, store, now.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, cert.Leaf.Raw, again.Leaf.Raw, "made once")

	require.NoError(t, os.Remove(filepath.Join(dir, httpkit.CertFile)))
	other, err := httpkit.SelfSigned(dir, store, now)
	require.NoError(t, err)
	require.NotEqual(t, cert.Leaf.Raw, other.Leaf.Raw, "who removes the certificate has another made, with another key")

	_, err = httpkit.SelfSigned(dir, &memoryStore{}, now)
	require.ErrorContains(t, err, "the store has no key for the certificate")
	_, err = httpkit.SelfSigned(filepath.Join(dir, "missing"), store, now)
	require.Error(t, err)
}

// older makes what an older version left in the folder.
func older(t *testing.T, dir string) tls.Certificate {
	t.Helper()
	made := &memoryStore{}
	cert, err := httpkit.SelfSigned(dir, made, time.Now())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "api.key"), made.key, 0o600))
	return cert
}

// TestOldKeyIsTakenOver: clients go on with the certificate that they know, and its key
// is in the store only.
func TestOldKeyIsTakenOver(t *testing.T) {
	dir, store := t.TempDir(), &memoryStore{}
	was := older(t, dir)
	left := filepath.Join(dir, ".api.key-123")
	require.NoError(t, os.WriteFile(left, []byte("-----BEGIN PRIVATE KEY-----"), 0o600))
	linked := filepath.Join(t.TempDir(), "linked") // still leads to the bytes of the file
	require.NoError(t, os.Link(filepath.Join(dir, "api.key"), linked))

	now, err := httpkit.SelfSigned(dir, store, time.Now())
	require.NoError(t, err)
	require.Equal(t, was.Leaf.Raw, now.Leaf.Raw)
	require.NotEmpty(t, store.key)
	require.NoFileExists(t, filepath.Join(dir, "api.key"))
	require.NoFileExists(t, left)
	bytes, err := os.ReadFile(linked)
	require.NoError(t, err)
	require.NotEmpty(t, bytes)
	require.Equal(t, make([]byte, len(bytes)), bytes, "overwritten")

	again, err := httpkit.SelfSigned(dir, store, time.Now())
	require.NoError(t, err)
	require.Equal(t, was.Leaf.Raw, again.Leaf.Raw)
}

// TestOldKeyStaysWhereItCannotBeStored: nothing is removed before it is stored.
func TestOldKeyStaysWhereItCannotBeStored(t *testing.T) {
	dir := t.TempDir()
	older(t, dir)
	full := errors.New("the disk is full")
	_, err := httpkit.SelfSigned(dir, &memoryStore{fail: full}, time.Now())
	require.ErrorIs(t, err, full)
	require.FileExists(t, filepath.Join(dir, "api.key"))
}

// TestOldKeyOfAnotherCertificate is an error, and nothing is lost.
func TestOldKeyOfAnotherCertificate(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	older(t, dir)
	older(t, elsewhere)
	require.NoError(t, os.Rename(filepath.Join(elsewhere, "api.key"), filepath.Join(dir, "api.key")))
	_, err := httpkit.SelfSigned(dir, &memoryStore{}, time.Now())
	require.ErrorContains(t, err, "take "+filepath.Join(dir, "api.key")+" into the store")
	require.FileExists(t, filepath.Join(dir, "api.key"))
}

// TestOldKeyAlone: a key without its certificate is what a kill left behind.
func TestOldKeyAlone(t *testing.T) {
	dir := t.TempDir()
	was := older(t, dir)
	require.NoError(t, os.Remove(filepath.Join(dir, httpkit.CertFile)))
	now, err := httpkit.SelfSigned(dir, &memoryStore{}, time.Now())
	require.NoError(t, err)
	require.NotEqual(t, was.Leaf.Raw, now.Leaf.Raw)
	require.NoFileExists(t, filepath.Join(dir, "api.key"))
	_, err = x509.ParseCertificate(now.Leaf.Raw)
	require.NoError(t, err)
}
