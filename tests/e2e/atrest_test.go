package e2e

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// auditorKey makes the key of an auditor, and its file.
func auditorKey(t *testing.T) (recipient, file string) {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	file = filepath.Join(t.TempDir(), "auditor.key")
	require.NoError(t, os.WriteFile(file, []byte("# made by a test\n"+key.String()+"\n"), 0o600))
	return key.Recipient().String(), file
}

// filesOf are the regular files below a folder and what is in them.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = string(text)
		return err
	}))
	return all
}

// TestNothingInClear reads the whole data folder of a daemon that has served both ways in,
// was killed, and was stopped: no file in it has a name, a label, a PIN, a serial number or
// a private key, the audit log included where it has an auditor.
func TestNothingInClear(t *testing.T) {
	t.Parallel()
	recipient, file := auditorKey(t)
	kek := filepath.Join(t.TempDir(), "kek.key")
	d := start(t, "--audit-recipient", recipient, "--kek", "file:"+kek)
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	_, err := tool(d, append(login("Card", harness.PIN), "--keypairgen", "--key-type", "EC:prime256v1", "--id", "01", "--label", "key")...)
	require.NoError(t, err)
	id, err := d.NewTokenFor("canary-login", "canary-label", "canary-PIN1", "canary-SOPIN1")
	require.NoError(t, err)
	vtoken(t, d, "tenant", "create", "canary-tenant")
	key := vtoken(t, d, "apikey", "create", "canary-apikey")
	var token struct{ Serial string }
	require.NoError(t, json.Unmarshal([]byte(vtoken(t, d, "token", "show", id, "-o", "json")), &token))
	require.NotEmpty(t, token.Serial)
	require.NoError(t, d.Kill())
	require.NoError(t, d.Start("--audit-recipient", recipient, "--kek", "file:"+kek))
	require.NoError(t, sign(d, "01", harness.PIN))

	// The auditor reads it, and nobody else; it verifies for everybody.
	require.NotContains(t, vtoken(t, d, "audit", "tail", "-n", "1000", "-o", "json"), token.Serial)
	require.Contains(t, vtoken(t, d, "audit", "tail", "-n", "1000", "-o", "json", "--identity", file), `"detail":"POST /v1/tokens"`)
	require.Contains(t, vtoken(t, d, "audit", "tail", "-n", "1000", "--identity", file), "login  ok")
	vtoken(t, d, "audit", "verify")
	vtoken(t, d, "audit", "verify", "--identity", file)
	_, other := auditorKey(t)
	_, err = d.Vtoken("audit", "tail", "--identity", other)
	require.ErrorContains(t, err, "it is encrypted to another key")
	_, err = d.Vtoken("audit", "verify", "--identity", other)
	require.Error(t, err)
	require.NoError(t, d.Stop())

	files := filesOf(t, d.DataDir)
	require.NotContains(t, files, "api.key")
	for _, name := range []string{"vtoken.db", "api.crt", "audit/audit-000000000001.log"} {
		require.Contains(t, files, name, "there is something to look at")
	}
	words := []string{
		"canary", harness.PIN, harness.SOPIN, key, token.Serial, id, strings.ReplaceAll(id, "-", ""), "PRIVATE KEY", "pkcs11-tool", "/v1/tokens",
	}
	for name, text := range files {
		for _, word := range words {
			require.False(t, strings.Contains(text, word), "%s has %q in the clear", name, word)
		}
	}
}

// TestAuditWithoutAuditor: what the audit log has in the clear is what docs/threat-model.md
// says, and no other file of the folder has any of it.
func TestAuditWithoutAuditor(t *testing.T) {
	t.Parallel()
	d := start(t)
	id, err := d.NewTokenFor("canary-login", "canary-label", "canary-PIN1", "canary-SOPIN1")
	require.NoError(t, err)
	require.NoError(t, d.Stop())
	for name, text := range filesOf(t, d.DataDir) {
		inLog := strings.HasPrefix(name, "audit/") && strings.HasSuffix(name, ".log")
		require.Equal(t, inLog, strings.Contains(text, id), "the id of a token in %s", name)
		require.NotContains(t, text, "canary", "in %s", name)
		require.NotContains(t, text, "PRIVATE KEY", "in %s", name)
	}
}

// TestOldAPIKeyIsSealed: the data folder of an older version has the key of the API in the
// clear. It is sealed at the next start; clients go on with the certificate that they know.
func TestOldAPIKeyIsSealed(t *testing.T) {
	t.Parallel()
	other := start(t)
	require.NoError(t, other.Stop())
	d := start(t)
	require.NoError(t, d.Stop())
	// The pair that an older version would have left: made with openssl.
	certFile, keyFile := filepath.Join(d.DataDir, "api.crt"), filepath.Join(d.DataDir, "api.key")
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=vtoken API",
		"-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", keyFile, "-out", certFile).CombinedOutput()
	require.NoError(t, err, "%s", out)
	was, err := os.ReadFile(certFile)
	require.NoError(t, err)
	require.NoError(t, d.Start())
	require.NoFileExists(t, keyFile)
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte(vtoken(t, d, "apikey", "create", "monitor")), 0o600))
	ca := filepath.Join(t.TempDir(), "ca.crt")
	require.NoError(t, os.WriteFile(ca, was, 0o600))
	for range 2 {
		vtoken(t, d, "token", "list", "--api", d.API, "--ca-file", ca, "--api-key-file", key)
		require.NoError(t, d.Stop())
		require.NoError(t, d.Start())
	}
	require.NoError(t, d.Stop())
	// Who puts another certificate there is told.
	theirs, err := os.ReadFile(filepath.Join(other.DataDir, "api.crt"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certFile, theirs, 0o644))
	require.ErrorContains(t, d.Start(), "the store has no key for the certificate")
	require.NoError(t, os.Remove(certFile))
	require.NoError(t, d.Start())
	require.NoError(t, d.Stop())
}
