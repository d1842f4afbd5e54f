// Package client is a client of the native API, for the daemon of this machine over its
// admin socket, or for another one over HTTPS with an API key.
//
// The command vtoken and the tests use it. A call returns the daemon's answer as a type of
// package api, or one of three errors:
//
//   - [*Error] if the daemon refused: its kind, its sentence, its request id;
//   - one that wraps [ErrUnreachable] if nothing answered;
//   - one that wraps [ErrAccess] if this process may not open the socket.
//
// It reads at most [MaxAnswer] bytes of an answer. A Client is safe for concurrent use. It
// does not retry: a failed call may have been carried out.
package client
