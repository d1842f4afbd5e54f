// Package api is the JSON of the requests and answers of the native API, and nothing else.
// Package provisioning/dialect/native serves it and package provisioning/client uses it.
// Both take the types from here, so that the two ends cannot differ.
//
// Times are RFC 3339 in UTC. Ids are GUIDs in lower case. Errors are problem documents
// (RFC 9457), see [Problem]. Listings come in pages, see [Page].
package api
