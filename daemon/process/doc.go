// Package process keeps secrets in the memory of the daemon's process: it forbids core
// dumps and debuggers, keeps memory out of swap, and has Go's garbage collector overwrite
// what it frees. docs/threat-model.md says what is left.
package process
