// Package provisioning is the life of tokens as administrators see it: tenants,
// users and API keys, and tokens from their creation through the import of keys
// and certificates to the seal and the end.
//
// It is free of HTTP and of any vendor's words: a dialect (package
// provisioning/dialect and below) decodes a request, calls one method of
// [Service] and encodes the result. What a caller may do is decided here and in
// one place ([Operation] and the table beside it), and so is what a token's
// state allows.
//
// # What is chosen here
//
//   - A token is held by one user from its creation on. Until [Service.Complete]
//     no application sees it; afterwards its keys, certificates, PINs and label
//     are sealed, for every dialect. Listing, enabling, disabling, unlocking and
//     deleting stay allowed.
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
