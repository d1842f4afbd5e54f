package config

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func env(pairs map[string]string) func(string) string {
	return func(k string) string { return pairs[k] }
}

// TestSampleIsTheDefault proves that the documented sample names every key and
// shows the defaults of a daemon that runs as root.
func TestSampleIsTheDefault(t *testing.T) {
	var c Config
	require.NoError(t, c.ReadFile("vtokend.yaml"))
	want := Default(0, env(nil))
	want.KEKs, want.AuditRecipients = []string{}, []string{}
	require.True(t, reflect.DeepEqual(c, want), "the sample says\n%+v\nthe defaults are\n%+v", c, want)
	text, err := os.ReadFile("vtokend.yaml")
	require.NoError(t, err)
	keys := map[string]any{}
	require.NoError(t, yaml.Unmarshal(text, &keys))
	typ := reflect.TypeFor[Config]()
	for _, f := range reflect.VisibleFields(typ) {
		if key := f.Tag.Get("yaml"); !f.Anonymous && key != "-" && keys[key] == nil {
			t.Errorf("the sample does not name %s", key)
		}
	}
}

func TestDefaultAsUser(t *testing.T) {
	c := Default(1000, env(map[string]string{"HOME": "/home/ann", "XDG_RUNTIME_DIR": "/run/user/1000"}))
	if c.DataDir != "/home/ann/.local/state/vtoken" || c.P11Socket != "/run/user/1000/vtoken/p11.sock" || c.AdminSocket != "/run/user/1000/vtoken/admin.sock" {
		t.Errorf("%+v", c)
	}
	if c := Default(1000, env(map[string]string{"XDG_STATE_HOME": "/s"})); c.DataDir != "/s/vtoken" {
		t.Errorf("%+v", c)
	}
}

func TestFlagsWinOverFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(file, []byte("data-dir: /from/file\nlog-level: debug\nkek: [\"file:/a\"]\n"), 0o600))
	c, err := Load([]string{"--config", file, "--data-dir", "/from/flag", "--kek", "file:/b", "--kek", "file:/c"}, 1000, env(nil))
	require.NoError(t, err)
	if c.DataDir != "/from/flag" || c.LogLevel != "debug" || !reflect.DeepEqual(c.KEKs, []string{"file:/b", "file:/c"}) {
		t.Errorf("%+v", c)
	}
	require.True(t, reflect.DeepEqual(c.Dialects, []string{"idprime"}), "dialects %v", c.Dialects)
	if l, err := c.Level(); err != nil || l != slog.LevelDebug {
		t.Errorf("level %v, %v", l, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("data-dri: /x\n"), 0o600))
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--config", bad}, "data-dri"},
		{[]string{"--config", bad + ".none"}, "no such file"},
		{[]string{"start"}, `"start"`},
		{[]string{"--nonsense"}, "nonsense"},
	} {
		if _, err := Load(test.args, 1000, env(nil)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v, want something with %q", test.args, err, test.want)
		}
	}
	if _, err := Load([]string{"--help"}, 1000, env(nil)); !errors.Is(err, pflag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
}

func TestValidate(t *testing.T) {
	ok := Default(0, env(nil))
	require.NoError(t, ok.Validate([]string{"idprime"}))
	for _, address := range []string{"127.0.0.1:0", "[::1]:9100", "localhost:9100"} {
		c := ok
		c.MetricsListen = address
		require.NoError(t, c.Validate([]string{"idprime"}))
	}
	for want, change := range map[string]func(*Config){
		"--data-dir":           func(c *Config) { c.DataDir = "" },
		"XDG_RUNTIME_DIR":      func(c *Config) { c.P11Socket = "" },
		"same path":            func(c *Config) { c.AdminSocket = c.P11Socket },
		"at most 107":          func(c *Config) { c.P11Socket = "/" + strings.Repeat("x", 107) },
		"HOST:PORT":            func(c *Config) { c.APIListen = "localhost" },
		"metrics-listen \"x\"": func(c *Config) { c.MetricsListen = "x" },
		"not a loopback":       func(c *Config) { c.MetricsListen = "0.0.0.0:9100" },
		"together":             func(c *Config) { c.TLSCert = "/x" },
		"--api-url":            func(c *Config) { c.APIURL = "https://x/path" },
		"https://tokens":       func(c *Config) { c.APIURL = "http://x" },
		"--api-rate ":          func(c *Config) { c.APIRate = -1 },
		"--api-rate-tenant":    func(c *Config) { c.APIRateTenant = 1 << 30 },
		"--oauth-issuer":       func(c *Config) { c.OAuthIssuer = "x" },
		"begins with https":    func(c *Config) { c.OAuthIssuer, c.OAuthJWKS = "x", "http://x" },
		"not known":            func(c *Config) { c.Dialects = []string{"esperanto"} },
		"--crypto":             func(c *Config) { c.Crypto = "rot13" },
		"--log-level":          func(c *Config) { c.LogLevel = "loud" },
		"--log-format":         func(c *Config) { c.LogFormat = "xml" },
		"--max-memory ":        func(c *Config) { c.MaxMemory = 0 },
		"--max-sessions":       func(c *Config) { c.MaxSessions = 1 << 30 },
		"--api-connections ":   func(c *Config) { c.APIConnections = 0 },
	} {
		c := ok
		change(&c)
		if err := c.Validate([]string{"idprime"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want something with %q", err, want)
		}
	}
}

// TestManualNamesEveryFlag holds the manual page against the flags, both ways.
func TestManualNamesEveryFlag(t *testing.T) {
	text, err := os.ReadFile("../../docs/man/vtokend.8")
	require.NoError(t, err)
	page := strings.ReplaceAll(string(text), `\-`, "-")
	var c Config
	var file string
	flags := map[string]bool{}
	c.flags(&file).VisitAll(func(f *pflag.Flag) {
		flags["--"+f.Name] = true
		require.Contains(t, page, `\fB--`+f.Name+`\fR`, "the manual page does not name --%s", f.Name)
	})
	for _, named := range regexp.MustCompile(`\\fB(--[a-z0-9-]+)`).FindAllStringSubmatch(page, -1) {
		require.True(t, flags[named[1]], "the manual page names %s, which is no flag", named[1])
	}
}
