// Package vectors plays published vectors against the library as an application
// loads it: every signature, MAC, ciphertext and derived key goes through the C
// interface, the daemon and the engine, on a token of the default policy.
//
// The vectors are those of Wycheproof (github.com/C2SP/wycheproof, commit
// dac1dd4729fd, Apache License 2.0), which collect what implementations got wrong:
// signatures and points out of range, paddings that nearly fit, tags and nonces of
// odd lengths. testdata has, compressed, the values that the test needs; comments,
// other encodings of keys, and some of very many alike are left out. Signatures of
// ECDSA with SHA-3 were in DER and are r and s here. Keys of more than 4096 bytes, which
// a token does not make, and public keys that name another curve are not there.
//
// A vector is "valid", "invalid" or "acceptable". What is acceptable may be refused;
// where it is not, its result is the published one.
//
// For mechanisms without vectors, every use that a token of the legacy policy offers is
// made once, with the parameter of the mechanism and with those of all others.
package vectors
