// Package object is the objects of PKCS#11 and their rules: which attributes an
// object of each class has, which of them a template may give, which may change
// and in which direction, and which may be read (sections 4.2 to 4.12).
//
// The rules are tables (see schema.go and the files of the classes): one row is
// one attribute of one class. [Build] makes an object from a template,
// [Object.Change] is C_SetAttributeValue, [Object.Copy] is C_CopyObject and
// [Object.Read] is C_GetAttributeValue. Nothing here knows sessions, logins or
// storage; the engine asks those questions before it calls.
//
// # Defaults that PKCS#11 leaves to the token
//
//   - CKA_TOKEN is false. CKA_PRIVATE is false for certificates and public
//     keys, so that listing needs no PIN (C02), and true for everything else.
//   - CKA_SENSITIVE is true and CKA_EXTRACTABLE is false. A private key that was
//     generated here has CKA_WRAP_WITH_TRUSTED true (S05), other keys false.
//   - A template that turns no usage on gets the uses that fit the key: sign
//     and decrypt for an RSA private key, verify and encrypt for its public key,
//     sign and derive for EC, encrypt, decrypt, sign and verify for AES, sign,
//     verify and derive for other secrets. Wrapping and unwrapping have to be
//     asked for. A template that turns any usage on gets exactly those.
//   - CKA_LABEL and CKA_ID are there and empty (C04); a label has at most 255
//     bytes, an id at most 128.
//   - An empty CKA_ALLOWED_MECHANISMS is an unset one (C20): other tokens answer
//     it for keys without a list, and programs copy what they read.
//   - CKA_EC_PARAMS is the curve's OID, even where the template names the curve.
//     CKA_EC_POINT is an OCTET STRING around the uncompressed point, or around
//     the bytes of RFC 8032 and RFC 7748: programs expect that of Edwards and
//     Montgomery keys too, and read it whichever edition of the standard they
//     follow. A template may give the bare point, an OCTET STRING or a BIT STRING
//     (C07).
//   - An OTP key that has a CKA_OTP_TIME_INTERVAL, or whose
//     CKA_OTP_TIME_REQUIREMENT is not ignored, makes passwords by time (TOTP, RFC
//     6238), else by counter. What the caller may give (the time, or the counter)
//     is optional by default, the interval 30 seconds, the length 6 digits. PKCS#11
//     has no word for the hash: CKA_VTOKEN_OTP_HASH (0xF6540002) is the text SHA1,
//     which is the default, SHA256 or SHA512.
//   - CKA_EC_POINT is there on EC private keys as well as public ones, because
//     clients look for it where there is no public key object.
//
// # What is stricter than PKCS#11
//
//   - One key may not both wrap and decrypt, nor unwrap and encrypt, by
//     whatever way it came to be so (S01, S02); see separation.go.
//   - CKA_PRIVATE goes from false to true in a copy, never back.
//   - Key material is checked when it comes in: a point off the curve, an RSA
//     key whose numbers do not fit together are CKR_ATTRIBUTE_VALUE_INVALID. Of
//     public keys of RFC 8032 and RFC 7748 it is the length: what is no point
//     verifies no signature.
//   - OTP keys are neither wrapped nor unwrapped, and nothing but their use moves
//     their counter. Passwords are decimal, of 6 to 8 digits.
//   - The subject, issuer and serial number of a certificate are those inside
//     its CKA_VALUE (C82); a template that says otherwise is inconsistent.
package object
