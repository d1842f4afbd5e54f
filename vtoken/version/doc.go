// Package version is the version of vtoken: the file VERSION of this folder, which is
// compiled in, so that go build alone gives programs that tell the truth.
//
// A release changes that file, and the heading of CHANGELOG.md. The daemon, the module,
// the commands, the client's User-Agent and the Debian package read the file; go generate
// writes it into the OpenAPI documents.
//
// What it is not: the version of a protocol, of the store, or of a vendor's API. Each of
// these has its own.
package version

//go:generate go run vtoken/tools/gen/release -root ../..
