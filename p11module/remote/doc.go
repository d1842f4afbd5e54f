// Package remote is the client of the daemon: one method per function of
// PKCS#11, each of which asks the daemon and returns its answer. It is what
// the module does, without the C; package main above it converts between host
// memory and Go values.
//
// # One connection
//
// A [Client] is one C_Initialize. It connects when a call first needs the daemon
// and keeps that one connection, because the daemon ties login state, sessions
// and session objects to it: programs take CKR_USER_ALREADY_LOGGED_IN for success, so a
// login that two processes shared would accept any PIN. Where the connection is lost, the
// sessions on it are lost: the calls under way answer CKR_DEVICE_REMOVED, later ones
// CKR_SESSION_HANDLE_INVALID, and the next call that needs no session, such as
// GetSlotList or OpenSession, connects again. Session handles are the client's
// own and are not used twice, so a handle of a lost session never means a new
// one.
//
// Without a daemon there are no slots and that is no error. Calls that
// name a slot tell why: CKR_DEVICE_REMOVED where nothing listens,
// CKR_ACTION_PROHIBITED where the socket may not be opened.
//
// # Who may hear a PIN
//
// After each connect and before the first byte, the client asks the kernel who serves
// the socket (SO_PEERCRED). It goes on where that is root or the effective user of the
// process, or the one user that VTOKEN_P11_SERVER_UID names; any other server is treated
// as an absent daemon. A path in VTOKEN_P11_SOCKET is checked like any other: whoever set
// it need not own what listens there. VTOKEN_P11_SERVER_UID is for a daemon that neither
// user runs, and for containers with user namespaces of their own, where root of the
// machine is the user 65534.
//
// # Threads
//
// Any number of host threads may call. Each sends its own frame; one of those
// that wait reads the socket for all of them and hands answers to their owners
// (see conn.go). There is no goroutine of the package's own and, for a single
// thread, no switch between threads on this side. Waiting is done in the kernel
// (futex, poll) and not in Go channels, because a host thread that parks in the
// Go scheduler needs a second thread to be woken.
//
// # Time
//
// Every wait has a limit, ten seconds unless the environment says otherwise, because a
// call that hangs freezes the program (p11-glue/p11-kit#294). A daemon that misses the
// limit counts as lost, and the connection is closed. Making keys may take six times as long, making a key pair thirty times,
// and a blocking WaitForSlotEvent has no limit.
//
// # Environment
//
// All variables are ignored in a program that runs with more rights than its
// user; see [FromEnvironment].
//
//	VTOKEN_P11_SOCKET     socket of the daemon; else $XDG_RUNTIME_DIR/vtoken/p11.sock
//	                      if it exists and the user is not root, else /run/vtoken/p11.sock
//	VTOKEN_P11_SERVER_UID number of one more user whose daemon is trusted
//	VTOKEN_P11_TIMEOUT    limit of one call: "10s", "500ms"; from 10ms to 1h
//	VTOKEN_TRACE          "stderr" or the path of a file to append a line per call to
//	VTOKEN_TRACE_SECRETS  "1" to have data, PINs and keys in those lines too
package remote
