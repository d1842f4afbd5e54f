package httpkit

import (
	"net/http"

	"vtoken/provisioning"
	"vtoken/vtoken/secret"
)

// Authentication finds the caller of a request. An error of kind Unauthenticated means
// that the caller is unknown. It removes the credential that it reads from the
// Authorization header.
type Authentication func(r *http.Request) (provisioning.Caller, error)

// WithAuthentication returns the kit for a dialect that finds its callers by auth, instead of by API keys
// and the admin socket.
func (k *Kit) WithAuthentication(auth Authentication) *Kit {
	of := *k
	of.auth = auth
	return &of
}

// Admit finds the caller of a request and counts it against [Kit.Limits]: for the
// credential and its tenant, or for the address if the caller is unknown. [Router] calls
// it for every route but the open ones, whose handlers call it with the credential in the
// body.
func (k *Kit) Admit(r *http.Request, find Authentication) (provisioning.Caller, error) {
	c, err := find(r)
	if err != nil {
		if provisioning.KindOf(err) == provisioning.Unauthenticated {
			err = k.Limits.failed(r, err)
		}
		return provisioning.Caller{}, err
	}
	noteCaller(r, c)
	return c, k.Limits.admitted(r, c)
}

// Bearer returns the credential in the Authorization header, with or without "Bearer"
// before it, or nil. It removes the header, so that nothing later can reveal it. The
// caller wipes the result.
func Bearer(r *http.Request) secret.Bytes { return apiKey(r.Header) }
