// Package harness starts what the tests of whole programs need: the daemon with
// sockets of its own in a temporary folder, SoftHSM in process or behind p11-kit
// server, PFX files made by openssl, and scripts that read like a terminal
// session (script.go).
//
// Nothing here sleeps for a fixed time: the harness waits for a line, a socket
// or the end of a process. Whatever it started, it ends by process id.
package harness
