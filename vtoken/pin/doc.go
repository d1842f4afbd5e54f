// Package pin is the policy of PINs as a pure function from what is stored to
// what is allowed: lengths, tries, locking, and the flags of CK_TOKEN_INFO.
//
// Wrong PINs also cost time ([Pace]), and an administrator cannot give new tries as
// often as he likes ([State.Unlock]). Both are rules for whoever compares PINs: the
// engine for applications, the provisioning core for the APIs.
//
// It does no I/O, no cryptography and reads no clock. The engine commits the
// state that [State.Try] returns before it compares a PIN, so that no kill,
// crash or power cut ever gives a free guess.
package pin
