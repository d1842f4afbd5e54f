// Package p11server serves PKCS#11 on a Unix socket. It accepts connections, asks the
// kernel for the peer's credentials, reads requests of the p11-kit RPC protocol
// (vtoken/p11rpc), calls the token engine, and writes the answers. It converts errors to
// CK_RVs.
//
// It holds no tokens and no keys, and knows the engine only as the interface [Client].
// Calls without a handler are answered with CKR_FUNCTION_NOT_SUPPORTED.
//
// # Connections
//
// A connection is one application. Its sessions, logins and session objects end with it. A
// message that breaks the protocol ends its connection, with one line in the log. A panic
// ends only the request that caused it.
//
// # Limits
//
// Connections count for the owner who is accountable for them ([Options].Owner). Beyond the
// limits ([Places]) a connection is accepted for a moment, and every request on it is
// answered with CKR_DEVICE_MEMORY. If no place is left at all and the owner has no
// connection, an idle connection of the owner with most connections is ended.
//
// Memory is charged to the owner's account before it is allocated: the buffers of requests
// that arrive, requests that wait, and answers until they are sent. Each connection pays a
// fixed advance, which covers small requests and answers. A request beyond the limit is
// skipped and answered with CKR_DEVICE_MEMORY. The rest of a request that has begun to
// arrive, and the reading of answers, have deadlines.
//
// A few quick requests of one owner run at the same time, on all its connections together:
// one fewer than there are processors while another owner has requests or had some
// recently. The others wait. So do slow requests beyond a number that is large enough for
// them to share commits.
//
// # Order
//
// Requests of one session run in the order of their arrival, requests of different sessions
// concurrently. Answers carry the code of their request and are sent when they are ready,
// so several threads can share a connection.
//
// One goroutine at a time reads a connection. As long as the application has one call at a
// time, that goroutine also handles the requests, so that no call costs a switch between
// goroutines. If calls overlap, and before a call that may take long (by its nature, its
// size or the key that its session uses), it first hands the request to another goroutine.
// Requests that arrive together are answered together.
//
// When the client goes away, calls that wait end, and so does slow work, as far as the
// engine can interrupt it ([Client].Cancel). A connection that is not read, because too many
// of its requests wait, is checked for that.
package p11server
