package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"vtoken/provisioning/api"
)

// TestReadSecret reads files with all kinds of ends.
func TestReadSecret(t *testing.T) {
	for _, x := range []struct{ file, want string }{
		{"1234", "1234"},
		{"1234\n", "1234"},
		{"1234\r\n", "1234"},
		{"1234\n\n", "1234\n"},
		{"1234\r", "1234\r"},
		{" 12 34 \n", " 12 34 "},
		{"\n\n", "\n"},
		{strings.Repeat("x", maxSecret), strings.Repeat("x", maxSecret)},
	} {
		got, err := checkSecret("--pin-file", "f", strings.NewReader(x.file))
		if err != nil || string(got) != x.want {
			t.Errorf("%q: %q, %v", x.file, []byte(got), err)
		}
	}
	for _, file := range []string{"", "\n", "\r\n", strings.Repeat("x", maxSecret+1)} {
		if _, err := checkSecret("--pin-file", "f", strings.NewReader(file)); err == nil {
			t.Errorf("%.10q is taken", file)
		}
	}
}

func TestReadLine(t *testing.T) {
	r := strings.NewReader("1234\n\nrest")
	for _, want := range []string{"1234", ""} {
		if line, err := readLine(r); err != nil || string(line) != want {
			t.Errorf("%q, %v", line, err)
		}
	}
	if _, err := readLine(r); err == nil {
		t.Error("a line without end is taken")
	}
	if _, err := readLine(strings.NewReader(strings.Repeat("x", maxSecret+1) + "\n")); err == nil {
		t.Error("a line without bound is taken")
	}
}

// TestShellQuote asks a shell to read back what was quoted.
func TestShellQuote(t *testing.T) {
	for _, s := range []string{"", "plain", "/a/b.so", "two words", "it's", "a;b", "$HOME", "`x`", `a\b`, "pkcs11:id=%01;type=private", "ü", "*"} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellQuote(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q becomes %q (%v)", s, out, err)
		}
	}
}

// TestDefaultSocket looks where a user's own daemon and the system's would be.
func TestDefaultSocket(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"XDG_RUNTIME_DIR": dir}
	a := &app{getenv: func(name string) string { return env[name] }}
	want := "/run/vtoken/admin.sock"
	if os.Geteuid() != 0 {
		require.NoError(t, os.Mkdir(dir+"/vtoken", 0o700))
		want = dir + "/vtoken/admin.sock"
		require.NoError(t, os.WriteFile(want, nil, 0o600))
	}
	if got := a.adminSocket(); got != want {
		t.Errorf("default: %s, want %s", got, want)
	}
	env["VTOKEN_ADMIN_SOCKET"] = "/env"
	if got := a.adminSocket(); got != "/env" {
		t.Errorf("with the variable: %s", got)
	}
	a.conn.adminSocket = "/flag"
	if got := a.adminSocket(); got != "/flag" {
		t.Errorf("with the flag: %s", got)
	}
}

// TestUnusualSocket checks that lines to paste name a socket that the module
// would not find.
func TestUnusualSocket(t *testing.T) {
	a := &app{getenv: func(string) string { return "" }}
	var b strings.Builder
	p := paste{token: &api.Token{URI: "pkcs11:serial=1"}, module: "/m/my module.so", socket: "/tmp/it's/p11.sock"}
	require.NoError(t, a.writePaste(&b, p))
	for _, want := range []string{
		`export VTOKEN_P11_SOCKET='/tmp/it'\''s/p11.sock'`,
		`ssh-keygen -D '/m/my module.so'`,
		`export P11_KIT_SERVER_ADDRESS='unix:path=/tmp/it'\''s/p11.sock'`,
		"MODULE_PATH = /m/my module.so\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no line says %s in:\n%s", want, b.String())
		}
	}
}

// TestNoSecretFlags keeps secrets out of arguments, which every user of the machine can
// read: a flag with such a name takes a file or an id, or is yes or no.
func TestNoSecretFlags(t *testing.T) {
	for _, c := range leaves(newRoot(&app{})) {
		for _, name := range flagNames(c) {
			for _, word := range []string{"pin", "password", "secret", "key"} {
				f := c.Flag(name)
				if f != nil && (f.Value.Type() == "bool" || strings.HasPrefix(f.Usage, "`ID` ")) {
					continue
				}
				if strings.Contains(name, word) && !strings.HasSuffix(name, "-file") {
					t.Errorf("%s has a flag --%s", c.CommandPath(), name)
				}
			}
		}
	}
}

func flagNames(c *cobra.Command) []string {
	var names []string
	for line := range strings.SplitSeq(c.Flags().FlagUsages()+c.InheritedFlags().FlagUsages(), "\n") {
		if _, rest, ok := strings.Cut(line, "--"); ok {
			names = append(names, strings.Fields(rest)[0])
		}
	}
	return names
}
