// Package remote is the client of the daemon: one method per function of
// PKCS#11, each of which asks the daemon and returns its answer. It is what
// the module does, without the C; package main above it converts between host
// memory and Go values.
//
// # Connections
//
// A [Client] is one C_Initialize. It connects when a call first needs the daemon. Each
// connection begins with the name of the application and a ticket, which the client makes at
// random; only the daemon hears the ticket, and no trace has it. Sessions, logins and session
// objects belong to the application, and not to a connection. They are not shared with another
// application: programs take CKR_USER_ALREADY_LOGGED_IN for success, so a
// login that two processes shared would accept any PIN.
//
// A call takes the connection that its session used last. If another thread's call is on it,
// the call takes an idle one, or opens one more, up to 16. If there can be no more, or the
// daemon refuses one, threads share; after a refusal none is asked for in the next ten seconds.
// A connection that nobody used for ten seconds is closed by one of the next calls, unless it
// is the only one. A thread that blocks in C_WaitForSlotEvent has a connection of its own.
//
// The daemon keeps the order of the calls of a session on one connection. So after a request
// that nobody waits for, which is C_FindObjectsFinal, or one that was not answered in time, the
// session stays on that connection until the daemon has answered something later.
//
// Before each write the client looks whether the descriptor is still the socket that it made.
// A host that closes all descriptors that it does not know, or uses their numbers for its own
// files, costs a new connection. The client does not touch the host's file. (A host that
// does so while a call waits may still have its file read.)
//
// With an older server ([p11rpc.Extended] and below) there is one connection, and the
// sessions are lost with it: the calls under way answer CKR_DEVICE_REMOVED, later ones
// CKR_SESSION_HANDLE_INVALID, and the next call that needs no session connects again.
// Session handles are the client's own and are not used twice, so a handle of a lost session
// never means a new one.
//
// C_Finalize tells the daemon, and waits up to three seconds until it has let go of the sessions.
// Where the connection was lost it makes another one for that, as the daemon keeps the sessions
// of a process that lives.
//
// # When the daemon is away
//
// Without a daemon there are no slots and that is no error. Calls that
// name a slot tell why: CKR_DEVICE_REMOVED where nothing listens,
// CKR_ACTION_PROHIBITED where the socket may not be opened. A client that has not met a daemon
// yet does not wait for one, unless its process was forked from one that had.
//
// A client that has met one waits for its return, up to the limit of a call. It looks again
// after 10 ms, and then less often, down to every 100 ms. If the daemon stays away, the call
// answers CKR_DEVICE_REMOVED, and the sessions are good again when it is back. C_Finalize ends
// the wait of all threads at once.
//
// When the daemon was started again, the first connection asks for all open sessions, and for
// the logins that go with them (CallResume). The others wait for that. The host keeps its
// handles. A session that the daemon does not give back answers CKR_SESSION_HANDLE_INVALID from
// then on. A daemon that does not let the application in again, because an administrator ended
// it, meets another application, with a new name and no sessions.
//
// A call whose connection was lost is sent again, if it can be done twice without harm, or
// was certainly not done. The table in resend.go says which, and why. The others answer
// CKR_DEVICE_REMOVED, and the text says that the call may have been done. A daemon that ends
// answers CKR_FUNCTION_CANCELED to what it has not begun; the next one gets that.
//
// An operation of one part goes on in the next daemon: C_SignInit before the restart and
// C_Sign after it. The same holds for a search, which leaves out what the host has had. What
// was under way in parts is lost, and its next call answers CKR_OPERATION_NOT_INITIALIZED. So
// is C_Login with CKU_CONTEXT_SPECIFIC: the next C_Sign answers CKR_USER_NOT_LOGGED_IN.
//
// Session objects are lost, but for those that the client knows how to make again: copies of
// token objects, and public keys and certificates of the host. It remembers 1024 of them, and
// not what is in a secret key. They come back under their handles, with another CKA_UNIQUE_ID.
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
// Any number of host threads may call. Mostly each has a connection of its own, and reads its
// own answers. On one that is shared, each sends its own frame; one of those
// that wait reads the socket for all of them and hands answers to their owners
// (see conn.go). There is no goroutine of the package's own and, for a single
// thread, no switch between threads on this side. Waiting is done in the kernel
// (futex, poll) and not in Go channels, because a host thread that parks in the
// Go scheduler needs a second thread to be woken.
//
// # Time
//
// Every wait has a limit, ten seconds unless the environment says otherwise, because a
// call that hangs freezes the program (p11-glue/p11-kit#294). Making keys may take six times
// as long, making a key pair thirty times, and a blocking WaitForSlotEvent has no limit.
//
// A call that misses the limit answers CKR_DEVICE_REMOVED. Nothing else is lost: the
// connection stays, unless the limit cut the request in the middle of writing, and the late
// answer is dropped. The daemon may still do the call, and so start an operation. Therefore
// the session's operations are cancelled (C_SessionCancel) before its next call; reading calls
// change nothing and cancel nothing. A session that C_OpenSession opens too late stays open in
// the daemon until C_Finalize. With an older server the connection is closed.
//
// A call that waits for a daemon that is away has the limit for that, and then the limit for
// the answer.
//
// # Errors end operations
//
// PKCS#11 ends an operation with every error but CKR_BUFFER_TOO_SMALL (section 5.2). The daemon
// does so with its own errors. Where the library has the error, because it refused the call, the
// call did not reach the daemon or the answer was none, the next call of the session has
// C_SessionCancel in front of it ([Client.Refuse], underway.go); a C_SignInit that is held back
// is dropped. Of an operation on messages it is the message under way that ends. A server
// that does not know C_SessionCancel, as p11-kit up to 0.24 or before an older module, is made to
// finish the operation, and the result is dropped.
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
