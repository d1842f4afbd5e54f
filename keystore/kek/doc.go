// Package kek says what a key-encryption key (KEK) is to the keystore: something
// named by a URI that can wrap and unwrap the store's root key.
//
// Each provider is a folder beside this file, named after the scheme of its
// URIs; package all has the one list of them, and package kektest the suite that every
// provider must pass. A provider knows nothing of the store, and the store knows only the
// URI of a provider.
//
// # What a KEK protects
//
// The daemon keeps the unwrapped root key in memory while it runs. The KEK
// decides who can get the root key when the daemon does not run: from a copied
// disk, from a backup, on another host. A file beside the store protects from
// none of these; a passphrase file elsewhere, a TPM or an HSM do.
package kek
