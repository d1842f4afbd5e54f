// Package vtoken is the token engine: slots, logins, sessions, objects and
// operations of PKCS#11, for many applications at once. It knows no sockets, no
// files and no HTTP. It declares the [Store] that it needs, and is given one.
//
// # The model
//
// An [Engine] serves the tokens of one store. Each application (one C_Initialize in
// one process) is a [Client], whose methods are the functions of the standard. A
// client sees as slots the tokens of the users that its process acts for. When it
// opens a session, the engine loads the token: its record and its objects are kept
// in memory, shared by all clients. An attachment connects one client with one token.
// It holds the client's login and its session objects, so applications never share
// either. Consumers take CKR_USER_ALREADY_LOGGED_IN for success (OpenSSH, NSS), so a
// shared login would accept any PIN.
//
// Stored data changes only through Store.Update, and memory changes only through the
// changes that the store reports, our own writes included (Engine.applyChanges). So
// memory is never ahead of the disk, and a change by an administrator reaches running
// applications at once. Changes carry versions and may be applied twice.
//
// The engine notes a login of the user in the token's record, at most once an hour: in
// the commit that a login with a PIN makes anyway, otherwise after the login has
// returned. If that write fails, the login stands.
//
// Parsed private keys stay in memory while a user is logged in to their token. The last
// logout wipes them, and operations that use them end.
//
// # What happened
//
// A [Listener] hears what each application does: Begin before an act, which it can refuse
// and then nothing is done, and the end with its result, before the application gets its
// answer. The function of the standard that does the act tells it, with what it knows
// already, so that nobody has to ask the engine again. The daemon's audit log and metrics
// are listeners.
//
// # A planned restart
//
// [Client.Save] and [Engine.Save] return the live state of applications and of the engine,
// and [Engine.RestoreState] and [Engine.Restore] take it up in another process, with a new
// engine on the same store: sessions and session objects under the same handles, logins,
// searches, slot events and operations, in the middle of their data too. No application
// notices. Whatever the store decides is asked again: a token that was disabled meanwhile is
// closed, a login whose PIN was set meanwhile has ended. What began was checked when it began, and
// is not checked again. States of another [StateVersion] are refused as a whole, so it is
// compared before anything is given up.
//
// # Choices where the standard leaves one
//
//   - Slots are removable, since NSS checks only such slots again, and keep their id for
//     life. A slot that an application was told of and whose token is gone still answers
//     C_GetSlotInfo, without CKF_TOKEN_PRESENT.
//   - When a token goes away, its sessions are closed: later calls on them
//     answer CKR_SESSION_HANDLE_INVALID, a call that is running answers
//     CKR_DEVICE_REMOVED. NSS recovers from both.
//   - The handle of a token object is its id, in all sessions and for life. A
//     private object cannot be reached without login: its handle is
//     CKR_OBJECT_HANDLE_INVALID, and using it as a key is CKR_USER_NOT_LOGGED_IN.
//   - A PIN of length 0 is wrong and costs no try, since it can never be right. Nor does
//     a wrong PIN that the same OS user repeats within five minutes: servers repeat stored
//     PINs. After two wrong PINs that OS user waits before the next one is compared, a
//     quarter of a second at first and at most two seconds. Other OS users do not wait,
//     and a PIN that was right before is accepted at once.
//   - C_SetPIN keeps logins. A PIN that somebody else set ends them, and so does a locked
//     PIN.
//   - Profiles, mechanisms and the clock are built-in objects: computed, public, read-only,
//     and found only by a search for their class.
//   - Unwrapping never relaxes protection: an unwrapped key is sensitive or unextractable,
//     can be wrapped again only with trusted keys, and wraps no sensitive key. The
//     standard's wrapped forms carry no attributes, and this rule replaces the binding that
//     they lack. A size query to C_WrapKey performs the wrap.
//   - CKM_AES_GCM and CKM_AES_CCM wrap, by C_WrapKeyAuthenticated with the parameter
//     of a message (CK_GCM_MESSAGE_PARAMS, CK_CCM_MESSAGE_PARAMS), and by C_WrapKey
//     with CK_GCM_WRAP_PARAMS and CK_CCM_WRAP_PARAMS, with the tag at the end. The
//     engine always generates the nonce, because two keys that were wrapped with one nonce
//     reveal each other: the generator is CKG_GENERATE or CKG_GENERATE_RANDOM, with at
//     least 96 free bits. CCM's data length may be 0, which stands for the key's length,
//     and its tag has at least 12 bytes.
//   - A key with CKA_ALWAYS_AUTHENTICATE unwraps and derives only right after a
//     login, because those calls have no operation to give the PIN to.
//   - A saved operation state (C_GetOperationState) names its key, so the key may be
//     omitted when the state is restored. It is valid in sessions of the same
//     application with the same token. An operation with a key that has
//     CKA_ALWAYS_AUTHENTICATE is CKR_STATE_UNSAVEABLE: its PIN was for one operation.
//   - C_SeedRandom mixes the seed into the random numbers that the application gets from
//     C_GenerateRandom. Keys, nonces and salts are made without it: the kernel's generator
//     needs no seed.
//   - An error ends the operation of its call (section 5.2), and so does one that the library
//     finds by itself, such as a null pointer to data; CKR_BUFFER_TOO_SMALL and a size query do
//     not. A one-part call during a multi-part operation is CKR_OPERATION_ACTIVE and ends it.
//     A call of two operations ends both, also where only one of them is there. Of an operation
//     on messages the message under way ends, and the operation goes on. An error of an Init
//     function, or of one that begins a message, ends nothing that was begun before.
//   - The functions that use a key with CKA_ALWAYS_AUTHENTICATE without its PIN answer
//     CKR_USER_NOT_LOGGED_IN, which ends the operation. A size query before the PIN is no use.
//   - If the exact length of a decryption is not known in advance, a size query returns an
//     upper bound. If the buffer is too short, the result is kept for the next call.
//   - A key with CKA_ALWAYS_AUTHENTICATE can be used once right after a login without
//     another PIN, because OpenSSH expects that; a new operation replaces one that waits for
//     its PIN, because OpenSSH's agent leaves such operations behind.
//   - If a search for a private or secret key by CKA_ID alone finds none, it returns an OTP
//     key with that id: pkcs11-tool looks for no other class of key to sign with.
//   - A one-time password is returned only after its counter is on disk, in read-only
//     sessions too. If that commit fails, there is no password and the counter stays; if
//     the answer is lost, that password is never generated again. A size query and a short
//     buffer use nothing up.
//   - A message that is encrypted or decrypted in parts is returned with its last part. Its
//     mechanism has no parameter at the Init, and one that is given is not read. All
//     messages of an encryption use one nonce generator. A counter begins at 0 in each
//     operation, so operations with the same key need different fixed bits. A random nonce
//     has at least 96 free bits; CKG_GENERATE is random if there are that many, otherwise a
//     counter. These functions need our library: p11-kit's protocol cannot carry their
//     parameters.
//
// # Lock order
//
//	session.mu     one call at a time in a session; held across store calls; Client.Save
//	               holds those of all sessions of one application
//	token.pinMu    one PIN check at a time for a token and role; held across store calls
//	Engine.applyMu the store's changes, one commit at a time
//	Engine.mu      who holds what, which tokens are loaded, which clients there are
//	Client.mu      sessions and attachments of one application
//	objectSpace.mu objects and keys of a token, or of an attachment's session objects
//	liveKey.mu     read-locked while a key is used, locked to wipe it
//	Client.events  its own small lock
//	session.pace   likewise
//
// Applying the store's changes takes the locks from applyMu on, inside of any Update. So
// none of those is held across a call of the store.
package vtoken
