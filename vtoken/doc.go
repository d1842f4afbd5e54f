// Package vtoken is the token engine: slots, logins, sessions, objects and
// operations of PKCS#11, for many applications at once. It knows no sockets, no
// files and no HTTP; it declares the [Store] that it needs and is given one.
//
// # The model
//
// An [Engine] stands on one store. Each application (one C_Initialize in one
// process) is a [Client], whose methods are the functions of the standard. A
// client sees as slots the tokens of the users that its process acts for. Where
// it opens a session, the token is loaded: its record and its objects are kept
// in memory, shared by all clients, and an attachment ties client and token
// together. The attachment has the client's login and its session objects, so
// that neither is ever shared between applications (C92).
//
// What is stored changes through Store.Update only, and what is in memory
// changes through the store's feed only, our own writes included: one function
// (Engine.apply) does it. So memory never runs ahead of the disk, and a change
// that an administrator makes reaches running applications at once. Changes
// carry versions and may be applied twice.
//
// A login of the user is noted in the token's record, at most once an hour: in the
// commit that a login with a PIN makes anyway, else after the login has returned.
// A store that fails there fails no login.
//
// Parsed private keys live while a user is logged in to their token. The last
// logout wipes them, and an operation that still has one is over (S07).
//
// # What happened
//
// A [Listener] hears what each application does: Begin before an act, which it can refuse
// and then nothing is done, and the end with its result, before the application has its
// answer. The function of the standard that does the act tells it, with what it knows
// already, so that nobody has to ask the engine again. Signatures are told when they are
// made, and cost no lock for it. The daemon's audit log and metrics are listeners.
//
// # Choices where the standard leaves one
//
//   - Slots are removable (C63) and keep their id for life. A slot that an
//     application was told of and whose token is gone still answers
//     C_GetSlotInfo, without CKF_TOKEN_PRESENT.
//   - When a token goes away, its sessions are closed: later calls on them
//     answer CKR_SESSION_HANDLE_INVALID, a call that is under way
//     CKR_DEVICE_REMOVED. Clients recover from both (C67).
//   - The handle of a token object is its id, for all sessions and for life. A
//     private object cannot be reached without login: its handle is
//     CKR_OBJECT_HANDLE_INVALID, and using it as a key CKR_USER_NOT_LOGGED_IN.
//   - A PIN of length 0 is wrong and costs no try: it could not be right. Nor
//     does a wrong PIN that the same OS user repeats within five minutes (C27).
//     After two wrong ones that OS user waits before the next is compared, from a
//     quarter of a second up to two; nobody else does, nor a PIN that was right
//     before (S34).
//   - A new PIN by C_SetPIN leaves logins alone; one that somebody else set
//     ends them, and so does a locked PIN.
//   - Profiles, mechanisms and the clock are objects that nobody made: computed,
//     public, unchangeable, and found only by a search for their class.
//   - Unwrapping loosens nothing: an unwrapped key is sensitive or unextractable,
//     is wrapped again only by trusted keys, and wraps no sensitive key. The standard's
//     forms of a wrapped key carry no attributes, so that nothing binds them to it, and
//     it is this that takes its place. C_WrapKey asked for a length wraps to know it.
//   - CKM_AES_GCM and CKM_AES_CCM wrap, by C_WrapKeyAuthenticated with the parameter
//     of a message (CK_GCM_MESSAGE_PARAMS, CK_CCM_MESSAGE_PARAMS), and by C_WrapKey
//     with CK_GCM_WRAP_PARAMS and CK_CCM_WRAP_PARAMS, whose tag is at the end. The
//     nonce is always made here: two keys that were wrapped with one nonce give each
//     other away. So CKG_GENERATE or CKG_GENERATE_RANDOM with 96 free bits it is.
//     CCM's length of data may be 0 for that of the key, and its tag has 12 bytes or
//     more.
//   - A key with CKA_ALWAYS_AUTHENTICATE unwraps and derives only right after a
//     login, because those calls have no operation to give the PIN to.
//   - The state of an operation (C_GetOperationState) names its key, so the key
//     may be left out when it is taken up again, and is good for sessions of the
//     same application with the same token.
//   - C_SeedRandom is CKR_RANDOM_SEED_NOT_SUPPORTED: the kernel's generator
//     needs no seed from strangers.
//   - A one-part call after a multi-part one is CKR_OPERATION_ACTIVE and leaves
//     the operation as it is.
//   - Where a decryption's exact length is not known before, a query answers an
//     upper bound. A buffer that turns out too short keeps the result for the
//     next call.
//   - A key with CKA_ALWAYS_AUTHENTICATE may be used once right after a login
//     without a further PIN (C05); an operation that waits for its PIN gives
//     way to a new one (C06).
//   - A search for a private or a secret key by its CKA_ID and nothing more, that
//     finds none, finds an OTP key with that id: pkcs11-tool looks for no other
//     class of key to sign with.
//   - A one-time password is given out only after the counter behind it is on
//     disk, in read-only sessions, too. Where that fails there is no password and
//     the counter stays; where the answer is lost, that password is never made
//     again. A question for the length and a short buffer use nothing up.
//   - A message that is encrypted or decrypted in parts comes out with its last
//     part. Its mechanism has no parameter at the Init, and one given there is
//     not read. All messages of an encryption have one generator of nonces. A
//     counter begins at 0 in each operation: where a key has several, their fixed
//     bits are to differ. A random nonce has 96 free bits at least; CKG_GENERATE is
//     random where there are as many, else a counter. These functions need our
//     library: p11-kit's protocol cannot carry their parameters.
//
// # Locks, in the order in which they may be taken
//
//	session.mu     one call at a time in a session; held across store calls
//	token.pinMu    one PIN check at a time for a token and role; held across store calls
//	Engine.applyMu the feed, one commit at a time
//	Engine.mu      who holds what, which tokens are loaded, which clients there are
//	Client.mu      sessions and attachments of one application
//	home.mu        objects and keys of a token, or of the session objects of an attachment
//	liveKey.mu     read-locked while a key is used, locked to wipe it
//	Client.events  its own small lock
//	session.pace   likewise
//
// The feed takes those from applyMu on, and may be called from inside any
// Update. So none of those is ever held across a call of the store.
package vtoken
