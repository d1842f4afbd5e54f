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
//	├── system key          index hashes, PIN pepper, API key hashes, sums, generation
//	└── tenant key          tenant, users, API keys, exchange key
//	    └── token key       token record, attributes, secret attributes
//	          └── PIN       secret attributes of PIN-bound tokens, see below
//
// Each arrow is a random key, sealed, so that a key can be rotated by sealing
// its children anew. What hashes and peppers hang off is the system key and not
// the root key itself, so that rotating the root key keeps PINs and API keys.
// Within a key, HKDF-SHA256 separates purposes. A rotation gives the store a new
// root key in one commit and seals the tenant keys under it in the background;
// until that is done, the old root key is kept, sealed under the new one.
//
// # PIN-bound tokens
//
// The keys above are all under the root key, so whoever has that has every
// secret. Of a PIN-bound token, the secret attributes of private objects need a
// PIN besides. Such a token has a key pair (package box). Secrets are sealed to
// the public key, which is in the token's record, and then under the token's
// secret key as everywhere. The private key is in a box for each of the token's PINs, that
// of the user and that of the SO, which have key pairs of their own (rolekeys.go). The
// private half of such a role key is nowhere but in the verifier of its PIN: sealed under the
// second half of what Argon2id makes of the peppered PIN, whose first half is
// what the PIN is compared with. One computation does both.
//
// What follows from it:
//
//   - Everything else goes on without a PIN: records, labels, certificates, public
//     keys, sums, indexes, the check of the store, backup and restore, the
//     rotation of the root key. Private keys can be imported at any time, because
//     writing needs the public key only.
//   - Setting a PIN needs another one, or the old one, to get at the private key:
//     C_SetPIN has it, C_InitPIN has the SO's, and the provisioning API is given
//     one, has just set one, or refuses. The key pair comes with the first PIN, which needs none. In
//     the commit that stores it, the secrets that are there already are sealed to
//     it; they were under the root key alone until then, and stay so in backups
//     of before. C_InitToken makes a new key pair.
//   - A PIN that is changed gives the token a new key pair, and all its secrets are sealed
//     to that in the same commit. So the old PIN and an older copy of the store open what is
//     in that copy, and nothing that was written since. Logins of this run go on. Of a token
//     of an earlier program, whose PINs open the same key, this holds when both were changed.
//   - Both PINs lost is the secrets lost. [Tx.PutToken] refuses a record that no
//     PIN would open, which is all that can be done about it.
//   - Nobody but Argon2id stands between the root key and a short PIN: its cost is
//     five times that of other tokens, and six digits still fall in a day and a
//     half of one processor.
//   - A token is PIN-bound from the start or never. Binding it later would need a
//     PIN, and would leave its secrets in old pages and backups.
//   - Objects with CKA_PRIVATE false are for use without a login, so no PIN can be
//     in their keys. Their secrets are sealed as those of other tokens. So are the
//     values of data objects, which are attributes like others.
//   - One-time-password tokens are never PIN-bound: the API checks passwords.
//
// The box of an object is for that object only (HPKE's info), so that none is
// read in the place of another whose attributes allow it. Who has the root key
// could put a public key of his own into the record, to read what is written from
// then on; so [Store.CheckPIN] compares it with the private one.
//
// # What is detected
//
// Every value is bound to its place and version (package envelope), so that
// none can be changed or moved. Old values and missing ones are found by sums, mod 2^256,
// of a keyed hash (HMAC-SHA256) of every key and value. Each token has one of its objects.
// All other records are in 4,097 buckets by the first bits of their ids, each of which has
// one ([schema.Bucket]); the sums of the tokens are among those records. The sums of the
// buckets have a sum in their turn, in the head of the store. A write changes a sum by one
// subtraction and one addition, so that a commit writes the sums of the buckets that it
// changed, and the head. Rolling back, removing, adding or swapping single records is
// found when their sum is compared, and the store, or what is in the bucket, or the token,
// is refused with [ErrTampered]. The hashes never leave the seal, so nobody
// without the key can look for two sets of the same sum.
//
// When a store is opened, the head is compared with the sums, and the bucket of tenants,
// recipients and all that there is once with its own. The other buckets are compared, too,
// where the file is small; those of a large one before their first use. A token's
// sum is compared before the first use of its objects.
//
// Why buckets go by ids and not by tenants: a record is looked for by its id alone; one
// tenant may have nearly all of the tokens; and nothing more is to be seen of which
// records are of one tenant. The sums are under a key of the system, so that who has the
// key of a tenant makes no sum right.
//
// While the store is open there is one writer, which remembers (known.go) a hash of
// each record of a bucket that was compared, and of each object that it read or wrote: at
// most 1,048,576, some 50 MiB. A record that reads otherwise was put back, removed or
// added by somebody else. It is [ErrTampered] before a write takes it into a sum, and
// told to Options.Tampered and the log. Beyond that number the ones that were used
// last are remembered, and the patrol (patrol.go) finds the others: it walks over the
// whole store all the time, at two percent of a processor, and compares the sums.
//
// # Older layouts
//
// A store of an older version of the layout (package schema) is migrated when it is opened
// (migrate.go): on a copy, which is authenticated and compared record by record before it
// takes the place of the file. The old file is kept for 30 days, or until a KEK is removed
// or the root key is rotated. Each kind of record has a version of its own besides, which
// its seal authenticates, so that most changes need no migration; and a store says which
// programs know all that is in it, so that an older one drops nothing.
//
// # Older copies of the whole store
//
// An older copy of the file is a store like any other: it would give back PIN
// tries, old PINs, and tokens that were deleted. Where a KEK of the store has
// counters that nobody can set back ([kek.Counter]: a TPM), the store has the
// number of its generation, sealed, and the counter has the same. A store that
// is behind the counter is refused with [ErrRollback] and an alarm in the log.
// Without such a KEK an older copy is not detected, and the log says so at each
// start.
//
// Incrementing takes a TPM some ten milliseconds and wears out its memory, which
// bears some hundred thousand to a million writes. So not every commit is
// counted by itself:
//
//   - Counted before Update returns: a PIN try (before the engine compares); and
//     what takes something away from somebody. urgency.go has the table of that.
//   - Counted within an hour, at the stop and at the start: everything else.
//
// What comes while the counter is being incremented shares the next increment.
// Whoever causes increments pays for them out of a budget of their own: the user who
// holds the token, the token itself where several hold it, the tenant for what comes
// from the API (wear.go). Over it, a try is refused ([ErrWear]), and everything else is
// counted within the hour. The start, the stop and the hour's increment are free, and
// so is the first try of each token in a run.
//
// In a round every commit writes the generation, also that of an update which finds,
// when it runs again there, that nothing urgent is left to do.
//
// The order is: read the counter at C; commit the store as generation C+1;
// increment; return. So the store is one ahead of the counter if the power fails
// in between, and never behind:
//
//   - Killed before the commit: store C, counter C. The try did not happen.
//   - Killed between commit and increment: store C+1, counter C. The store opens,
//     and catches up. An older copy of generation C opens as well, and gives
//     nothing away: the try was not compared, as its Update had not returned.
//   - Killed after the increment: store C+1, counter C+1. The try is stored, and
//     nothing without it opens.
//
// Counting first and committing then would leave a store behind its counter
// after a power cut, which is to be told from an older copy by nothing.
//
// The guarantee: whatever copies of the data folder there are, and whenever the
// daemon is killed, no more PINs are compared than the policy allows. While the
// counter answers, no PIN change, deletion or disabling that was acknowledged is
// undone either. Of the rest, what came after the last increment may be: at most
// an hour of it, and all of it together.
//
// Where the counter does not answer, PIN tries are refused, without being
// stored; PINs that were right before in the same run of the daemon, and
// everything else, go on. Updates of the second kind are committed uncounted
// then. At the start, a counter that does not answer is refused like one that is
// ahead: else breaking it would be a way around it. Options.AcceptRollback is
// the way on: it is remembered in the store, with its time.
//
// Where the counter is gone while the store is in use, or its KEK was removed and does
// not answer, the next KEK that is added begins a new one: the store in use is the newest
// there is. A store that is opened is compared, also with the counter of a KEK that is no
// recipient any more, before that counter is removed: it may be a copy from before the
// KEK was added anew.
//
// A KEK that is added begins to count at once. Not detected are copies from
// before that, of which the KEKs of that time open the store: rotate the
// root key, and destroy those KEKs. Nor is a machine of which somebody controls
// the TPM itself.
//
// # What a copy of the file shows
//
// The number of records of each kind, their lengths, which token and which user
// are of the same tenant, and the KEK URIs. bbolt leaves what was deleted in free
// pages; they are overwritten at each start, and when a KEK was removed or the root
// key rotated, because a KEK that somebody has would unwrap what is left of its
// recipient there.
//
// # Transactions
//
// [Store.View] and [Store.Update] run a function on a consistent snapshot. An
// update is on stable storage when Update returns, or nothing of it is. Updates
// that arrive together share one commit. Functions may run more than once.
package keystore
