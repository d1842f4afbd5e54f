// Package native is our own API, below /v1/: everything that an administrator does with
// tenants, users, API keys and tokens. The command vtoken uses it over the admin socket and
// over HTTPS.
//
// It is a dialect like those of the vendors: it decodes a request, calls one method of the
// provisioning core and encodes the result. The JSON is in package provisioning/api, the
// list of operations in routes.go, the answer to each kind of error in errors.go, and the
// description for other programs in openapi.yaml.
//
// # Conventions
//
//   - Every operation takes the query parameter "tenant", a name or an id. Without
//     it the tenant is that of the API key, or "default" for callers who may access all.
//   - Users are named by login or id, tenants by name or id, tokens by id.
//   - Listings come in pages (query parameters "limit" and "cursor").
//   - A request has one JSON value without unknown members, so that misspelt ones are
//     refused rather than ignored.
//   - DELETE answers 204, creation 201, everything else 200 or 204.
//   - Enabling an enabled object succeeds, and so does disabling a disabled one.
package native
