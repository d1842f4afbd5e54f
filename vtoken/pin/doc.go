// Package pin is the policy of PINs as a pure function from what is stored to
// what is allowed: lengths, tries, locking, and the flags of CK_TOKEN_INFO.
//
// It does no I/O, no cryptography and reads no clock. The engine commits the
// state that [State.Try] returns before it compares a PIN, so that no kill,
// crash or power cut ever gives a free guess.
package pin
