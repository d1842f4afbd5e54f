// Package oath computes one-time passwords: HOTP (RFC 4226) and TOTP (RFC 6238), the search
// for a password in a window, and the otpauth:// URI and QR code that enrol an
// authenticator app.
//
// It keeps no state and knows no token and no store. The provisioning core says from which
// counter on a password is accepted, and remembers what was used. The passwords come from
// github.com/pquerna/otp, the QR codes from github.com/boombuler/barcode.
//
// A time step of TOTP is a counter like that of HOTP ([Step]), so this package speaks of
// counters only.
//
// The library takes seeds as base 32 strings. So copies of a seed stay in memory until the
// garbage collector frees them; our own are wiped.
package oath
