// Package work bounds what one request may cost. A [Budget] is a number of steps and the
// context of the request. Code that is about to do something slow for a file from a client
// takes its price first, and is refused if that is too much, so that nothing is begun that
// the request cannot pay for. The package knows no file format.
//
// A step is one run of a pseudo-random function, as PBKDF2 repeats them: some half a
// microsecond. Key derivations, decryptions with RSA and entries of a list are counted in
// steps.
package work
