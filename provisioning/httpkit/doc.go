// Package httpkit is what every HTTP dialect of the provisioning API shares:
// routing, authentication, bounded bodies, request ids, one log line a request,
// errors as problem+json (RFC 9457), and the server itself.
//
// It knows nothing of any dialect's paths and fields. A dialect is a table of
// [Route] that it hands to [Kit.Router].
//
// # A request
//
// [Kit.Wrap] gives it an id (the answer's X-Request-Id), bounds its body,
// recovers from panics and writes the log line; it goes once around everything.
// [Router] finds the route, then asks who calls: an API key in the
// Authorization header, as it is or after "Bearer", else the process at the
// other end of the admin socket, as the kernel names it. A dialect whose callers
// prove themselves otherwise says how with [Kit.By]; where that is in the body, its
// routes are open and their handlers call [Kit.Admit]. Both count against the
// [Limits] of the installation. What a caller is given for its credential is kept in
// [Sessions]. The handler gets the
// caller and answers or returns an error; the dialect's [ErrorWriter] turns that
// into its own form.
//
// A server of [NewServer] takes up requests in the order in which they came, so many
// at a time as keep the processors and the store busy.
//
// The log line names the route, its ids, the caller and the outcome. Headers,
// bodies, query strings and other parts of the path are never logged, because
// clients put passwords there (K19).
package httpkit
