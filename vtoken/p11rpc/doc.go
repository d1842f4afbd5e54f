// Package p11rpc is the wire format of p11-kit's remote procedure calls, the
// protocol that p11-kit-client.so and p11-kit server speak. One codec serves
// both ends: the module writes requests and reads responses, the daemon reads
// requests and writes responses.
//
// It knows bytes only. It opens no socket, holds no state of a session and
// imports package ck alone.
//
// # A conversation
//
// The client sends one byte, the newest protocol version that it speaks, and
// the server answers with the version to be spoken ([Offer], [Accept]). Then
// frames follow in both directions. A frame is a 12-byte header and a body; the
// header holds a code, which the client chooses and the server repeats in its
// answer, so that several threads share one connection. The first call is
// C_Initialize with the text [Magic].
//
// A body is the number of the call, its signature as text, and the values that
// the signature lists. The table of calls (calls.go) drives both directions,
// and [Encoder] and [Decoder] refuse a value that stands where the signature
// has another. Numbers are big endian.
//
// # Versions
//
// Version 0 is p11-kit up to 0.24. Version 1 (0.25.0) has the calls of PKCS#11
// 3.0 and C_InitToken2. Version 2 (0.25.6) has C_DeriveKey2 and writes
// parameters of mechanisms in another form; p11-kit 0.26 speaks version 2.
// [Extended] is version 2 with more, between our own module and daemon. This package
// reads and writes by the version that was agreed on.
//
// # Hostile peers
//
// Either end may be hostile. Nothing is allocated because a length or a count says so: a
// frame is read as its bytes arrive, a count is checked against a fixed limit and against
// the bytes that are left, and templates nest one level deep. p11-kit had faults in each
// of these (CVE-2020-29361 to 29363, CVE-2026-13757). A body that breaks the rules is
// [ErrMalformed], and the connection cannot be used any more. A request that keeps the
// rules and cannot be served, such as one whose mechanism is not read here, is an ordinary
// error with a CK_RV in it.
//
// # Parameters of mechanisms
//
// The table in package ck says what kind of parameter a mechanism has, and fields.go how
// each kind is written. p11-kit's own lists are exceptions (stocklist.go, paramless.go),
// because both ends must agree on them. No parameter leaves a process as memory that may
// hold pointers.
package p11rpc
