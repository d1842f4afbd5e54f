// Package client speaks the native API: to the daemon of this machine over its
// admin socket, or to another over HTTPS with an API key.
//
// The admin tool, the tests and later the console use it. A call returns what
// the daemon answered, as the types of package api, or one of three errors:
//
//   - [*Error] where the daemon refused: its kind, its sentence, its request id;
//   - one that wraps [ErrUnreachable] where nothing answered;
//   - one that wraps [ErrAccess] where this process may not open the socket.
//
// No answer is read beyond [MaxAnswer] bytes. A Client is safe for concurrent
// use. It retries nothing: a call that failed may have been done.
package client
