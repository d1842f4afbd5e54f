// Package keystore keeps tenants, users, API keys, tokens and objects, sealed,
// in one file of the data folder. It implements the stores that the engine and
// the provisioning core declare.
//
// It stands on three packages that know nothing of each other: kv holds keys
// and bytes, envelope seals bytes for a place, kek wraps one key. Package schema
// says which keys there are.
//
// # Keys
//
// A random root key opens the store. It is in memory only, and on disk once for
// each recipient, wrapped under that recipient's KEK; any one opens. Below it:
//
//	root key
//	├── system key          index hashes, PIN pepper, API key hashes, header
//	└── tenant key          tenant, users, API keys, exchange key
//	    └── token key       token record, attributes, secret attributes
//
// Each arrow is a random key, sealed, so that a key can be rotated by sealing
// its children anew. What hashes and peppers hang off is the system key and not
// the root key itself, so that rotating the root key keeps PINs and API keys.
// Within a key, HKDF-SHA256 separates purposes. A rotation gives the store a new
// root key in one commit and seals the tenant keys under it in the background;
// until that is done, the old root key is kept, sealed under the new one.
//
// # What is detected
//
// Every value is bound to its place and version (package envelope), so that
// none can be changed or moved. Old values and missing ones are found by sums:
// each token has the sum, mod 2^256, of a keyed hash (HMAC-SHA256) of every key
// and value of its objects, and the header has one of everything else, those
// sums included. A write changes its sum by one subtraction and one addition.
// The header is read and compared when the store is opened, a token's sum
// before the first use of its objects. Rolling back, removing, adding or
// swapping single records is found then, and the store, or the token, is
// refused with [ErrTampered]. The hashes never leave the seal, so nobody
// without the key can look for two sets of the same sum.
//
// Not detected yet: an older copy of the whole file. It is a store like any
// other. Nor is somebody kept out who can write to the file while the daemon
// runs and takes care to put everything back before it is opened the next time.
//
// # What a copy of the file shows
//
// The number of records of each kind, their lengths, which token and which user
// are of the same tenant, and the KEK URIs.
//
// # Transactions
//
// [Store.View] and [Store.Update] run a function on a consistent snapshot. An
// update is on stable storage when Update returns, or nothing of it is. Updates
// that arrive together share one commit. Functions may run more than once.
package keystore
