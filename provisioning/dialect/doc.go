// Package dialect defines what a vendor's provisioning API needs to be served: a
// description, routes and a document. Each dialect is a package below this one that decodes
// requests, calls the provisioning core and encodes answers, and that never imports another
// dialect. Package dialect/all has the list of all of them, package dialecttest the suite
// that each must pass.
package dialect
