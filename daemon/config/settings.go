package config

import (
	"reflect"
)

// effect is when a change of a setting takes effect.
type effect bool

const (
	onReload  effect = true  // at the next SIGHUP
	onRestart effect = false // at the next start
)

// setting is a row of the table of all settings.
type setting struct {
	flag   string // without dashes
	takes  effect
	within func(*Config) any // pointer to its field
}

// settings is the table of all settings: each field of [Config] that a flag or the file sets.
//
// Those that need a restart say where the daemon keeps things, where it listens, and what its
// parts were made of: a store, an audit log and an authorization server cannot change under
// the requests that use them.
func settings() []setting {
	return []setting{
		{"data-dir", onRestart, func(c *Config) any { return &c.DataDir }},
		{"store-pin", onRestart, func(c *Config) any { return &c.StorePin }},
		{"init", onRestart, func(c *Config) any { return &c.Init }},
		{"audit-dir", onRestart, func(c *Config) any { return &c.AuditDir }},
		{"audit-recipient", onRestart, func(c *Config) any { return &c.AuditRecipients }},
		{"p11-socket", onRestart, func(c *Config) any { return &c.P11Socket }},
		{"admin-socket", onRestart, func(c *Config) any { return &c.AdminSocket }},
		{"admin-group", onReload, func(c *Config) any { return &c.AdminGroup }},
		{"resume", onRestart, func(c *Config) any { return &c.Resume }},
		{"api-listen", onRestart, func(c *Config) any { return &c.APIListen }},
		{"tls-cert", onReload, func(c *Config) any { return &c.TLSCert }},
		{"tls-key", onReload, func(c *Config) any { return &c.TLSKey }},
		{"api-url", onRestart, func(c *Config) any { return &c.APIURL }},
		{"api-rate", onReload, func(c *Config) any { return &c.APIRate }},
		{"api-rate-tenant", onReload, func(c *Config) any { return &c.APIRateTenant }},
		{"api-rate-failed", onReload, func(c *Config) any { return &c.APIRateFailed }},
		{"max-memory", onReload, func(c *Config) any { return &c.MaxMemory }},
		{"max-memory-user", onReload, func(c *Config) any { return &c.MaxMemoryUser }},
		{"max-connections", onReload, func(c *Config) any { return &c.MaxConnections }},
		{"max-connections-user", onReload, func(c *Config) any { return &c.MaxConnectionsUser }},
		{"max-sessions", onReload, func(c *Config) any { return &c.MaxSessions }},
		{"api-connections", onReload, func(c *Config) any { return &c.APIConnections }},
		{"api-connections-source", onReload, func(c *Config) any { return &c.APIConnectionsSource }},
		{"oauth-issuer", onRestart, func(c *Config) any { return &c.OAuthIssuer }},
		{"oauth-jwks", onRestart, func(c *Config) any { return &c.OAuthJWKS }},
		{"metrics-listen", onRestart, func(c *Config) any { return &c.MetricsListen }},
		{"metrics-file", onRestart, func(c *Config) any { return &c.MetricsFile }},
		{"kek", onRestart, func(c *Config) any { return &c.KEKs }},
		{"dialect", onReload, func(c *Config) any { return &c.Dialects }},
		{"crypto", onRestart, func(c *Config) any { return &c.Crypto }},
		{"log-level", onReload, func(c *Config) any { return &c.LogLevel }},
		{"log-format", onReload, func(c *Config) any { return &c.LogFormat }},
	}
}

// Reloaded returns the configuration that a daemon has after it read next while it ran with c:
// the settings that may change are those of next, the others those of c. changed names the
// settings that differ and may change, restart those that differ and need a restart, both as
// flags such as "--log-level".
func (c *Config) Reloaded(next Config) (reloaded Config, changed, restart []string) {
	reloaded = next
	for _, s := range settings() {
		before, after := s.within(c), s.within(&reloaded)
		switch {
		case same(before, after):
		case s.takes == onReload:
			changed = append(changed, "--"+s.flag)
		default:
			restart = append(restart, "--"+s.flag)
			reflect.ValueOf(after).Elem().Set(reflect.ValueOf(before).Elem())
		}
	}
	return reloaded, changed, restart
}

// same compares two fields. A list without entries is the same as none.
func same(a, b any) bool {
	if x, ok := a.(*[]string); ok && len(*x) == 0 {
		return len(*b.(*[]string)) == 0
	}
	return reflect.DeepEqual(a, b)
}
