package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"go.yaml.in/yaml/v3"
)

// Config is everything that the daemon can be told. The names in the file are
// those of the flags.
type Config struct {
	// File is the file that was read; empty is none.
	File string `yaml:"-"`
	// DataDir holds the store and, with the embedded defaults, the key file and
	// the certificate of the API. Only the daemon's user may read it.
	DataDir string `yaml:"data-dir"`
	// StorePin is the file with the id of the store, outside of DataDir; another store
	// in its place is refused. Empty is one in the state folder of the system where
	// DataDir is the system's, else none.
	StorePin string `yaml:"store-pin"`
	// Init makes a new store where there was one. It is a flag only.
	Init bool `yaml:"-"`
	// AuditDir holds the audit log; empty is the folder audit in the data folder.
	AuditDir string `yaml:"audit-dir"`
	// AuditRecipients are age recipients to whom the lines of the audit log are
	// encrypted; none means that the lines are in the clear.
	AuditRecipients []string `yaml:"audit-recipient"`
	// P11Socket is the Unix socket for applications, AdminSocket that of the
	// administrator.
	P11Socket   string `yaml:"p11-socket"`
	AdminSocket string `yaml:"admin-socket"`
	// AdminGroup is the group whose members may use the admin socket, beside
	// root and the daemon's own user, and may make tokens with C_InitToken.
	// Empty is no group.
	AdminGroup string `yaml:"admin-group"`
	// Resume says what applications keep over a restart of the daemon: ResumeOn,
	// ResumePlanned or ResumeOff.
	Resume string `yaml:"resume"`
	// APIListen is the HOST:PORT of the provisioning API over TLS; empty is no
	// such listener.
	APIListen string `yaml:"api-listen"`
	// TLSCert and TLSKey are PEM files. Without them a self-signed certificate is
	// made once and kept as api.crt in the data folder, and its key in the store.
	TLSCert string `yaml:"tls-cert"`
	TLSKey  string `yaml:"tls-key"`
	// APIURL is how clients reach the API, where that is not the address it listens
	// on: "https://" and a host, without a path.
	APIURL string `yaml:"api-url"`
	// APIRate, APIRateTenant and APIRateFailed are requests a second in the long run:
	// of one credential, of all credentials of a tenant together, and of one address
	// with no good credential. 0 is no limit.
	APIRate       int `yaml:"api-rate"`
	APIRateTenant int `yaml:"api-rate-tenant"`
	APIRateFailed int `yaml:"api-rate-failed"`
	// OAuthIssuer is the iss of an authorization server whose access tokens dialects
	// accept that take any, and OAuthJWKS the file or https URL of its keys. Empty is
	// none.
	OAuthIssuer string `yaml:"oauth-issuer"`
	OAuthJWKS   string `yaml:"oauth-jwks"`
	// MetricsListen is the HOST:PORT where metrics are served over plain HTTP, to
	// everybody who reaches it; empty is nowhere. The host is a loopback address.
	MetricsListen string `yaml:"metrics-listen"`
	// MetricsFile is the file that tells what the last start came to; empty is none.
	MetricsFile string `yaml:"metrics-file"`
	// KEKs are the URIs of the key-encryption keys that open the store; any one
	// of them is enough. Empty is "file:" with a key file in the data folder.
	KEKs []string `yaml:"kek"`
	// Dialects are the provisioning APIs that are served beside the native one.
	Dialects []string `yaml:"dialects"`
	// Crypto is what computes with private keys: auto, libcrypto or go.
	Crypto string `yaml:"crypto"`
	// LogLevel is debug, info, warn or error; LogFormat is text or json.
	LogLevel  string `yaml:"log-level"`
	LogFormat string `yaml:"log-format"`
	Limits    `yaml:",inline"`
}

// Values of Config.Resume.
const (
	// ResumeOn means that applications go on after planned restarts and after crashes.
	ResumeOn = "on"
	// ResumePlanned means that they go on after planned restarts only: no records of logins
	// are kept for the time after a crash.
	ResumePlanned = "planned"
	// ResumeOff means that they log in again after every restart.
	ResumeOff = "off"
)

// SystemConfigFile is read where no --config is given and the daemon runs as
// root; it need not exist.
const SystemConfigFile = "/etc/vtoken/vtokend.yaml"

// The data folder of the system's daemon, and the file with the id of its store.
const (
	systemDataDir  = "/var/lib/vtoken"
	systemStorePin = "/var/lib/vtoken-pin/store"
)

// PinFile is the file with the id of the store; empty is none.
func (c *Config) PinFile() string {
	if c.StorePin == "" && filepath.Clean(c.DataDir) == systemDataDir {
		return systemStorePin
	}
	return c.StorePin
}

// Default is the configuration without file and flags: for the system where the
// daemon runs as root, else for the user. getenv is os.Getenv.
func Default(uid int, getenv func(string) string) Config {
	c := Config{
		Dialects:      []string{"idprime"},
		APIRate:       1000,
		APIRateTenant: 5000,
		APIRateFailed: 50,
		Resume:        ResumeOn,
		Crypto:        "auto",
		LogLevel:      "info",
		LogFormat:     "text",
		Limits:        defaultLimits(),
	}
	if uid == 0 {
		c.DataDir = systemDataDir
		c.P11Socket = "/run/vtoken/p11.sock"
		c.AdminSocket = "/run/vtoken/admin.sock"
		return c
	}
	state := getenv("XDG_STATE_HOME")
	if state == "" && getenv("HOME") != "" {
		state = filepath.Join(getenv("HOME"), ".local", "state")
	}
	if state != "" {
		c.DataDir = filepath.Join(state, "vtoken")
	}
	if run := getenv("XDG_RUNTIME_DIR"); run != "" {
		c.P11Socket = filepath.Join(run, "vtoken", "p11.sock")
		c.AdminSocket = filepath.Join(run, "vtoken", "admin.sock")
	}
	return c
}

// ReadFile fills c from a YAML file. A key that c does not have is an error, so
// that a misspelled one is not silently ignored.
func (c *Config) ReadFile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the configuration %s: %w", path, errors.Join(err, wrongTypes(text)))
	}
	return nil
}

// wrongTypes names the keys whose values have a type that they cannot have: the decoder names
// their lines only.
func wrongTypes(text []byte) error {
	var keys map[string]yaml.Node
	if yaml.Unmarshal(text, &keys) != nil {
		return nil // it is no map, which the decoder says
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		var c Config
		node := keys[key]
		one, err := yaml.Marshal(map[string]any{key: &node})
		if err == nil && yaml.Unmarshal(one, &c) != nil {
			errs = append(errs, fmt.Errorf("the value of %s has the wrong type", key))
		}
	}
	return errors.Join(errs...)
}

// Validate checks the configuration as a whole. dialects are the names that
// this build knows.
func (c *Config) Validate(dialects []string) error {
	var errs []error
	need := func(value, flag, hint string) {
		if value == "" {
			errs = append(errs, fmt.Errorf("--%s is not set and has no default here; %s", flag, hint))
		}
	}
	need(c.DataDir, "data-dir", "give a folder, or set HOME")
	need(c.P11Socket, "p11-socket", "give a path, or set XDG_RUNTIME_DIR")
	need(c.AdminSocket, "admin-socket", "give a path, or set XDG_RUNTIME_DIR")
	for flag, path := range map[string]string{"p11-socket": c.P11Socket, "admin-socket": c.AdminSocket} {
		if len(path) > maxSocketPath {
			errs = append(errs, fmt.Errorf("--%s: the path of a Unix socket has at most %d bytes, %q has %d", flag, maxSocketPath, path, len(path)))
		}
	}
	if c.P11Socket != "" && c.P11Socket == c.AdminSocket {
		errs = append(errs, errors.New("--p11-socket and --admin-socket are the same path; give two"))
	}
	if c.APIListen != "" {
		if _, _, err := net.SplitHostPort(c.APIListen); err != nil {
			errs = append(errs, fmt.Errorf("--api-listen %q is not HOST:PORT: %w", c.APIListen, err))
		}
	}
	if c.MetricsListen != "" {
		errs = append(errs, loopbackOnly(c.MetricsListen))
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		errs = append(errs, errors.New("--tls-cert and --tls-key are given together or not at all"))
	}
	errs = append(errs, c.validateAPI(), c.validate())
	for _, d := range c.Dialects {
		if !slices.Contains(dialects, d) {
			errs = append(errs, fmt.Errorf("--dialect %q is not known; there are: %v", d, dialects))
		}
	}
	if !slices.Contains([]string{"auto", "libcrypto", "go"}, c.Crypto) {
		errs = append(errs, fmt.Errorf("--crypto is auto, libcrypto or go, not %q", c.Crypto))
	}
	if !slices.Contains([]string{ResumeOn, ResumePlanned, ResumeOff}, c.Resume) {
		errs = append(errs, fmt.Errorf("--resume is on, planned or off, not %q", c.Resume))
	}
	if _, err := c.Level(); err != nil {
		errs = append(errs, err)
	}
	if within, err := filepath.Rel(c.DataDir, c.StorePin); c.StorePin != "" && err == nil && filepath.IsLocal(within) {
		errs = append(errs, fmt.Errorf("--store-pin %s is in the data folder, where it goes with the store; name a file elsewhere, with its whole path", c.StorePin))
	}
	if _, err := c.Auditors(); err != nil {
		errs = append(errs, err)
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		errs = append(errs, fmt.Errorf("--log-format is text or json, not %q", c.LogFormat))
	}
	return errors.Join(errs...)
}

// loopbackOnly checks the address of the metrics, which nothing protects.
func loopbackOnly(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("--metrics-listen %q is not HOST:PORT: %w", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--metrics-listen %q is not a loopback address, and the metrics are served there without TLS to everybody; "+
			"give 127.0.0.1:PORT, and ask for /v1/metrics at --api-listen from elsewhere", address)
	}
	return nil
}

// maxSocketPath is the room in sockaddr_un less the final zero (unix(7)).
const maxSocketPath = 107

// Auditors is AuditRecipients as package age has them.
func (c *Config) Auditors() ([]age.Recipient, error) {
	var all []age.Recipient
	for _, text := range c.AuditRecipients {
		r, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil || len(r) != 1 {
			return nil, fmt.Errorf("--audit-recipient %q is not an age recipient such as age1...; make one with: age-keygen -o auditor.key", text)
		}
		all = append(all, r...)
	}
	return all, nil
}

// Level is LogLevel as slog has it.
func (c *Config) Level() (slog.Level, error) {
	l, ok := levels[c.LogLevel]
	if !ok {
		return 0, fmt.Errorf("--log-level is debug, info, warn or error, not %q", c.LogLevel)
	}
	return l, nil
}

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug,
	"info":  slog.LevelInfo,
	"warn":  slog.LevelWarn,
	"error": slog.LevelError,
}
