// Package peer asks the kernel which process is at the other end of a Unix socket, so that
// an application can be told from every other one, also from one that gets its process id
// later.
package peer
