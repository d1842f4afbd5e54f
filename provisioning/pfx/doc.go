// Package pfx makes sense of the contents of a PFX file: which certificate belongs to its
// key, which certificates are that one's issuers, and which objects of a token all of them
// make. The same is done for the certificates that a CA sends for a key that waits for
// them. The file format itself is read by package pfxfile.
//
// It knows no token, no store and no caller. What it refuses is an [Error] for the sender
// of the file.
package pfx
