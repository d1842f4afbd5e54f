// Package provisioning manages tokens for administrators: tenants, users, groups and API
// keys, and tokens from their creation or import, through holders, activation and the
// import of keys and certificates, to completion and deletion.
//
// It contains no HTTP and no vendor's vocabulary: a dialect (package
// provisioning/dialect and below) decodes a request, calls one method of [Service] and
// encodes the result. One table decides what a caller may do, and what the state of a
// token allows ([Operation]).
//
// # The state of a token
//
// A token has no single state, but several independent ones (record.Token): its holders
// (none, one or several), its activation (new, pending, activated), and whether it is
// enabled, complete, confined, expired or deceased, and the state of its PINs. An
// operation requires a set of conditions, which is in the table of operations. What a
// token allows ([Token.Actions]) follows from that table, and so do the states in vendors'
// APIs. A holder's applications see a token that is activated, enabled, not expired and
// not deceased, if the holder's own assignment is valid.
//
// Completing a card activates it and makes it complete. APIs without the notion of
// completion only activate.
//
// # Decisions
//
//   - After [Service.Complete] the keys, certificates, PINs and label of a token cannot
//     be changed by administrators, in any dialect. Listing, enabling, disabling,
//     assigning, unassigning, unlocking and deleting stay allowed.
//   - The contents of an unassigned token stay, and nobody can use them. A card that goes
//     to another user than its last owner is emptied first: its keys and PINs are deleted
//     and it is no longer complete, unless a caller with the right to manage keeps them.
//     The seed of an OTP token belongs to the token: it stays, and the PIN is unset.
//   - Handing over keys takes the right to manage, destroying them the right to remove;
//     the table of operations has a row for each way. Sharing an OTP token hands over its
//     seed; assigning it does not.
//   - Mapping operating system users takes the right system, or for a tenant's own
//     administrators a tenant policy that names them. A user of the default tenant is
//     mapped by name only if the caller may map that operating system user.
//   - An activation code has ten digits and is valid for five minutes; the fifth wrong
//     one ends the activation.
//   - Serial numbers are unique in a tenant, so that nobody learns those of others.
//   - The blank token, which a user's applications can initialize (C_InitToken), is not
//     listed and not found before that.
//   - There are no default PINs. A token that is created without PINs has none: nobody can
//     log in until [Service.ResetPIN] sets one. Complete refuses a token without a user
//     PIN unless the caller asks for that.
//   - Resetting a PIN restores all its tries. Unlocking does only that and keeps the PIN,
//     so a complete token allows it.
//   - A caller whose key belongs to one tenant gets the same answer for every other
//     tenant, whether it exists or not ([Forbidden]). Tokens and users of other tenants
//     do not exist for it.
//   - A PFX holds exactly one key and its certificate. It is imported whole or not at
//     all. A key that the token has already is refused ([Conflict]); a CA certificate that
//     it has already is kept once, because Java's key store fails on two certificates with
//     one CKA_ID.
//   - CKA_ID is the SHA-1 hash of the public key, 20 bytes, for a key pair and its
//     certificate, and likewise for CA certificates. Certificates commonly have the same
//     value as their subject key identifier (RFC 5280, section 4.2.1.2).
//   - Serial numbers of certificates are upper-case hexadecimal, two digits a byte, as the
//     certificate encodes them but without a leading zero byte.
//   - Values encrypted under a tenant's exchange key are RSA-OAEP with SHA-256 and no
//     label, base64 encoded. The key is RSA-2048 and is made on first use. PKCS#1 v1.5 is
//     not offered: it invites padding oracles.
//   - Ten wrong one-time passwords in a row lock those of a token; [Service.ResetOTP]
//     unlocks them. Tries are stored before the comparison, but a TPM does not count them
//     one by one as it does those of PINs: a server verifies more passwords than a TPM can
//     count.
//   - The counter of verification and that of the OTP key are independent, like those of
//     a server and of a device. A reset without a counter accepts no used password; a
//     reset with one accepts what it says.
//   - A seed leaves once: [Service.EnrolOTP] confines the token before it answers.
//   - A batch is one transaction. Rows are checked before their PINs are hashed, so that
//     a refused batch costs little.
package provisioning
