package dialecttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Certify issues a certificate for a request in PEM, as a CA of the test, and returns it
// in PEM, followed by the CA's.
func Certify(t testing.TB, request string) []byte {
	t.Helper()
	chain, err := certify([]byte(request))
	require.NoError(t, err, "issuing a certificate")
	return chain
}

func certify(request []byte) ([]byte, error) {
	block, _ := pem.Decode(request)
	if block == nil {
		return nil, fmt.Errorf("no PEM: %.100q", request)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, err
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(0xCA), Subject: pkix.Name{CommonName: "CA of the tests"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(0x1EAF), RawSubject: csr.RawSubject, ExtraExtensions: csr.Extensions,
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
	}
	var text []byte
	for _, c := range []struct {
		template *x509.Certificate
		key      any
	}{{leaf, csr.PublicKey}, {ca, caKey.Public()}} {
		der, err := x509.CreateCertificate(rand.Reader, c.template, ca, c.key, caKey)
		if err != nil {
			return nil, err
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text, nil
}
