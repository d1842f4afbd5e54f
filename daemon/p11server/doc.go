// Package p11server serves PKCS#11 on a Unix socket: it accepts connections,
// asks the kernel who is at the other end, reads requests of the p11-kit RPC
// protocol (vtoken/p11rpc), lets the token engine do the work and writes the
// answers. It is the boundary where an error becomes a CK_RV.
//
// It holds no token and no key, and it knows of the engine only the interface
// [Client]: what that lacks, it answers with CKR_FUNCTION_NOT_SUPPORTED.
//
// # Connections
//
// A connection is one application. Its sessions, logins and session objects end
// with it. A message that breaks the protocol ends the connection it came on, with one
// line in the log; a panic ends the one request that met it.
//
// # Limits
//
// Connections are counted for the user who has to answer for them ([Options].Owner).
// Over the limits ([Places]) a connection is accepted for a moment, and every request on
// it is answered with CKR_DEVICE_MEMORY. Where there is no place left at all and the user
// has no connection, an idle one of the user who has most gives way.
//
// Memory is charged to the user's account before it is taken: the buffers of requests
// that arrive, requests that wait for their turn, and answers until they are sent. Each
// connection pays a fixed advance, from which small requests and answers live. A request
// that is over the limit is passed over and answered with CKR_DEVICE_MEMORY. The rest of
// a request that has begun, and the reading of answers, have deadlines.
//
// Of one owner's quick requests, a few are worked on at the same time, on all of its
// connections together: all processors but one while another owner has requests as well, or
// has had some just now. The others wait where they are. So do slow requests beyond a number
// that sees to it that they share commits.
//
// # Order
//
// Requests of one session are worked on in the order of their arrival, requests
// of different sessions side by side. Answers carry the code of their request
// and leave as they get ready, so several threads share a connection.
//
// One goroutine at a time reads a connection. While the application has one
// call under way at a time, that goroutine also does the work, and no call
// costs a switch between goroutines. Where calls are seen to overlap, and
// before a call that may take long (by its nature, its size or the key that its
// session uses), it first hands the work to another goroutine. Requests that
// arrive together are answered together.
//
// When the client goes away, calls that wait end, and so does slow work, as far as the
// engine can interrupt it ([Client.Cancel]). A connection that is not read because too many
// of its requests wait is watched for that.
package p11server
