// Package bolt is the storage engine on bbolt: one file, one writer process.
//
// bbolt trusts its file: a damaged page can make it panic, read outside of the
// file or walk in circles. This package therefore checks the structure of the
// whole file before bbolt sees it (check.go), and turns what still goes wrong
// later into errors. In a large file that was closed well, bbolt's list of free pages is
// there, so that neither has to walk over it: there, a damaged page is an error when it is
// read. Damage to the contents of keys and values is not noticed
// here; the keystore authenticates those.
//
// # When a commit fails
//
// bbolt writes the pages of a commit, syncs, then writes one meta page that
// makes them count, and syncs again. A failure before the meta page (a full
// disk, most of all) leaves the old state, and the engine goes on. After a
// failure with the meta page nobody knows what a power cut would leave, so the
// engine refuses all further updates with kv.ErrBroken until it is opened
// again.
//
// # Both meta pages must be good
//
// bbolt keeps two meta pages and falls back to the older one where the newer
// one is damaged, which takes back the last commit without a word. A meta page
// lies within one sector, which disks write whole or not at all, so a damaged
// one is no trace of a power cut. It is refused.
package bolt
