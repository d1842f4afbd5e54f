package main

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
	"os"
	"path/filepath"
	"time"
)

// The names of a TLS client certificate and its key in their folder.
const (
	clientCertFile = "client.crt"
	clientKeyFile  = "client.key"
)

// clientCertFor is the lifetime of a client certificate whose credential does not expire.
const clientCertFor = 10 * 365 * 24 * time.Hour

// newClientCertificate makes a key and a self-signed certificate, and writes both to a
// folder, which it creates if necessary. It overwrites no file. It returns the
// certificate and remove, which deletes both files. The daemon trusts the certificate
// itself, so nobody has to sign it; the key stays here.
func newClientCertificate(dir, name string, expires *time.Time) (certificate string, remove func(), err error) {
	certPEM, keyPEM, err := makeClientCertificate(name, expires)
	if err != nil {
		return "", nil, fmt.Errorf("making the client certificate: %w", err)
	}
	defer clear(keyPEM)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("making the folder of the client certificate: %w", err)
	}
	cert, key := filepath.Join(dir, clientCertFile), filepath.Join(dir, clientKeyFile)
	if err := writeNew(key, keyPEM, 0o600); err != nil {
		return "", nil, err
	}
	if err := writeNew(cert, certPEM, 0o644); err != nil {
		return "", nil, errors.Join(err, os.Remove(key))
	}
	return string(certPEM), func() { _, _ = os.Remove(cert), os.Remove(key) }, nil
}

func makeClientCertificate(name string, expires *time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour), // a daemon whose clock is a little behind
		NotAfter:     now.Add(clientCertFor),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},

		BasicConstraintsValid: true,
	}
	if expires != nil {
		t.NotAfter = *expires
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	defer clear(pkcs8)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

// writeNew writes a file that must not exist.
func writeNew(file string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; give another folder, or take it away", file)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", file, errors.Join(err, os.Remove(file)))
	}
	return nil
}
