// Package securid is the hardware token API of RSA SecurID (Cloud Administration
// API of ID Plus), as its public documentation describes it: assigning,
// unassigning, enabling, disabling, renaming, clearing a PIN, looking up and
// deleting tokens, on the provisioning core.
//
// The routes are a table in routes.go, the bodies are in types.go, who calls is
// found in access.go, the statuses of errors are in errors.go, and the document of
// it all is openapi.yaml, against which the tests check every exchange. What the
// vendor leaves open, and what differs here, is settled in DIVERGENCES.md.
package securid
