package httpkit

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
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

	"vtoken/vtoken/secret"
)

// The names of the self-signed certificate in the data folder, and of its key, which
// older versions kept beside it in the clear.
const (
	CertFile   = "api.crt"
	oldKeyFile = "api.key"
)

// selfSignedFor is the lifetime of a self-signed certificate. It is long because clients
// pin the certificate.
const selfSignedFor = 10 * 365 * 24 * time.Hour

// CertificateStore stores a certificate and its private key, encrypted.
type CertificateStore interface {
	// ServerCertificate returns both in PEM, or nothing where none is stored.
	ServerCertificate() (cert []byte, key secret.Bytes, err error)
	// PutServerCertificate stores both before it returns.
	PutServerCertificate(cert []byte, key secret.Bytes) error
}

// SelfSigned returns the certificate of the API with its key. The key is in the store;
// the certificate is also in dir, for clients. If it is not in dir, it is created for
// localhost, 127.0.0.1, ::1 and the name of this machine. A certificate without its key
// is an error and is not replaced: somebody put it there. A plain key in dir is moved
// into the store, overwritten and removed.
func SelfSigned(dir string, store CertificateStore, now time.Time) (tls.Certificate, error) {
	certFile := filepath.Join(dir, CertFile)
	cert, err := readIfThere(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := takeOver(dir, cert, store); err != nil {
		return tls.Certificate{}, err
	}
	if cert == nil {
		return makeAndKeep(certFile, store, now)
	}
	kept, key, err := store.ServerCertificate()
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read the key of the API's certificate from the store: %w", err)
	}
	defer key.Wipe()
	if !bytes.Equal(kept, cert) {
		return tls.Certificate{}, fmt.Errorf(
			"the store has no key for the certificate %s; put the certificate back that the daemon made, or remove this one to have another made, or name your own with --tls-cert and --tls-key",
			certFile)
	}
	return pair(cert, key)
}

func pair(cert []byte, key secret.Bytes) (tls.Certificate, error) {
	c, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return c, fmt.Errorf("join the API's certificate and its key: %w", err)
	}
	return c, nil
}

// makeAndKeep creates a certificate. It writes to the store first, so that a certificate
// in the folder always has its key.
func makeAndKeep(certFile string, store CertificateStore, now time.Time) (tls.Certificate, error) {
	cert, key, err := makeSelfSigned(now)
	if err != nil {
		return tls.Certificate{}, err
	}
	defer key.Wipe()
	if err := store.PutServerCertificate(cert, key); err != nil {
		return tls.Certificate{}, fmt.Errorf("store the key of the API's certificate: %w", err)
	}
	if err := writeFile(certFile, cert, 0o644); err != nil {
		return tls.Certificate{}, err
	}
	return pair(cert, key)
}

// takeOver moves the key of an older version into the store, and removes it and what a
// killed daemon may have left of it.
func takeOver(dir string, cert []byte, store CertificateStore) error {
	keyFile := filepath.Join(dir, oldKeyFile)
	old, err := readIfThere(keyFile)
	if err != nil {
		return err
	}
	key := secret.Bytes(old)
	defer key.Wipe()
	if key != nil && cert != nil { // a key alone is what a kill between two writes left behind
		if _, err := pair(cert, key); err != nil {
			return fmt.Errorf("take %s into the store: %w", keyFile, err)
		}
		if err := store.PutServerCertificate(cert, key); err != nil {
			return fmt.Errorf("take %s into the store: %w", keyFile, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "."+oldKeyFile+"-*"))
	if key != nil {
		left = append(left, keyFile)
	}
	for _, file := range left {
		err = errors.Join(err, overwrite(file))
	}
	return err
}

// overwrite overwrites a file and removes it. The file system or the disk may keep other
// copies.
func overwrite(file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("overwrite %s: %w", file, err)
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.Write(make([]byte, info.Size()))
	}
	if err := errors.Join(err, f.Sync(), f.Close(), os.Remove(file)); err != nil {
		return fmt.Errorf("overwrite and remove %s, which is in the clear: %w", file, err)
	}
	return nil
}

func makeSelfSigned(now time.Time) (certPEM []byte, keyPEM secret.Bytes, err error) {
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
	defer clear(pkcs8)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

// readIfThere reads a file, nil where there is none.
func readIfThere(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// writeFile writes a whole file or none.
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
