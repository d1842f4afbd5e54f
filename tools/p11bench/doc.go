// Command p11bench measures any PKCS#11 module through its C functions, as an
// application would call them, and prints standard Go benchmark lines, so that
// benchstat can compare two runs.
//
//	p11bench --module /usr/lib/softhsm/libsofthsm2.so --token bench --pin-file pin --label softhsm
//	p11bench table softhsm.txt vtoken.txt
//
// The token must exist and be writable. p11bench makes the keys and objects
// that it needs and destroys them at the end.
//
// What one operation is:
//
//   - Sign...: C_SignInit and C_Sign with a buffer that is large enough. The key
//     is a token object. With several threads, each has a session of its own.
//   - FindLabel: C_FindObjectsInit with class and label, C_FindObjects,
//     C_FindObjectsFinal, one match among the named number of private
//     data objects.
//   - GenerateP256Pair: C_GenerateKeyPair of token objects and two C_DestroyObject.
//   - CreateObject512: C_CreateObject of a private token data object whose value
//     has 512 bytes. Clients are processes of their own. Destroying is not in the figure.
//   - GetTwoAttributes: one C_GetAttributeValue for class and label of a private
//     object, with buffers.
//   - ColdStart: in a fresh process, from before the module is loaded until
//     C_Finalize has returned: load, C_Initialize, find the slot, C_OpenSession,
//     C_Login, find a key by label, sign once, C_Finalize. The start of the
//     process itself is left out, since it is the same for every module.
//
// It uses cgo because PKCS#11 is a C interface, and calls the module through a
// few lines of C of its own (cryptoki.go) rather than a Go binding, since those
// ask for every length first and so double the calls.
package main
