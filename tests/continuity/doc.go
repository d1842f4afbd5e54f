// Package continuity proves that nobody notices when the daemon restarts, crashes, is away
// for seconds or freezes: stock programs work through such interruptions, without a failed
// operation and without a PIN (programs_test.go), and a random walk of our own clients is
// compared with a model (walk_test.go).
//
// CONTINUITY_ROUNDS (2) is how often the daemon is interrupted in each way under each stock
// program, CONTINUITY_FREEZE (2s) how long it is frozen, CONTINUITY_RESTARTS (40) how often
// it is interrupted in the walk, CONTINUITY_KIND in which way alone, and CONTINUITY_SEED what the
// walk begins with. CONTINUITY_TRACE is a folder for the traces of the library. Run it as root:
// some servers sign as www-data.
package continuity
