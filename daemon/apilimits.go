package main

import (
	"net"
	"os"
	"strings"

	"vtoken/provisioning/httpkit"
	"vtoken/provisioning/httpkit/jwtauth"
)

// How many seconds' worth of requests may come at once.
const (
	burstSeconds       = 2
	failedBurstSeconds = 20
)

// limits returns the rate limits of API callers.
func (d *daemon) limits() *httpkit.Limits {
	every := func(n, seconds int) httpkit.Rate {
		return httpkit.Rate{PerSecond: float64(n), Burst: n * seconds}
	}
	return httpkit.NewLimits(httpkit.Rates{
		Credential: every(d.cfg.APIRate, burstSeconds),
		Tenant:     every(d.cfg.APIRateTenant, burstSeconds),
		Failed:     every(d.cfg.APIRateFailed, failedBurstSeconds),
	}, nil)
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
