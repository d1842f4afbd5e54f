// Package provisioning is the life of tokens as administrators see it: tenants,
// users, groups and API keys, and tokens from their creation or import through
// holders, activation and the import of keys and certificates to the seal and the
// end.
//
// It is free of HTTP and of any vendor's words: a dialect (package
// provisioning/dialect and below) decodes a request, calls one method of
// [Service] and encodes the result. What a caller may do is decided here and in
// one place ([Operation] and the table beside it), and so is what a token's
// state allows.
//
// # The axes of a token
//
// A token has no one state but several axes that know nothing of each other
// (record.Token): who holds it (nobody, one user, several), its activation (new,
// pending, activated), whether it is switched on, whether it is complete, whether
// its download is confined, its PINs, its end, and whether it is deceased. What an
// operation needs of them is a set of conditions in the table of operations; what a
// token allows ([Token.Actions]) follows from that table, and so do the states that
// vendors' APIs speak of. Applications of a holder see a token that is activated,
// switched on, alive and within its time, if their user's own part in it is.
//
// Completing a card is two things: it is activated, and it is sealed. APIs that do
// not know the seal activate alone.
//
// # What is chosen here
//
//   - After [Service.Complete] the keys, certificates, PINs and label of a token
//     are sealed, for every dialect. Listing, enabling, disabling, assigning,
//     unassigning, unlocking and deleting stay allowed.
//   - What is on an unassigned token stays, and nobody can use it. A card that goes
//     to somebody else than its last owner is emptied first, its PINs and its seal
//     are gone, unless somebody who may manage keeps them. The seed of a token for
//     one-time passwords is the token's own: it stays, and the PIN goes.
//   - Handing over keys needs the right to manage, destroying them the right to
//     remove; the table of rights has a row for each way. Sharing a token for one-time
//     passwords hands over its seed, assigning it does not.
//   - Mapping operating system users is for callers with the right system, and for a
//     tenant's own administrators as far as the tenant's policy goes. A user of the
//     default tenant is mapped by name only if the caller who makes it may map that
//     operating system user.
//   - An activation code has ten digits and lasts five minutes; the fifth wrong one
//     ends the activation.
//   - Serial numbers are unique in a tenant, so that nobody learns of another's.
//   - The blank token, of which a user's applications make one of their own
//     (C_InitToken), is not listed and not found until they have.
//   - No default PIN exists (P40). A token that is made without PINs has none:
//     nobody can log in until one is set with [Service.ResetPIN]. Complete
//     refuses a token without a user PIN unless the caller asks for that.
//   - Resetting a PIN starts its count of wrong tries anew. Unlocking does only
//     that and keeps the PIN, which is why a sealed token allows it.
//   - A caller whose key belongs to one tenant gets the same answer for every
//     other tenant, whether it exists or not ([Forbidden]), and for tokens and
//     users of other tenants that they do not exist.
//   - A PFX holds exactly one key and its certificate. It arrives whole or not
//     at all; a key that the token already has is refused ([Conflict]), while a
//     CA certificate that it already has is kept once (C81).
//   - CKA_ID is the SHA-1 hash of the public key, 20 bytes, for the key pair and
//     its certificate, and of their own key for CA certificates (C90).
//   - Serial numbers of certificates are upper-case hexadecimal, two digits a
//     byte, as the certificate encodes them but without a leading zero byte.
//   - Values encrypted under a tenant's exchange key are RSA-OAEP with SHA-256
//     and no label, base64 encoded. The key is RSA-2048, made when it is first
//     asked for. PKCS#1 v1.5 is not offered: it invites padding oracles.
//   - One-time passwords of a token are locked after ten wrong ones in a row and
//     unlocked by [Service.ResetOTP]. Tries are stored before the comparison, but
//     not counted one by one in a TPM as those of PINs are: a server verifies more
//     passwords than a TPM can count.
//   - The counter of verification and that of the OTP key are apart, like those of
//     a server and of a device. A reset without a counter opens no password that
//     was used; with one it does what it is told.
//   - A seed leaves once: [Service.EnrolOTP] confines the token before it answers.
//   - A batch is one transaction. Rows are tried before the PINs among them are
//     hashed, so that a batch that is refused costs little.
package provisioning
