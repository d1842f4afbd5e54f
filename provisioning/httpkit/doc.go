// Package httpkit has what all HTTP dialects of the provisioning API share: routing,
// authentication, bounded bodies, request ids, one log line for each request, errors as
// problem+json (RFC 9457), and the server itself.
//
// It knows no dialect's paths and fields. A dialect passes a table of [Route] to
// [Kit.Router].
//
// # A request
//
// [Kit.Wrap] sets its id (X-Request-Id in the answer), bounds its body, recovers from
// panics and writes the log line; it goes once around everything. [Router] finds the
// route, and then the caller: by an API key in the Authorization header, with or without
// "Bearer", or by the peer credentials of the process at the other end of the admin socket.
// A dialect whose callers authenticate otherwise sets that with [Kit.WithAuthentication]; if their
// credential is in the body, its routes are open and their handlers call [Kit.Admit]. Both
// count against the [Limits] of the installation. The tokens that a caller gets for its
// credential are in [Sessions]. The handler gets the caller and answers or returns an
// error; the dialect's [ErrorWriter] writes that in its own form.
//
// A server of [NewServer] serves requests in the order in which they arrive, as many at a
// time as keep the processors and the store busy.
//
// The log line has the route, its ids, the caller and the outcome. Headers, bodies, query
// strings and other parts of the path are never logged, because clients put passwords
// there.
package httpkit
