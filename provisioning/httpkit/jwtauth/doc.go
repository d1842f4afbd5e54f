// Package jwtauth verifies JSON Web Tokens (RFC 7519) that callers sign to authenticate, and
// keeps the key sets (RFC 7517) of authorization servers that sign for others. It knows no
// vendor's API: [Rules] say what a token must meet.
//
// go-jose verifies the signatures. This package decides which of them count. The algorithm
// is that of the key, RS256 for RSA and ES256 for P-256, whatever the token says; there is
// no other, and none with a shared secret. A token that has a name twice, or in another
// case, is refused. Keys in a token are ignored.
package jwtauth
