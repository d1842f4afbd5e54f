// Package schema is the layout of the store: which keys there are, what version
// of the layout a store has, and how an older one is brought up to date.
//
// # Keys, version 2
//
// Ids are the 16 bytes of random GUIDs, numbers are big endian, and h(...) is
// the first 16 bytes of a keyed hash. No key holds a name, login, label, serial
// number or anything else that means something outside of the store.
//
//	!format                        "vtoken" and the version (4 bytes); in the clear
//	A                              head of the audit log, sealed under the header's key
//	B <token>                      keys of the PINs of a PIN-bound token, sealed under the token's key
//	C <node>                       head of a node: sum over its D, next ids; sealed likewise
//	D <node> <bucket>              sum over the records of a bucket, sealed under the header's key
//	a <api key>                    API key, sealed under its tenant's key
//	G <group>                      group of tokens, sealed under its tenant's key
//	g                              generation and counter, sealed under the header's key
//	h <token>                      sealed: sum over the token's objects, and how much they are
//	i <kind> h(what) ... <id>      index entry; the value is empty
//	K <token>                      the token's key, sealed under its tenant's key
//	k <token>                      token record, sealed under the token's key
//	n <user>                       what the user's tokens hold, sealed under its tenant's key;
//	                               programs up to 0.1 wrote it
//	o <token> <object> 0           attributes of an object, sealed under the token's key
//	o <token> <object> 1           its secret attributes, likewise, or
//	o <token> <object> 2           those of a PIN-bound token, in a box (package box)
//	O <tenant>                     the tenant's key before, while records are sealed under the present one
//	p <key>                        key pair that waits for its certificate, sealed under its tenant's key
//	R                              the slot ids that nodes took, sealed under the header's key
//	r <recipient>                  recipient: KEK URI and wrapped root key, in the clear
//	S                              what the store says of itself, sealed under the header's key
//	s                              the system key, sealed under the root key
//	T <tenant>                     the tenant's key, sealed under the root key
//	t <tenant>                     tenant record, sealed under the tenant's key
//	u <user>                       user, sealed under its tenant's key
//	w                              certificate of the API and its key, sealed under the header's key
//	x <tenant>                     the tenant's exchange key, sealed under the tenant's key
//
// The values of a, G, K, k, n, p and u begin with the 16 bytes of the tenant's id, so
// that a reader knows whose key to fetch; the id is authenticated as well.
//
// # Buckets
//
// Every record but objects and the sums themselves is in a [Bucket], whose sum is in the
// accumulator D of that bucket. Where a key has an id or a hash, its first 12 bits are the
// number of the bucket; everything else is in one bucket more.
//
// # Nodes
//
// A store in a file has one node, 0. Where several daemons write one store, each has a
// head, accumulators, a generation and a head of the audit log of its own, so that no two
// write the same key for that reason alone. The keys A and g are those of node 0.
//
// # Versions
//
// A store of a newer version than [Version] is refused and not touched. An
// older one goes through the [Migration] of each version, on a copy that takes
// the place of the store when all of it was read back; the previous file is
// kept beside it for a time. Within a version, sealed values say the version of their
// contents (package envelope), and S says which programs read and write the store.
//
// Version 1 had one header with the sum over everything but the objects, and both next
// ids. Every commit wrote it, and Open read all records before any use.
package schema
