// Package native is our own API, below /v1/: everything that an administrator
// does with tenants, users, API keys and tokens, in our own words. The vtoken
// command speaks it over the admin socket and over HTTPS.
//
// It is a dialect like those of the vendors: it decodes a request, calls one
// method of the provisioning core and encodes the result. The JSON is in package
// api below, the list of operations in routes.go, the answer to each kind of
// error in errors.go, and the description for other programs in openapi.yaml.
//
// # Conventions
//
//   - Every operation takes the query parameter "tenant", a name or an id. Without
//     it the tenant is that of the API key, or "default" for callers who see all.
//   - Users are named by login or id, tenants by name or id, tokens by id.
//   - Listings come in pages (query parameters "limit" and "cursor").
//   - A request holds one JSON value without unknown members, so that a misspelt
//     one is refused rather than ignored.
//   - DELETE answers 204, creation 201, everything else 200 or 204.
//   - Enabling what is enabled, and disabling what is disabled, is a success.
package native
