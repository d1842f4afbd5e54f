// Package api is the wire form of the native API: the JSON of its requests and
// answers, and nothing else. Package native serves it, package
// provisioning/client speaks it; both take the types from here, so that the two
// ends cannot drift apart.
//
// Times are RFC 3339 in UTC. Ids are GUIDs in lower case. Errors are problem
// documents (RFC 9457), see [Problem]. Listings come in pages, see [Page].
package api
