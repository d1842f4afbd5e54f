package httpkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The names of the self-signed certificate and its key in the data folder.
const (
	CertFile = "api.crt"
	KeyFile  = "api.key"
)

// selfSignedFor is how long a self-signed certificate is good: clients pin it,
// so it has to outlive them.
const selfSignedFor = 10 * 365 * 24 * time.Hour

// SelfSigned returns the paths of a certificate and key for HTTPS in dir, made
// on first use for localhost, 127.0.0.1, ::1 and this machine's name. What is
// there is kept. A certificate without its key, or the other way round, is an
// error rather than replaced: somebody put it there.
func SelfSigned(dir string, now time.Time) (certFile, keyFile string, err error) {
	certFile, keyFile = filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile)
	haveCert, err := there(certFile)
	if err != nil {
		return "", "", err
	}
	haveKey, err := there(keyFile)
	switch {
	case err != nil:
		return "", "", err
	case haveCert && haveKey:
		return certFile, keyFile, nil
	case haveCert:
		return "", "", fmt.Errorf("%s is there and %s is not; put the key back, or remove the certificate to have both made anew", certFile, keyFile)
	}
	// A key alone is what a stop between the two writes leaves behind.
	certPEM, keyPEM, err := makeSelfSigned(now)
	if err != nil {
		return "", "", err
	}
	defer clear(keyPEM)
	if err := writeFile(keyFile, keyPEM, 0o600); err != nil {
		return "", "", err
	}
	return certFile, keyFile, writeFile(certFile, certPEM, 0o644)
}

func makeSelfSigned(now time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making the key of the API's certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, fmt.Errorf("making the serial number of the API's certificate: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "vtoken API"},
		NotBefore:    now.Add(-time.Hour), // clients whose clock is a little behind
		NotAfter:     now.Add(selfSignedFor),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},

		BasicConstraintsValid: true,
	}
	if host, err := os.Hostname(); err == nil && host != "" && host != "localhost" {
		t.DNSNames = append(t.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, nil, fmt.Errorf("signing the API's certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the key of the API's certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

func there(file string) (bool, error) {
	_, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// writeFile puts a whole file in place or none.
func writeFile(file string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return fmt.Errorf("making %s: %w", file, err)
	}
	defer os.Remove(tmp.Name()) // gone already where all went well
	if err := errors.Join(tmp.Chmod(mode), writeSync(tmp, data)); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return fmt.Errorf("putting %s in place: %w", file, err)
	}
	return nil
}

func writeSync(f *os.File, data []byte) error {
	_, err := f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
