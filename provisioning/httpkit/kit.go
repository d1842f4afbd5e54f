package httpkit

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit/jwtauth"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Authenticator knows API keys; provisioning.Service is one.
type Authenticator interface {
	Authenticate(ctx context.Context, key secret.Bytes) (provisioning.Caller, error)
}

// Kit is what handlers need besides the core.
type Kit struct {
	Keys Authenticator
	// Admin is the caller that a process at the other end of the admin socket
	// is, or an error for a process that is no administrator. Nil admits nobody
	// without an API key.
	Admin func(record.Peer) (provisioning.Caller, error)
	// Log gets one line a request.
	Log *slog.Logger
	// Served is told of every request that was answered: the dialect and the
	// operation ("POST /v1/tokens") of its route, both empty where none was found,
	// the status, and how long it took; nil is nobody.
	Served func(dialect, operation string, status int, took time.Duration)
	// Forgotten is called after every request but those of quiet routes, so that what
	// is left in Go's heap of its credential, and of the PINs, passwords, keys and seeds
	// that it may have brought, can be overwritten. It only takes note; nil does nothing.
	Forgotten func()
	// Audit records every call but those of quiet routes; nil records nothing.
	Audit Auditor
	// Limits are how often callers may call; nil is as often as they like.
	Limits *Limits
	// Memory is where the bodies of requests are charged, for the credential or OS user
	// that sends them, and before that is known for the address; nil is without limits.
	Memory Memory
	// Owner is who answers for a process on a Unix socket, in Memory.
	Owner func(record.Peer) string
	// URL is how clients reach the API, such as "https://tokens.example:8443"; empty
	// where it is not served over HTTPS.
	URL string
	// Issuer is an authorization server whose access tokens are accepted where a
	// dialect takes any; nil is none.
	Issuer *jwtauth.Issuer
	// Now is the clock of sessions and of what callers sign; nil is time.Now.
	Now func() time.Time

	dialect string         // whose routes are served
	auth    Authentication // how its callers are found, nil is by API keys and the admin socket
}

// For is the kit for the routes of a dialect.
func (k *Kit) For(dialect string) *Kit {
	of := *k
	of.dialect = dialect
	return &of
}

// Clock is Now, or time.Now.
func (k *Kit) Clock() func() time.Time {
	if k.Now == nil {
		return time.Now
	}
	return k.Now
}

// authenticate finds out who sent a request to the dialect of the kit.
func (k *Kit) authenticate(r *http.Request) (provisioning.Caller, error) {
	if k.auth != nil {
		return k.auth(r)
	}
	return k.caller(r)
}

// caller finds out who sent a request. An API key goes before the socket, so
// that an administrator can try what a key may do.
func (k *Kit) caller(r *http.Request) (provisioning.Caller, error) {
	if key := apiKey(r.Header); key != nil {
		defer key.Wipe()
		return k.Keys.Authenticate(r.Context(), key)
	}
	if peer, ok := PeerOf(r.Context()); ok && k.Admin != nil {
		return k.Admin(peer)
	}
	return k.Keys.Authenticate(r.Context(), nil)
}

// apiKey is the key in the Authorization header, nil where there is none. The
// header is removed, so that nothing later can tell it.
func apiKey(h http.Header) secret.Bytes {
	value := strings.TrimSpace(h.Get("Authorization"))
	h.Del("Authorization")
	if scheme, rest, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "Bearer") {
		value = strings.TrimSpace(rest)
	}
	if value == "" {
		return nil
	}
	return secret.Bytes(value)
}
