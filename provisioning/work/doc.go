// Package work bounds what one request may cost. A [Budget] is so many steps and the
// context of the request. Whoever is about to do something slow for a file that
// somebody sent takes its price first, and is refused where that is too much: so
// nothing is begun that the request may not pay. It knows no file format.
//
// A step is one run of a pseudo-random function, as PBKDF2 repeats them: some half a
// microsecond. Key derivations, decryptions with RSA and entries of a list are
// counted in it.
package work
