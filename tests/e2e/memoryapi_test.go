package e2e

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"software.sslmate.com/src/go-pkcs12"

	"vtoken/keystore"
	kekall "vtoken/keystore/kek/all"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// addKey adds the private numbers of a key in the forms that they have: as bytes, and
// in base64 as part of the key's PKCS #8.
func (n numbers) addKey(t *testing.T, name string, key any) {
	t.Helper()
	attrs, err := object.PrivateTemplate(key)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for _, a := range attrs {
		if !object.IsSecret(ck.CKO_PRIVATE_KEY, a.Type) {
			continue
		}
		what := fmt.Sprintf("%s %v", name, a.Type)
		n[what] = bytes.Clone(a.Value)
		if at := (bytes.Index(der, a.Value) + 2) / 3 * 3; at >= 3 { // base64 has groups of three
			n[what+" in base64"] = []byte(base64.StdEncoding.EncodeToString(der[at : at+24]))
		}
	}
}

// addText adds a password as UTF-8, and as a PFX has it.
func (n numbers) addText(name, text string) {
	n[name] = []byte(text)
	var wide []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		wide = append(wide, byte(unit>>8), byte(unit))
	}
	n[name+" in a PFX"] = wide
}

// brought is a token whose keys come by the API, and what must not stay of them.
type brought struct {
	*testing.T
	d       *harness.Daemon
	token   string
	user    string
	api     *vendors
	secrets numbers
	ca      *ecdsa.PrivateKey
}

// TestMemoryOfAPI reads the memory of the daemon after keys came by its APIs: of what
// was imported, made with its request, or read for a check or a backup, nothing stays.
func TestMemoryOfAPI(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"libcrypto", "go"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			testMemoryOfAPI(t, false, "--crypto", provider)
		})
	}
	t.Run("PIN-bound", func(t *testing.T) {
		t.Parallel()
		testMemoryOfAPI(t, true)
	})
}

func testMemoryOfAPI(t *testing.T, bound bool, flags ...string) {
	d, api := withVendors(t, flags...)
	vtoken(t, d, "tenant", "policy", "default", fmt.Sprintf("--pin-bound=%v", bound))
	ca, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	b := &brought{T: t, d: d, api: api, secrets: numbers{"user PIN": []byte(memoryPIN), "SO PIN": []byte(memorySOPIN)}, ca: ca}
	b.create()
	labels := map[string]ck.MechanismType{}
	for label, key := range b.keys() {
		labels[label] = ck.CKM_ECDSA_SHA256
		if _, ok := key.(*rsa.PrivateKey); ok {
			labels[label] = ck.CKM_SHA256_RSA_PKCS
		}
		b.importPFX(label, key)
	}
	api.c.CloseIdleConnections() // a connection has its last request in its buffers
	b.gone("after a token was made, and PFX files were imported")

	labels["csr-rsa"], labels["csr-ec"] = ck.CKM_SHA256_RSA_PKCS, ck.CKM_ECDSA_SHA256
	requests := map[string][2]string{"csr-rsa": b.request("csr-rsa", "rsa:2048"), "csr-ec": b.request("csr-ec", "ec:P-256")}
	b.learn()
	b.gone("after keys were made with their requests, and a backup")
	for _, r := range requests {
		b.issue(r)
	}
	vtoken(t, d, "token", "complete", b.token)
	vtoken(t, d, "check")
	b.gone("after keys got their certificates, and a check of the store")

	c, s := memoryLogin(t, d)
	defer c.Close()
	for label, m := range labels {
		signWith(t, c, s, label, m)
	}
	found := b.secrets.in(memoryOf(t, d.PID()))
	t.Logf("in use: %v", found)
	for label, m := range labels {
		name := label + " " + ck.CKA_VALUE.String()
		if m == ck.CKM_SHA256_RSA_PKCS {
			name = label + " " + ck.CKA_PRIME_1.String()
		}
		if found[name] == 0 {
			t.Errorf("the test does not see the key that is in use: %s", name)
		}
	}
	require.NoError(t, c.Logout(s))
	b.gone("after logout")
}

func (b *brought) gone(when string) {
	b.Helper()
	gone(b.T, b.d, b.secrets, when)
}

func (b *brought) file(name, text string) string {
	b.Helper()
	path := filepath.Join(b.d.Dir, name)
	require.NoError(b.T, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// create makes the token for the user that runs the test.
func (b *brought) create() {
	b.Helper()
	b.user = me(b.T)
	require.NoError(b.T, b.d.NewUser(b.user))
	b.token = vtoken(b.T, b.d, "token", "create", "--user", b.user, "--label", "Card", "--quiet",
		"--user-pin-file", b.file("pin", memoryPIN), "--so-pin-file", b.file("so-pin", memorySOPIN))
}

// keys are the keys that come in PFX files.
func (b *brought) keys() map[string]crypto.Signer {
	b.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(b.T, err)
	r2, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(b.T, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b.T, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(b.T, err)
	return map[string]crypto.Signer{"pfx-rsa": r, "pfx-p256": p256, "vendor-rsa": r2, "vendor-p384": p384}
}

// importPFX imports a key by the command, or by a vendor's API. It is refused with a
// wrong password, and when it comes again.
func (b *brought) importPFX(label string, key crypto.Signer) {
	b.Helper()
	password := "Canary of " + label + " 7Kq"
	b.secrets.addKey(b.T, label, key)
	b.secrets.addText("password of "+label, password)
	cert, err := x509.ParseCertificate(b.certificate(label, key.Public()))
	require.NoError(b.T, err)
	pfx, err := pkcs12.Modern.Encode(key, cert, nil, password)
	require.NoError(b.T, err)
	file, right, wrong := b.file(label+".pfx", string(pfx)), b.file(label+".password", password), b.file("wrong", "Wrong "+password)
	for i, with := range []string{wrong, right, right} {
		var err error
		if strings.HasPrefix(label, "vendor") {
			err = b.importAsVendor(pfx, with)
		} else {
			_, err = b.d.Vtoken("token", "import", b.token, "--pfx", file, "--pfx-password-file", with)
		}
		if (err == nil) != (i == 1) {
			b.Errorf("import %d of %s: %v", i, label, err)
		}
	}
}

// importAsVendor is operation 4 of IDPrime.
func (b *brought) importAsVendor(pfx []byte, passwordFile string) error {
	b.Helper()
	password, err := os.ReadFile(passwordFile)
	require.NoError(b.T, err)
	tenant, err := b.d.Tenant()
	require.NoError(b.T, err)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("pfxCertificate", "pfx")
	require.NoError(b.T, err)
	_, err = part.Write(pfx)
	require.NoError(b.T, err)
	require.NoError(b.T, form.Close())
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.d.API+"/IDPrimeVirtual/Provisioning/V2.0/Tenants/"+tenant+"/Users/"+b.user+"/Tokens/"+b.token+"/Certificate", &body)
	require.NoError(b.T, err)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Authorization", b.api.auth["idprime"])
	r.Header.Set("X-IDPrimeVirtual-CertificatePassword", string(password))
	answer, err := b.api.c.Do(r)
	require.NoError(b.T, err)
	_, err = io.Copy(io.Discard, answer.Body) // so that the connection is kept
	require.NoError(b.T, err)
	require.NoError(b.T, answer.Body.Close())
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", answer.Status)
	}
	return nil
}

// certificate has our CA certify a key.
func (b *brought) certificate(name string, key crypto.PublicKey) []byte {
	b.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: pkix.Name{CommonName: "CA"}}, key, b.ca)
	require.NoError(b.T, err)
	return der
}

// request has a key made, and returns its id and its request.
func (b *brought) request(name, kind string) [2]string {
	b.Helper()
	text := vtoken(b.T, b.d, "token", "csr", b.token, "--subject", "CN="+name, "--type", kind, "-o", "json")
	var made struct {
		PEM string
		Key struct{ ID string }
	}
	require.NoError(b.T, json.Unmarshal([]byte(text), &made))
	return [2]string{made.Key.ID, made.PEM}
}

// issue certifies a request and stores the certificate.
func (b *brought) issue(request [2]string) {
	b.Helper()
	block, _ := pem.Decode([]byte(request[1]))
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	require.NoError(b.T, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.certificate(csr.Subject.CommonName, csr.PublicKey)})
	vtoken(b.T, b.d, "token", "put-cert", b.token, "--key", request[0], "--cert", b.file("issued.pem", string(cert)))
}

// learn finds out the keys that wait for their certificates: it opens a backup with
// the daemon's KEK.
func (b *brought) learn() {
	b.Helper()
	file, kek := filepath.Join(b.d.Dir, "learn.backup"), "file:"+filepath.Join(b.d.DataDir, "kek.key")
	vtoken(b.T, b.d, "backup", file)
	dir := filepath.Join(b.d.Dir, "learned")
	vtoken(b.T, b.d, "restore", file, "--data-dir", dir, "--kek", kek)
	store, err := keystore.Open(b.Context(), keystore.Options{Dir: dir, KEKs: []string{kek}, Providers: kekall.Providers()})
	require.NoError(b.T, err)
	defer store.Close()
	require.NoError(b.T, store.View(func(tx *keystore.Tx) error {
		tenants, err := tx.Tenants()
		require.NoError(b.T, err)
		list, err := tx.PendingKeys(tenants[0].ID)
		require.NoError(b.T, err)
		for _, waiting := range list {
			k, err := tx.PendingKey(waiting.ID)
			require.NoError(b.T, err)
			key, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
			require.NoError(b.T, err)
			name := "csr-ec"
			if _, ok := key.(*rsa.PrivateKey); ok {
				name = "csr-rsa"
			}
			b.secrets.addKey(b.T, name, key)
		}
		return nil
	}))
}
