// Package oath is one-time passwords as values: HOTP (RFC 4226) and TOTP
// (RFC 6238), the search for a password in a window, and what an authenticator
// app is enrolled with: the otpauth:// URI and its QR code.
//
// It keeps no state and knows no token and no store; the provisioning core says
// from which counter on a password is good and remembers what was used. The
// values are those of github.com/pquerna/otp, the pictures those of
// github.com/boombuler/barcode.
//
// A time step of TOTP is a counter like that of HOTP ([Step]), so that all here
// speaks of counters.
//
// The library takes seeds as texts in base 32. Copies of a seed therefore stay in
// memory until the garbage collector takes them; what is ours is wiped.
package oath
