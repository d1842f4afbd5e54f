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

// limits are how often the callers of the API may call.
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

// issuer is the authorization server whose access tokens are accepted, nil where
// there is none.
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

// publicURL is how clients reach a listener: the one that was told, else its address,
// with the machine's name for an address that stands for all.
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
