package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/pflag"
)

// ErrVersion is what Load returns for --version.
var ErrVersion = errors.New("the version is asked for")

// Load is the configuration of this process: the defaults, then the file, then
// the flags in args (without the program's name). It returns pflag.ErrHelp
// after it has printed the usage to standard output, for --help, and ErrVersion
// for --version.
func Load(args []string, uid int, getenv func(string) string) (Config, error) {
	// The flags are parsed twice: once to learn the file, and once more on top
	// of what the file says.
	c, file := Default(uid, getenv), ""
	if err := c.parse(args, &file); err != nil {
		return c, err
	}
	c = Default(uid, getenv)
	if err := c.readFile(file, uid); err != nil {
		return c, err
	}
	return c, c.parse(args, &file)
}

func (c *Config) parse(args []string, file *string) error {
	flags := c.flags(file)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if version, _ := flags.GetBool("version"); version {
		return ErrVersion
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("vtokend takes no arguments, only flags; %q is neither", flags.Arg(0))
	}
	return nil
}

// readFile reads the file of --config, or the system's own one where there is
// one and the daemon runs as root.
func (c *Config) readFile(file string, uid int) error {
	if file != "" {
		c.File = file
		return c.ReadFile(file)
	}
	if uid != 0 {
		return nil
	}
	err := c.ReadFile(SystemConfigFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	c.File = SystemConfigFile
	return err
}

// flags declares the flags: each fills the field of c that it names.
func (c *Config) flags(file *string) *pflag.FlagSet {
	f := pflag.NewFlagSet("vtokend", pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(os.Stdout)
	f.StringVar(file, "config", "", "configuration `FILE` (YAML)")
	f.StringVar(&c.DataDir, "data-dir", c.DataDir, "`DIR` of the store; only the daemon's user may read it")
	f.StringVar(&c.StorePin, "store-pin", c.StorePin, "`FILE` with the id of the store, outside of its folder; another store is refused")
	f.BoolVar(&c.Init, "init", false, "make a new store where there was one, and it is missing")
	f.StringVar(&c.AuditDir, "audit-dir", c.AuditDir, "`DIR` of the audit log (else the folder audit in the data folder)")
	f.StringArrayVar(&c.AuditRecipients, "audit-recipient", c.AuditRecipients, "`AGE` recipient (age1...) to whose key the lines of the audit log are encrypted; repeatable")
	f.StringVar(&c.P11Socket, "p11-socket", c.P11Socket, "`PATH` of the socket for applications")
	f.StringVar(&c.AdminSocket, "admin-socket", c.AdminSocket, "`PATH` of the socket for administrators")
	f.StringVar(&c.AdminGroup, "admin-group", c.AdminGroup, "`GROUP` whose members are administrators, beside root")
	f.StringVar(&c.Resume, "resume", c.Resume, "`WHEN` logins of applications outlive the daemon: on, planned (not after a crash) or off")
	f.StringVar(&c.APIListen, "api-listen", c.APIListen, "`HOST:PORT` of the provisioning API over TLS")
	f.StringVar(&c.TLSCert, "tls-cert", c.TLSCert, "`FILE` with the API's certificate (PEM); self-signed where not given")
	f.StringVar(&c.TLSKey, "tls-key", c.TLSKey, "`FILE` with its private key (PEM)")
	f.StringVar(&c.APIURL, "api-url", c.APIURL, "`URL` by which clients reach the API (else https:// and where it listens)")
	f.IntVar(&c.APIRate, "api-rate", c.APIRate, "requests a second of one credential, `N`; 0 is no limit")
	f.IntVar(&c.APIRateTenant, "api-rate-tenant", c.APIRateTenant, "requests a second of all credentials of a tenant, `N`; 0 is no limit")
	f.IntVar(&c.APIRateFailed, "api-rate-failed", c.APIRateFailed, "requests a second of one address without a good credential, `N`; 0 is no limit")
	f.IntVar(&c.MaxMemory, "max-memory", c.MaxMemory, "`MIB` of memory that clients make the daemon hold, all together")
	f.IntVar(&c.MaxMemoryUser, "max-memory-user", c.MaxMemoryUser, "`MIB` of it for one OS user or API credential")
	f.IntVar(&c.MaxConnections, "max-connections", c.MaxConnections, "connections of applications, `N`")
	f.IntVar(&c.MaxConnectionsUser, "max-connections-user", c.MaxConnectionsUser, "connections of the applications of one OS user, `N`")
	f.IntVar(&c.MaxSessions, "max-sessions", c.MaxSessions, "sessions of one application, `N`")
	f.IntVar(&c.APIConnections, "api-connections", c.APIConnections, "connections to the API over TLS, `N`")
	f.IntVar(&c.APIConnectionsSource, "api-connections-source", c.APIConnectionsSource, "connections to the API from one address, `N`")
	f.StringVar(&c.OAuthIssuer, "oauth-issuer", c.OAuthIssuer, "`ISSUER` whose access tokens are accepted")
	f.StringVar(&c.OAuthJWKS, "oauth-jwks", c.OAuthJWKS, "`FILE` or https URL with the issuer's keys (JWKS)")
	f.StringVar(&c.MetricsListen, "metrics-listen", c.MetricsListen, "`HOST:PORT` of metrics for Prometheus, loopback only")
	f.StringVar(&c.MetricsFile, "metrics-file", c.MetricsFile, "`FILE` that tells Prometheus' node exporter how the start went")
	f.StringArrayVar(&c.KEKs, "kek", c.KEKs, "`URI` of a key-encryption key; repeatable, any one opens the store")
	f.StringArrayVar(&c.Dialects, "dialect", c.Dialects, "`NAME` of a provisioning API to serve beside the native one; repeatable")
	f.StringVar(&c.Crypto, "crypto", c.Crypto, "`WHAT` computes with private keys: libcrypto, go, or auto for the former where it is built in")
	f.StringVar(&c.LogLevel, "log-level", c.LogLevel, "`LEVEL`: debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", c.LogFormat, "`FORMAT` of the log: text or json")
	f.Bool("version", false, "print the version")
	return f
}
