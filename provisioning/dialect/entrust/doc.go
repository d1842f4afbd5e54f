// Package entrust is the tokens API of Entrust Identity as a Service, as its
// public documentation describes it (API version 5.46: the 16 operations of the
// Tokens API, their asynchronous twins, and adminapi/authenticate), on the
// provisioning core.
//
// The routes are a table in routes.go, the bodies are in types.go, how a token of
// the core looks here is in tokenview.go, the statuses and codes of errors are in
// errors.go, and the document of it all is openapi.yaml, against which the tests
// check every exchange. What the vendor leaves open, and what differs here, is
// settled in DIVERGENCES.md.
package entrust
