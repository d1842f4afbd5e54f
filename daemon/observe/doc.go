// Package observe records what is done in the audit log, and counts it: what applications
// do, calls of the API, what the daemon itself does, and what the store finds to be changed
// from outside.
//
// # Applications
//
// It is the engine's listener ([vtoken/vtoken.Listener]): the audit log (package audit)
// gets a line for logins, changes of PINs, and the creation, destruction and export of
// keys, before the application is answered. Where that is impossible, the engine refuses
// the call. Signatures, decryptions and searches are not recorded, nor are session objects,
// which end with their application, but for their export. Signatures and locked PINs are
// counted (package metrics).
//
// It decides nothing about tokens. Of the engine it asks only how much it is in use.
package observe
