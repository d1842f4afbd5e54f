// Package directory finds tokens by their properties. It keeps what can be searched for of
// each token in memory, sorted and indexed, so that a page of a search among a hundred
// thousand tokens reads a page of records and not a hundred thousand.
//
// The store keeps its records encrypted and finds them by keyed hashes, which answers
// "this serial number" and nothing else. So the directory is filled from a snapshot of the
// store and kept current by its feed of changes. It never leaves the process and holds no
// secret: labels, serial numbers, states, times.
//
// # How a search runs
//
// Each order has a tree. A criterion that an index can answer (equality of a state, a
// holder or a group; a part of at least three characters of a serial number or label)
// yields candidates. If the criterion with the fewest candidates has few, they are checked
// and sorted. Otherwise the search walks the tree from the cursor on; since there are many
// candidates, the page fills soon.
//
// A search returns ids and places. The caller reads the records in its own transaction,
// and drops those that have changed since.
package directory
