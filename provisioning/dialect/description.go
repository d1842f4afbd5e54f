package dialect

import (
	"vtoken/provisioning"
	"vtoken/vtoken/secret"
)

// Description is what is known about a dialect without an instance of it. Each dialect
// provides its own; the native API and the command vtoken use it.
type Description struct {
	// Name is what the configuration calls the dialect: lower-case letters.
	Name       string
	New        New
	Credential Credential
	// Imports are the files of this vendor that `vtoken import` reads.
	Imports []Import
}

// Credential describes how the clients of a dialect authenticate: what the core makes for
// them, and the vendor's names for it.
type Credential struct {
	// Kind is BearerKey where clients use the keys of the native API. Then nothing else
	// is set here but the help.
	Kind provisioning.CredentialKind
	// IDIsName makes the name of a credential its id; otherwise the id is random.
	IDIsName bool
	// ClientCertificate allows to bind a credential to a TLS client certificate.
	ClientCertificate bool
	// Fields returns what a client is configured with, under the names and in the order
	// of the vendor. Fields without a value are left out.
	Fields func(Issued) []Field
	// Help is a sentence of `vtoken apikey create --help` on what is special here, and
	// Example a command line; both may be empty.
	Help, Example string
}

// Issued is a credential that was just made.
type Issued struct {
	Name, ID string
	// Secret is the shared secret, or the private key of a signer in PEM; it is empty
	// where the client brought its own key. It is shown once.
	Secret secret.Text
	Tenant string // by name
	URL    string // of the HTTPS API, without a path
}

// Field is a part of a credential.
type Field struct {
	Name  string
	Value secret.Text
}

// Import is the help of a command `vtoken import FORMAT`.
type Import struct {
	Format  string // the name of the command
	Title   string // one line
	Help    string // goes on after "Import "
	Example string // a command line
}
