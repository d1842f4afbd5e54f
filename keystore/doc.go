// Package keystore keeps tenants, users, API keys, tokens and objects, sealed,
// in one file of the data folder. It implements the stores that the engine and
// the provisioning core declare.
//
// It uses three packages that do not depend on each other: kv stores keys and bytes,
// envelope seals bytes for a place, and kek wraps one key. Package schema defines the keys.
//
// # Keys
//
// A random root key opens the store. The plain key is in memory only. On disk it is wrapped
// once for each recipient, under that recipient's KEK; any one recipient opens the store.
// Below it:
//
//	root key
//	├── system key          index hashes, PIN pepper, API key hashes, sums, generation
//	└── tenant key          tenant, users, API keys, exchange key
//	    └── token key       token record, attributes, secret attributes
//	          └── PIN       secret attributes of PIN-bound tokens, see below
//
// Each line is a random key, sealed under the key above it, so that rotating a key means
// sealing its children again. Hashes and peppers are derived from the system key and not
// from the root key, so that rotating the root key keeps PINs and API keys. HKDF-SHA256
// derives one key for each purpose. A rotation gives the store a new root key in one commit
// and seals the tenant keys under it in the background; until that is done, the store keeps
// the old root key, sealed under the new one.
//
// # PIN-bound tokens
//
// The root key opens all of the keys above. The secret attributes of private objects of a
// PIN-bound token need a PIN as well. Such a token has a key pair (package box). The store
// seals its secrets to the public key, which is in the token's record, and then under the
// token's secret key like those of other tokens. The private key is in one box for each PIN
// of the token, of the user and of the SO. Each PIN has a key pair of its own (rolekeys.go),
// whose private half is only in the verifier of the PIN. Argon2id of the peppered PIN gives
// two halves: the first is compared with the verifier, the second seals that private half.
//
// Consequences:
//
//   - Everything else works without a PIN: records, labels, certificates, public keys,
//     sums, indexes, the check of the store, backup and restore, and the rotation of the
//     root key. Private keys can be imported at any time, because writing needs the public
//     key only.
//   - Setting a PIN needs the old PIN or the other role's PIN, to get the private key.
//     C_SetPIN has the old PIN and C_InitPIN the SO's; the provisioning API is given one,
//     has just set one, or refuses. The first PIN needs none: it comes with a new key pair.
//     The commit that stores it seals the existing secrets to that key pair. Before, only
//     the root key protected them, and backups from that time still hold them that way.
//     C_InitToken makes a new key pair.
//   - Changing a PIN gives the token a new key pair and seals all its secrets to it in the
//     same commit. So the old PIN and an older copy of the store open what is in that copy,
//     and nothing that was written since. Logins of this run go on. The two PINs of a token
//     that an earlier program made open the same key; for it, both must be changed.
//   - If both PINs are lost, so are the secrets. [Tx.PutToken] refuses a record that no
//     PIN would open.
//   - Only Argon2id protects a short PIN against an attacker with the root key. Its cost is
//     five times that of other tokens; one processor still tries all PINs of six digits in
//     a day and a half.
//   - A token is PIN-bound from the start or never. Binding it later would need a PIN, and
//     would leave its secrets in old pages and backups.
//   - Objects with CKA_PRIVATE false are used without a login, so their secrets are sealed
//     like those of other tokens. So are the values of data objects, which are ordinary
//     attributes.
//   - One-time-password tokens are never PIN-bound: the API checks passwords.
//
// The box of an object names the object (HPKE's info), so that it does not open in the place
// of another object. An attacker with the root key could put another public key into the
// record, to read what is written from then on; so [Store.CheckPIN] compares the public key
// with the private one.
//
// # What is detected
//
// The seal of a value authenticates its place and version (package envelope), so that no
// value can be changed or moved. Sums, mod 2^256, of a keyed hash (HMAC-SHA256) of every key
// and value detect old and missing values. Each token has a sum over its objects. All other
// records, the sums of the tokens included, are in 4,097 buckets by the first bits of their
// ids, each with a sum ([schema.Bucket]). The head of the store has a sum over the sums of
// the buckets. A write changes a sum by one subtraction and one addition; a commit writes
// the sums of the buckets that it changed, and the head. Comparing the sums detects single
// records that were rolled back, removed, added or swapped: the store refuses the token, the
// bucket or all of itself with [ErrTampered]. The sums are sealed, so an attacker without
// the key cannot search for two sets with the same sum.
//
// Open compares the head with the sums of the buckets, and the bucket of tenants, recipients
// and single records with its sum. In a small file it compares all buckets; in a large one,
// the store compares each bucket before its first use. It compares the sum of a token before
// the first use of its objects.
//
// Buckets go by ids and not by tenants: a record is looked up by its id alone, one tenant may
// have nearly all of the tokens, and buckets by tenant would show which records belong
// together. A system key seals the sums, so that the key of a tenant is not enough to forge
// one.
//
// While the store is open there is one writer. It remembers (known.go) a hash of each record
// of a verified bucket, and of each object that it read or wrote: at most 1,048,576, some
// 50 MiB. A record that reads differently was changed from outside. The store refuses it with
// [ErrTampered] before a write takes it into a sum, and reports it to Options.Tampered and
// the log. Above that number, the store remembers the records that it used last; the patrol
// (patrol.go) checks the others: it walks over the whole store all the time, with two percent
// of a processor, and compares the sums.
//
// # Older layouts
//
// Open migrates a store of an older version of the layout (package schema; migrate.go). It
// works on a copy, which it authenticates and compares record by record before the copy
// replaces the file. The old file is kept for 30 days, or until a KEK is removed or the root
// key is rotated. Each kind of record also has a version of its own, which its seal
// authenticates, so that most changes need no migration. The store records the least program
// level that knows everything in it, so that an older program drops nothing.
//
// # Older copies of the whole store
//
// An older copy of the file is a valid store: it would restore PIN tries, old PINs and
// deleted tokens. Where a KEK of the store has monotonic counters ([kek.Counter]: a TPM), the
// store has a generation number, sealed, and the counter has the same number. Open refuses a
// store that is behind the counter with [ErrRollback] and an alarm in the log. Without such a
// KEK the store cannot detect an older copy; the log says so at each start.
//
// An increment takes a TPM some ten milliseconds and wears out its memory, which bears some
// hundred thousand to a million writes. So the store does not count every commit by itself:
//
//   - Before Update returns it counts a PIN try (before the engine compares), and a change
//     that takes something away from somebody. urgency.go has the table of those changes.
//   - Within an hour, at the stop and at the start, it counts everything else.
//
// Updates that arrive during an increment share the next one. Each increment is paid from the
// budget of an owner: the user who holds the token, the token itself if several users hold
// it, or the tenant for changes through the API (wear.go). Beyond the budget the store refuses
// PIN tries ([ErrWear]), and counts everything else within the hour. The increments at the
// start, at the stop and of the hour are free, and so is the first try of each token in a
// run.
//
// In a round every commit writes the generation, even one whose update has nothing urgent
// left to do when it runs again.
//
// The order is: read the counter at C; commit the store as generation C+1; increment; return.
// So after a power failure the store is at most one ahead of the counter, and never behind:
//
//   - Killed before the commit: store C, counter C. The try did not happen.
//   - Killed between commit and increment: store C+1, counter C. The store opens,
//     and catches up. An older copy of generation C opens as well, and gives
//     nothing away: the try was not compared, as its Update had not returned.
//   - Killed after the increment: store C+1, counter C+1. The try is stored, and
//     nothing without it opens.
//
// The other order would leave the store behind its counter after a power cut, like an older
// copy.
//
// The guarantee: whichever copies of the data folder exist, and whenever the daemon is
// killed, no more PINs are compared than the policy allows. While the counter answers, no
// acknowledged PIN change, deletion or disabling is undone either. Other changes since the
// last increment may be undone: at most those of one hour, and all of them together.
//
// While the counter does not answer, the store refuses PIN tries and does not store them.
// PINs that were correct before in the same run still work, and so does everything else;
// changes are committed without being counted. Open treats a counter that does not answer
// like one that is ahead, because breaking it would otherwise bypass the check. An
// administrator continues with Options.AcceptRollback, which the store records with the time.
//
// If the counter is lost while the store is in use, or its KEK was removed and does not
// answer, the next KEK that is added begins a new counter: the store in use is the newest.
// Open compares a store also with the counter of a removed KEK before it removes that
// counter: the store may be a copy from before the KEK was added again.
//
// An added KEK begins to count at once. Older copies from before remain undetected if a KEK
// of that time opens them: rotate the root key, and destroy those KEKs. An attacker who
// controls the TPM itself is not detected.
//
// # What a copy of the file shows
//
// It shows the number of records of each kind, their lengths, which tokens and users belong
// to the same tenant, and the KEK URIs. bbolt leaves deleted data in free pages. The store
// overwrites them at each start, and after a KEK was removed or the root key was rotated,
// because a removed KEK would unwrap the remains of its recipient.
//
// # Transactions
//
// [Store.View] and [Store.Update] run a function on a consistent snapshot. When Update
// returns, either all of the update is on stable storage or none. Updates that arrive
// together share one commit. Functions may run more than once.
package keystore
