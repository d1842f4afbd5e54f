package nativetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"software.sslmate.com/src/go-pkcs12"
)

// The serial numbers of the certificates in a PFX of this package.
const (
	LeafSerial = "1A2B3C"
	CASerial   = "0CA0"
)

// PFX is a PFX file with an EC key, its certificate and that of its CA.
func PFX(t testing.TB, password string) []byte {
	t.Helper()
	caKey, key := newKey(t), newKey(t)
	ca := newCertificate(t, template("Test CA", 0x0CA0), nil, caKey, caKey)
	leaf := newCertificate(t, template("alice", 0x1A2B3C), ca, key, caKey)
	file, err := pkcs12.Modern.Encode(key, leaf, []*x509.Certificate{ca}, password)
	require.NoError(t, err)
	return file
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func template(name string, serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: name == "Test CA", BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// newCertificate is signed by its parent, or by itself where that is nil.
func newCertificate(t testing.TB, c, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	made, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return made
}
