// Package mech is the mechanisms of PKCS#11: for each, what it works on and
// what it can do, in one [Descriptor]. It knows keys as numbers and bytes
// ([Key]) and nothing of sessions, handles, or who may use a key.
//
// A file holds one family of algorithms; all.go lists the families, and the
// mechanism list, the information on each and the dispatch follow from that
// list. A mechanism on hashes is a row in hash.go times a family, so that a new
// hash comes to all of them at once.
//
// # Choices where PKCS#11 leaves one, or where safety asks for one
//
//   - RSA keys have 2048 to 8192 bits. Public keys of 1024 bits and more verify
//     old signatures, and do nothing else.
//   - Keys on secp256k1 are computed with a library whose multiplication of
//     points takes time that depends on secrets. All other curves do not.
//   - CKM_RSA_PKCS decryption rejects implicitly (draft-irtf-cfrg-rsa-guidance):
//     bad padding yields a message of random look and length that depends on
//     key and ciphertext only. There is no error for it, and no other path.
//   - CKM_AES_CBC_PAD and CKM_RSA_PKCS_OAEP have one error for every fault of
//     the padding; the CBC padding is compared in constant time (S18).
//   - CKM_AES_GCM releases no plaintext before the tag is verified, and so
//     collects its input: up to [MaxGCM] bytes in one message. Tags have 96 to
//     128 bits, as the shorter ones of the standard need limits that a token
//     does not keep (NIST SP 800-38D appendix C).
//   - CKM_AES_CTR ends (CKR_DATA_LEN_RANGE) before its counter would repeat.
//   - Mechanisms that PKCS#11 has for single-part data only, such as
//     CKM_RSA_PKCS, take their data in pieces too.
package mech
