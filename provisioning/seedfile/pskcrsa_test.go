package seedfile_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"hash"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/seedfile"
	"vtoken/vtoken/secret"
)

const rfcSeed = "12345678901234567890"

// encryptedFor is an encrypted value: the method, and what the key makes of it.
func encryptedFor(t *testing.T, key *rsa.PublicKey, method string, plain []byte) string {
	t.Helper()
	oaep := map[string]hash.Hash{"xmlenc#rsa-oaep-mgf1p": sha1.New(), "xmlenc11#rsa-oaep": sha256.New()}[method]
	var data []byte
	var err error
	if oaep == nil {
		//lint:ignore SA1019 files of that form are there
		data, err = rsa.EncryptPKCS1v15(rand.Reader, key, plain)
	} else {
		data, err = rsa.EncryptOAEP(oaep, rand.Reader, key, plain, nil)
	}
	require.NoError(t, err)
	hashes := ""
	if method == "xmlenc11#rsa-oaep" {
		hashes = `<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><MGF Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha256"/>`
	}
	return `<EncryptionMethod Algorithm="http://www.w3.org/2001/04/` + method + `">` + hashes + `</EncryptionMethod><CipherData><CipherValue>` +
		base64.StdEncoding.EncodeToString(data) + `</CipherValue></CipherData>`
}

// Values that are encrypted for a certificate (RFC 6030, section 6.3), and keys
// that are.
func TestPSKCForCertificate(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	inPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	wrong := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(other)})
	six := string(figure(t, "figure6"))
	files := map[string]string{}
	for _, method := range []string{"xmlenc#rsa_1_5", "xmlenc#rsa-oaep-mgf1p", "xmlenc11#rsa-oaep"} {
		files["value "+method] = `<KeyContainer Version="1.0"><EncryptionKey><X509Data><X509Certificate>MIIB</X509Certificate></X509Data></EncryptionKey>` +
			`<KeyPackage><DeviceInfo><SerialNo>1</SerialNo></DeviceInfo><Key Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp"><Data><Secret><EncryptedValue>` +
			encryptedFor(t, &key.PublicKey, method, []byte(rfcSeed)) + `</EncryptedValue></Secret></Data></Key></KeyPackage></KeyContainer>`
		files["key "+method] = strings.Replace(six, "<ds:KeyName>Pre-shared-key</ds:KeyName>",
			"<EncryptedKey>"+encryptedFor(t, &key.PublicKey, method, preShared)+"</EncryptedKey>", 1)
	}
	for name, file := range files {
		for form, options := range map[string]seedfile.Options{
			"PEM": {PrivateKey: bytes.Clone(inPEM)}, "DER": {PrivateKey: bytes.Clone(der)},
		} {
			f, err := seedfile.Read(t.Context(), seedfile.PSKC, []byte(file), options)
			if err != nil || len(f.Problems) > 0 || len(f.Tokens) != 1 || !f.Tokens[0].Seed.Equal(secret.Bytes(rfcSeed)) {
				t.Errorf("%s with the key in %s: %v, %+v", name, form, err, f)
			}
		}
		for want, options := range map[string]seedfile.Options{
			"give its private key": {Key: preShared}, "does not fit": {PrivateKey: bytes.Clone(wrong)}, "no RSA key": {PrivateKey: []byte("nonsense")},
		} {
			f, err := seedfile.Read(t.Context(), seedfile.PSKC, []byte(file), options)
			text := ""
			if err != nil {
				text = err.Error()
			} else if len(f.Tokens) == 0 && len(f.Problems) == 1 {
				text = f.Problems[0].Reason
			}
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q, want %q", name, text, want)
			}
		}
	}
	for want, change := range map[string][2]string{
		"not known": {"#sha256", "#md5"}, "not base64": {"<CipherValue>", "<CipherValue>!"},
	} {
		file := strings.Replace(files["value xmlenc11#rsa-oaep"], change[0], change[1], 1)
		f, err := seedfile.Read(t.Context(), seedfile.PSKC, []byte(file), seedfile.Options{PrivateKey: bytes.Clone(inPEM)})
		if err != nil || len(f.Problems) != 1 || !strings.Contains(f.Problems[0].Reason, want) {
			t.Errorf("%s: %v, %+v", want, err, f)
		}
	}
}
