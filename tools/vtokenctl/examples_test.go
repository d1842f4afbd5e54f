package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/provisioning/dialect/native/nativetest"
)

// exampleID is the token of the examples.
const exampleID = "5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10"

// exampleKey is the key of the examples that waits for its certificate.
const exampleKey = "0e8b2c51-93d4-4f0e-8f5b-6a1d7c2e4b90"

// TestExamples runs every example of every help text in a shell, each against a
// daemon's API of its own that has what the example speaks of.
func TestExamples(t *testing.T) {
	var run int
	for _, cmd := range leaves(newRoot(&app{})) {
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		if cmd.Name() == "restart" {
			continue // of a real daemon: TestPlannedRestart in tests/e2e
		}
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			run++
			t.Run(strings.TrimSpace(line), func(t *testing.T) { runExample(t, strings.TrimSpace(line)) })
		}
	}
	if run < 20 {
		t.Errorf("only %d examples were found", run)
	}
}

// auditorKey is a new key of an auditor, as age-keygen writes it.
func auditorKey(t *testing.T) string {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	return "# created: 2026-11-30T12:00:00Z\n# public key: " + key.Recipient().String() + "\n" + key.String() + "\n"
}

func runExample(t *testing.T, line string) {
	t.Parallel()
	s := nativetest.Start(t)
	dir := t.TempDir()
	id := prepare(t, s.Client(t), line)
	for name, text := range map[string]string{
		"alice.pin": "87654321\n", "so.pin": "so-87654321\n", "alice.password": "open sesame\n",
		"alice.pfx":  string(nativetest.PFX(t, "open sesame")),
		"alice.seed": rfcSeed + "\n", "alice.code": "755224\n", "alice.codes": "755224\n287082\n",
		"auditor.key": auditorKey(t),
		"tokens.csv":  "serial,seed,period\n0001," + rfcSeed + ",30\n",
		"tokens.xml":  "<data><header><encode>HEX</encode></header><tokens><token><serial>0001</serial><seed>" + rfcSeed + "</seed></token></tokens></data>",
		"tokens.pskc": pskc,
		"assign.csv":  "domain,loginName,manufacturerCode,productCode,serial,status,pin\n\"\", \"alice\", \"\", \"\", \"0001\", \"ACTIVE\", \"1234\"\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	if strings.Contains(line, exampleKey) {
		made, err := s.Client(t).RequestCertificate(t.Context(), id, api.NewCSR{Subject: "CN=Alice", Type: "ec:P-256"})
		require.NoError(t, err)
		line = strings.ReplaceAll(line, exampleKey, made.Key.ID)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "alice.crt"), dialecttest.Certify(t, made.PEM), 0o600))
	}
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(line, exampleID, id))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "VTOKEN_ADMIN_SOCKET="+s.Socket, "HOME="+dir, "GORACE="+noRaceSleep)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// prepare makes the tenants, users, API key and token that the examples speak
// of, but for those that the example makes itself. It returns the token's id.
func prepare(t *testing.T, c *client.Client, line string) string {
	ctx := t.Context()
	check := func(err error) {
		require.NoError(t, err)
	}
	if !strings.Contains(line, "tenant create") {
		_, err := c.CreateTenant(ctx, "sales")
		check(err)
	}
	if strings.Contains(line, "apikey revoke") {
		_, err := c.CreateAPIKey(ctx, "", api.NewAPIKey{Name: "onboarding"})
		check(err)
	}
	if strings.Contains(line, "user create") {
		return ""
	}
	if strings.Contains(line, "--user bob") {
		_, err := c.CreateUser(ctx, "", api.NewUser{Login: "bob"})
		check(err)
	}
	if strings.Contains(line, "vtoken otp ") || strings.Contains(line, "vtoken import ") {
		return newOTPToken(t, c, strings.Contains(line, "otp verify"), strings.Contains(line, "import assignments"))
	}
	return newToken(t, c)
}

// rfcSeed is the seed of RFC 4226, pskc a file with it.
const (
	rfcSeed = "3132333435363738393031323334353637383930"
	pskc    = `<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"><KeyPackage><Key Id="0001" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp"><Data><Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret></Data></Key></KeyPackage></KeyContainer>`
)

// newOTPToken makes alice and a token with the RFC's seed: hers, or with the serial
// number 0001 and nobody's.
func newOTPToken(t *testing.T, c *client.Client, active, free bool) string {
	t.Helper()
	_, err := c.CreateUser(t.Context(), "", api.NewUser{Login: "alice"})
	require.NoError(t, err)
	n := api.NewToken{User: "alice", Inactive: !active, OTP: &api.NewOTP{SeedHex: api.Secret(rfcSeed)}}
	if free {
		n.User, n.Unassigned, n.Serial = "", true, "0001"
	}
	token, err := c.CreateToken(t.Context(), "", n)
	require.NoError(t, err)
	return token.ID
}

// TestHelp compares all help texts with the ones on file.
func TestHelp(t *testing.T) {
	var b strings.Builder
	root := newRoot(&app{})
	for _, cmd := range append([]*cobra.Command{root}, leaves(root)...) {
		b.WriteString("-- " + cmd.CommandPath() + " --\n")
		cmd.SetOut(&b)
		require.NoError(t, cmd.Help())
	}
	golden(t, "testdata/help.golden", b.String())
}
