// Package handover keeps the live state of the daemon for its successor while it changes its
// program: in memory of the kernel, never in a file.
//
// The state is encrypted, in a file of memory (memfd_create(2)) that the kernel may swap. Its
// key is in a pipe, whose buffer it may not. Both are descriptors that are passed from process
// to process: by the daemon to the program that takes its place, or through the descriptor
// store of the service manager. Once they are closed, the state is gone.
package handover
