package httpkit

import (
	"net/http"

	"vtoken/provisioning"
	"vtoken/vtoken/secret"
)

// Authentication finds out who sent a request: an error of kind Unauthenticated
// says nobody who is known. It takes what it reads of the Authorization header out
// of the request.
type Authentication func(r *http.Request) (provisioning.Caller, error)

// By is the kit for a dialect whose callers are found in its own way, instead of
// by API keys and the admin socket.
func (k *Kit) By(auth Authentication) *Kit {
	of := *k
	of.auth = auth
	return &of
}

// Admit finds out who sent a request, within the limits of [Kit.Limits]: of the
// caller and of its tenant, and where it is nobody who is known, of the address.
// [Router] does it for every route but the open ones, whose handlers do it
// themselves with what their callers send in the body.
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

// Bearer is what the Authorization header brings, as it is or after "Bearer"; nil
// where there is nothing. The header is removed, so that nothing later can tell
// it. Whoever asks wipes it.
func Bearer(r *http.Request) secret.Bytes { return apiKey(r.Header) }
