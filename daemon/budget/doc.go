// Package budget counts what the daemon's clients use of limited resources: bytes of memory,
// connections. It decides who may have more, and does not know what the amounts are for.
//
// A [Ledger] has a limit for all owners together and one for each. An owner may hold at most
// as much as is then still free for all others: alone at most half of the total, beside three
// others that hold all they can a fifth. So the last part of the total never goes to those who
// have most, and an owner who holds nothing gets something without a reserve that nobody may
// use.
//
// An owner is a string: an OS user ([Owners] maps the uids in a user's /etc/subuid ranges to
// that user), an API credential, or a network address.
package budget
