// Package dualshield is the token API of Deepnet DualShield, as its public
// documentation describes it (the token and tokenAssignment objects of the REST
// API, version 6.9), on the provisioning core.
//
// Every method is a POST to /das5/rest/OBJECT/METHOD with a JSON body, and every
// answer an envelope: {"error": 0, "result": ...} or {"error": n, "message": ...}.
// The methods are a table in routes.go. How objects are named and matched is in
// attrs.go and match.go, how a token of the core looks here in tokenview.go, the
// numbers of errors in errors.go, and the document of it all is openapi.yaml,
// against which the tests check every exchange. What the vendor leaves open, and
// what differs here, is settled in DIVERGENCES.md.
package dualshield
