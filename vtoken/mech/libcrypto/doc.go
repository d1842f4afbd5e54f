// Package libcrypto computes with private keys in OpenSSL's libcrypto
// (mech.Provider), for two reasons:
//
//   - Speed. On processors with AVX-512 an RSA signature takes a third of the time
//     that Go's takes, one on P-256 two thirds.
//   - Memory. Go's libraries leave copies of private numbers in a heap that nobody
//     can wipe. Here a number is in memory of libcrypto's, which is overwritten
//     when it is freed, and the numbers of loaded keys are in its secure heap,
//     which is locked where the system allows, and left out of core dumps.
//
// That takes cgo, which no other package of the engine uses. It is the daemon's
// alone: the library in applications links no libcrypto, as theirs may be another.
// Built without cgo, [Open] fails, and the daemon goes on with mech.Go.
//
// # How
//
// Operations are libcrypto's functions on keys (RSA_, ECDSA_, ECDH_), deprecated
// since OpenSSL 3.0 but there: its newer ones look up the algorithm at each
// operation, which takes as long as a third of a signature on P-256. An operation
// is one call from Go to C. Blinding is on, and libcrypto checks the result of an
// RSA operation with the public exponent, as mech.Go does.
//
// P-384 is left to Go: libcrypto 3.0 takes more than twice as long.
package libcrypto
