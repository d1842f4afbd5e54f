package e2e

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// TestDataFolderShowsNothing fills a token with things that are easy to
// recognize and looks for them in every file of the data folder and in the log,
// in the forms in which they could be there.
func TestDataFolderShowsNothing(t *testing.T) {
	t.Parallel()
	d := start(t, "--log-level", "debug")
	const pin, soPIN, password = "Canary-PIN-17", "C0FFEEC0FFEEC0FFEEC0FFEEC0FFEEC0FFEEC0FFEEC0FFEE", "Canary-Password"
	pfx := harness.PFX{Key: "rsa:2048", Subject: "/CN=Canary-Subject", Name: "Canary-Friendly", Password: password}
	require.NoError(t, pfx.Write(d.Dir, "canary"))
	secrets := map[string][]byte{
		"user PIN": []byte(pin), "SO PIN": []byte(soPIN), "PFX password": []byte(password),
		"API key": []byte(fill(t, d, pin, soPIN, password)),
	}
	names := map[string][]byte{
		"label": []byte("Canary-Label"), "subject": []byte("Canary-Subject"), "issuer": []byte("Canary Intermediate"),
		"friendly name": []byte("Canary-Friendly"), "object label": []byte("Canary-Object"),
	}
	for name, prime := range privateNumbers(t, d, password) {
		secrets[name] = prime
	}
	require.NoError(t, d.Stop())

	looked := 0
	require.NoError(t, filepath.WalkDir(d.DataDir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		looked += len(content)
		for _, canaries := range []map[string][]byte{secrets, names} {
			find(t, path, content, canaries)
		}
		return err
	}))
	require.GreaterOrEqual(t, looked, 10_000, "bytes of the data folder")
	find(t, "the log", []byte(d.Log()), secrets)
}

// fill puts everything on a token, partly over the CLI and partly as a client,
// and returns an API key.
func fill(t *testing.T, d *harness.Daemon, pin, soPIN, password string) string {
	t.Helper()
	files := map[string]string{}
	for name, secret := range map[string]string{"pin": pin, "so": soPIN, "password": password} {
		files[name] = filepath.Join(d.Dir, "canary."+name)
		require.NoError(t, os.WriteFile(files[name], []byte(secret), 0o600))
	}
	require.NoError(t, d.NewUser(me(t)))
	id, err := d.Vtoken("token", "create", "--user", me(t), "--label", "Canary-Label",
		"--user-pin-file", files["pin"], "--so-pin-file", files["so"])
	require.NoError(t, err)
	_, err = d.Vtoken("token", "import", id, "--pfx", filepath.Join(d.Dir, "canary.pfx"), "--pfx-password-file", files["password"])
	require.NoError(t, err)
	_, err = d.Vtoken("token", "complete", id)
	require.NoError(t, err)
	key, err := d.Vtoken("apikey", "create", "canary")
	require.NoError(t, err)
	_, err = tool(d, append(login("Canary-Label", pin), "--keypairgen", "--key-type", "EC:prime256v1", "--id", "77", "--label", "Canary-Object")...)
	require.NoError(t, err)
	out, err := tool(d, append(login("Canary-Label", "Canary-PIN-18"), "-O")...)
	require.Error(t, err, "a wrong PIN was taken:\n%s", out)
	return key
}

// privateNumbers are the secret numbers of the imported key.
func privateNumbers(t *testing.T, d *harness.Daemon, password string) map[string][]byte {
	t.Helper()
	c := exec.Command("openssl", "pkcs12", "-in", filepath.Join(d.Dir, "canary.pfx"), "-nodes", "-nocerts", "-passin", "env:PASSWORD")
	c.Env = append(os.Environ(), "PASSWORD="+password)
	out, err := c.Output()
	require.NoError(t, err)
	block, _ := pem.Decode(out)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	k := key.(*rsa.PrivateKey)
	return map[string][]byte{"private exponent": k.D.Bytes(), "prime p": k.Primes[0].Bytes(), "prime q": k.Primes[1].Bytes()}
}

// find reports canaries in any of the forms that programs give to bytes.
func find(t *testing.T, where string, content []byte, canaries map[string][]byte) {
	t.Helper()
	lower := bytes.ToLower(content)
	for name, canary := range canaries {
		forms := map[string][]byte{
			"as it is":  canary,
			"in hex":    []byte(hex.EncodeToString(canary)),
			"in base64": []byte(base64.StdEncoding.EncodeToString(canary)[:len(canary)]),
			"in UTF-16": wide(canary),
		}
		for form, b := range forms {
			if bytes.Contains(content, b) || form == "in hex" && bytes.Contains(lower, b) {
				t.Errorf("%s shows the %s %s", where, name, form)
			}
		}
	}
}

// wide is text in UTF-16, as the passwords of PFX files are.
func wide(text []byte) []byte {
	var b bytes.Buffer
	for _, u := range utf16.Encode([]rune(strings.ToValidUTF8(string(text), "?"))) {
		b.WriteByte(byte(u >> 8))
		b.WriteByte(byte(u))
	}
	return b.Bytes()
}
