// Package jwtauth checks JSON Web Tokens (RFC 7519) that callers sign to prove who
// they are, and keeps the key sets (RFC 7517) of those who sign for others. It knows
// no vendor's API: what a token has to be is told in [Rules].
//
// The signatures are go-jose's work. What is decided here is which of them count.
// The algorithm is that of the key, RS256 for RSA and ES256 for P-256, whatever the
// token says; there is no other, and none with a shared secret. A name that is in a
// token twice, or in another case, is refused rather than chosen from. Keys that come
// along in a token are not looked at.
package jwtauth
