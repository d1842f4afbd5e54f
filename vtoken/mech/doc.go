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
//   - RSA keys have 1024 to 8192 bits, any number of them, and a public exponent of 3
//     to 2^31-1, which is 65537 where the template does not say. Keys of fewer than
//     2048 bits verify old signatures and do nothing else, unless the token's policy is
//     legacy.
//   - Keys on secp256k1 are computed with a library whose multiplication of
//     points takes time that depends on secrets. All other curves do not.
//   - CKM_RSA_PKCS decryption rejects implicitly (draft-irtf-cfrg-rsa-guidance):
//     bad padding yields a message of random look and length that depends on
//     key and ciphertext only. There is no error for it, and no other path. So
//     it is on for every key with CKA_DECRYPT, because programs that decrypt mail
//     and CMS ask for nothing else; CKA_ALLOWED_MECHANISMS of a key or the list of
//     a token's policy turns it off. It wraps and unwraps nothing.
//   - CKM_AES_CBC_PAD and CKM_RSA_PKCS_OAEP have one error for every fault of
//     the padding; the CBC padding is compared in constant time. How often
//     they fail is not limited: a program that passes on the errors of CBC to
//     strangers should use CKM_AES_GCM.
//   - CKM_AES_GCM, CKM_AES_CCM and CKM_CHACHA20_POLY1305 take the caller's nonce in
//     C_EncryptInit, as programs bring their own. In messages the token makes it
//     where it is asked to, and for wrapping always.
//   - CKM_AES_GCM encrypts up to 64 GiB and puts its output out as the data come. It
//     releases no plaintext before the tag is verified, and so a decryption collects its
//     input: up to 16,711,680 bytes ([MaxGCM]), and so do CKM_AES_CCM and
//     CKM_CHACHA20_POLY1305, both ways, and the functions for messages. The call that passes
//     the limit is refused with CKR_DATA_LEN_RANGE, or CKR_ENCRYPTED_DATA_LEN_RANGE of a
//     decryption. Tags have 96 to 128 bits, as the shorter ones of the standard need limits
//     that a token does not keep (NIST SP 800-38D appendix C).
//   - CKM_AES_GMAC takes CK_GCM_PARAMS without associated data, as PKCS#11 3.2 has it,
//     and an IV of 12 bytes alone, as the versions before have it; p11-kit's protocol
//     carries the second only. An IV that serves twice with one key gives the key away, so
//     there are no multi-message calls. It collects its input, up to 64 MiB, as CKM_EDDSA does.
//   - CKM_AES_CCM takes every length of tag of the standard, and exactly as much
//     data as its parameter says. CKM_CHACHA20_POLY1305 takes nonces of 96 bits.
//   - CKM_AES_KEY_WRAP_PAD is RFC 5649, as CKM_AES_KEY_WRAP_KWP is: the standard's
//     text leaves it open, and other tokens have it so.
//   - CKM_EDDSA without a parameter is Ed25519 or Ed448, and so it is with one
//     that neither hashes before nor has a context.
//   - CKM_ECDH1_DERIVE without a derivation function takes the last bytes of the
//     shared secret for a shorter key, as section 6.3.19 has it.
//   - CKM_SP800_108_COUNTER_KDF makes one key, no additional ones.
//   - CKM_PKCS5_PBKD2 makes at most ten million iterations, for all blocks of the key together. The modern policy does
//     not offer it: NSS would take a token with it for one that opens PFX files by
//     unwrapping with AES-CBC, and import none.
//   - CKM_ML_DSA and CKM_SLH_DSA are the pure schemes. CKM_HASH_SLH_DSA_SHA256 and
//     its like hash on the token; CKM_HASH_SLH_DSA, with a hash that the caller
//     made, is not there. Nor is Hash-ML-DSA in any form: no maintained Go library
//     verifies it. Signatures are hedged unless the parameter wants them
//     deterministic. The small sets of SLH-DSA (those that end in S) take seconds
//     for a signature, by their nature.
//   - DES and triple DES decrypt and verify data that is there, no more. MD5 is
//     for mechanisms of its own: no parameter may name it.
//   - CKM_HOTP without a parameter makes the plain digits, for clients that know
//     no CK_OTP_SIGNATURE_INFO. With CK_OTP_PARAMS, an empty one too, it makes that
//     structure: the password, and the counter or the time that it is for. Only
//     our library can carry these parameters, and p11-kit's client refuses CKM_HOTP
//     by itself even without any.
//   - CKM_HOTP uses each counter of a key once: one that the caller gives is not
//     below the key's, which moves on behind it. To verify, the caller gives the
//     counter; nothing is used up. CKF_NEXT_OTP leaves one password out. PINs and
//     challenges, which HOTP does not have, are ignored.
//   - CKM_HOTP has no multi-message calls, and no state to save. CKM_HOTP_KEY_GEN
//     makes a key as long as the hash is where the template does not say.
//   - Every operation in parts can be saved and taken up by the next process of the daemon
//     ([Saver]), but one: HashSLH-DSA on more than 1 MiB of data, as the library tells
//     nobody the state of its hash. C_GetOperationState gives out less.
//   - CKM_AES_CTR ends (CKR_DATA_LEN_RANGE) before its counter would repeat.
//   - Mechanisms that PKCS#11 has for single-part data only, such as
//     CKM_RSA_PKCS, take their data in pieces too.
package mech
