package main

import (
	"net"
	"os"
	"strings"

	"vtoken/daemon/config"
	"vtoken/provisioning/httpkit"
	"vtoken/provisioning/httpkit/jwtauth"
)

// How many seconds' worth of requests may come at once.
const (
	burstSeconds       = 2
	failedBurstSeconds = 20
)

// ratesOf returns the rate limits of API callers.
func ratesOf(cfg config.Config) httpkit.Rates {
	every := func(n, seconds int) httpkit.Rate {
		return httpkit.Rate{PerSecond: float64(n), Burst: n * seconds}
	}
	return httpkit.Rates{
		Credential: every(cfg.APIRate, burstSeconds),
		Tenant:     every(cfg.APIRateTenant, burstSeconds),
		Failed:     every(cfg.APIRateFailed, failedBurstSeconds),
	}
}

// issuer returns the authorization server whose access tokens are accepted, or nil.
func (d *daemon) issuer() *jwtauth.Issuer {
	if d.cfg.OAuthIssuer == "" {
		return nil
	}
	read := jwtauth.FromFile(d.cfg.OAuthJWKS)
	if strings.HasPrefix(d.cfg.OAuthJWKS, "https://") {
		read = jwtauth.FromURL(d.cfg.OAuthJWKS, nil)
	}
	return &jwtauth.Issuer{Name: d.cfg.OAuthIssuer, Keys: jwtauth.NewKeySet(read, nil)}
}

// publicURL returns the URL for clients of a listener: the configured one, else its address.
// The unspecified address is replaced by the machine's name.
func publicURL(told string, listens net.Addr) string {
	if told != "" {
		return strings.TrimSuffix(told, "/")
	}
	host, port, err := net.SplitHostPort(listens.String())
	if err != nil {
		return "https://" + listens.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil && name != "" {
			host = name
		}
	}
	return "https://" + net.JoinHostPort(host, port)
}
