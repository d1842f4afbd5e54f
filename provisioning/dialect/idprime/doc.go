// Package idprime is the provisioning API of Thales SafeNet IDPrime Virtual, as
// its public documentation describes it (version 3.x: operations of V1.0, and
// creating and listing tokens in V2.0 as well), on the provisioning core.
//
// The routes are a table in routes.go, the bodies are in types.go, the statuses
// of errors in errors.go, and the document of it all is openapi.yaml, against
// which the tests check every exchange. What the vendor leaves open, and what
// differs here, is settled in DIVERGENCES.md.
package idprime
