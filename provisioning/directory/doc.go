// Package directory finds tokens by what they are: it keeps of each token of the
// store what can be searched for, in memory, in order and by its parts, so that a
// page of a search among a hundred thousand tokens reads a page of records and
// not a hundred thousand.
//
// The store keeps its records sealed and finds them by keyed hashes, which is
// good for "this serial number" and nothing else. So the directory is filled from
// a snapshot of the store and kept current by its feed of changes. It never
// leaves the process and holds no secret: labels, serial numbers, states, times.
//
// # How a search runs
//
// Each order has a tree. A criterion that an index can answer (equality of a
// state, a holder or a group; a part of at least three characters of a serial
// number or label) names candidates. Where the fewest candidates of all criteria
// are few, they are checked and sorted; else the tree is walked from the cursor
// on, and since the candidates are many there, the page fills soon.
//
// A search names entries; whoever asked reads the records, in its own
// transaction, and drops those that changed since.
package directory
