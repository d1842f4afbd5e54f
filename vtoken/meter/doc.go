// Package meter charges memory to the account of the user who makes the daemon hold it.
//
// A [Purse] stands between an account and one holder of memory, such as a connection or
// a session: it pays a small amount in advance, so that small and frequent changes cost
// an addition and never reach the account. What a purse has paid goes back when it ends.
//
// The package does not decide who may hold how much; an [Account] does.
package meter
