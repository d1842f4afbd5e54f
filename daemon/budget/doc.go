// Package budget keeps account of what the daemon's clients have of something that is
// scarce: bytes of memory, connections. It decides who may have more, and knows nothing
// of what the amounts are for.
//
// A [Ledger] has a limit for all owners together and one for each. An owner may hold at
// most what is then still free for all others: with nobody else it is half of the total,
// with three others that hold all they can it is a fifth. So the last part of the total is never
// given to those who have most of it, and an owner who holds nothing gets something
// without a reserve that nobody may use.
//
// An owner is a text: an OS user ([Owners] tells which, so that the users in a user's
// /etc/subuid ranges count as that user), a credential of the API, or a network address.
package budget
