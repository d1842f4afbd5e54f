package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/api"
	"vtoken/provisioning/dialect/native/nativetest"
)

// exampleID is the token of the examples.
const exampleID = "5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10"

// TestExamples runs every example of every help text in a shell, each against a
// daemon's API of its own that has what the example speaks of.
func TestExamples(t *testing.T) {
	var run int
	for _, cmd := range leaves(newRoot(&app{})) {
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
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

func runExample(t *testing.T, line string) {
	t.Parallel()
	s := nativetest.Start(t)
	dir := t.TempDir()
	id := prepare(t, s.Client(t), line)
	for name, text := range map[string]string{
		"alice.pin": "87654321\n", "so.pin": "so-87654321\n", "alice.password": "open sesame\n",
		"alice.pfx": string(nativetest.PFX(t, "open sesame")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
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
		if err != nil {
			t.Fatal(err)
		}
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
	return newToken(t, c)
}

// TestHelp compares all help texts with the ones on file.
func TestHelp(t *testing.T) {
	var b strings.Builder
	root := newRoot(&app{})
	for _, cmd := range append([]*cobra.Command{root}, leaves(root)...) {
		b.WriteString("-- " + cmd.CommandPath() + " --\n")
		cmd.SetOut(&b)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "testdata/help.golden", b.String())
}
