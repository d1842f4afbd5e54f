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

// Authenticator authenticates API keys; provisioning.Service implements it.
type Authenticator interface {
	Authenticate(ctx context.Context, key secret.Bytes) (provisioning.Caller, error)
}

// Kit has what handlers need beside the core.
type Kit struct {
	Keys Authenticator
	// Admin returns the caller for a process at the other end of the admin socket, or an
	// error if the process may not administer. If it is nil, every caller needs an API
	// key.
	Admin func(record.Peer) (provisioning.Caller, error)
	// Log gets one line for each request.
	Log *slog.Logger
	// Served is called for every answered request with the dialect and the operation
	// ("POST /v1/tokens") of its route, both empty where there is no route, the status,
	// and the duration; nil is not called.
	Served func(dialect, operation string, status int, took time.Duration)
	// Forgotten is called after every request but those of quiet routes, so that what
	// remains in Go's heap of its credential, and of PINs, passwords, keys and seeds, can
	// be overwritten. It must return quickly; nil is not called.
	Forgotten func()
	// Audit records every call but those of quiet routes; nil records none.
	Audit Auditor
	// Limits bounds how often callers may call; nil does not.
	Limits *Limits
	// Memory is charged for the bodies of requests: the credential or OS user that sends
	// them, and the address until that is known. Nil is without limits.
	Memory Memory
	// Owner returns the owner in Memory of a process on a Unix socket.
	Owner func(record.Peer) string
	// URL is the base URL of the API, such as "https://tokens.example:8443"; empty if it
	// is not served over HTTPS.
	URL string
	// Issuer is an authorization server whose access tokens some dialects accept; nil is
	// none.
	Issuer *jwtauth.Issuer
	// Now is the clock of sessions and signed tokens; nil is time.Now.
	Now func() time.Time

	dialect string         // whose routes are served
	auth    Authentication // how its callers are found, nil is by API keys and the admin socket
}

// ForDialect returns the kit for the routes of a dialect.
func (k *Kit) ForDialect(dialect string) *Kit {
	of := *k
	of.dialect = dialect
	return &of
}

// Clock returns Now, or time.Now.
func (k *Kit) Clock() func() time.Time {
	if k.Now == nil {
		return time.Now
	}
	return k.Now
}

// authenticate finds the caller of a request to the dialect of the kit.
func (k *Kit) authenticate(r *http.Request) (provisioning.Caller, error) {
	if k.auth != nil {
		return k.auth(r)
	}
	return k.caller(r)
}

// caller finds the caller of a request. An API key takes precedence over the socket, so
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

// apiKey returns the key in the Authorization header, or nil. It removes the header, so
// that nothing later can reveal it.
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
