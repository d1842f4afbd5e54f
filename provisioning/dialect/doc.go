// Package dialect is what a vendor's provisioning API has to be to be served: a
// name, routes and a document. Each is a package below this one that decodes
// requests, calls the provisioning core and encodes answers, and that never
// imports another dialect. Package dialect/all has the one list of them, package
// dialecttest the suite that each has to pass.
package dialect
