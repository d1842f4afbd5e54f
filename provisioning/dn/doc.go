// Package dn reads distinguished names as people write them (RFC 4514), for the
// subjects of certificate requests. It knows no certificate and no request.
package dn
