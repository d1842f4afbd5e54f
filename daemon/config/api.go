package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// validateAPI checks what is told of the API beside where it listens.
func (c *Config) validateAPI() error {
	var errs []error
	if c.APIURL != "" {
		u, err := url.Parse(c.APIURL)
		if err != nil || u.Scheme != "https" || u.Host == "" || strings.TrimSuffix(c.APIURL, "/") != "https://"+u.Host {
			errs = append(errs, fmt.Errorf("--api-url %q is not like https://tokens.example:8443, without a path", c.APIURL))
		}
	}
	for flag, n := range map[string]int{"api-rate": c.APIRate, "api-rate-tenant": c.APIRateTenant, "api-rate-failed": c.APIRateFailed} {
		if n < 0 || n > maxRate {
			errs = append(errs, fmt.Errorf("--%s is a number of requests a second from 0, which is no limit, to %d, not %d", flag, maxRate, n))
		}
	}
	if (c.OAuthIssuer == "") != (c.OAuthJWKS == "") {
		errs = append(errs, errors.New("--oauth-issuer and --oauth-jwks are given together or not at all"))
	}
	if strings.HasPrefix(c.OAuthJWKS, "http://") {
		errs = append(errs, errors.New("--oauth-jwks is a file or an address that begins with https://, so that nobody can put other keys in its place"))
	}
	return errors.Join(errs...)
}

// maxRate is the greatest rate, in requests a second.
const maxRate = 1_000_000
