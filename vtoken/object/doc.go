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
//     keys, because OpenSSH lists them before it asks for a PIN, and true for
//     everything else; but private and secret keys of a session in which nobody is
//     logged in are public, because pkcs11-provider makes and uses such keys.
//   - CKA_SENSITIVE is true and CKA_EXTRACTABLE is false. A sensitive key, private or
//     secret and however it is made, has CKA_WRAP_WITH_TRUSTED true; a template that
//     says false is taken at its word, and any wrapping key below may then carry it off.
//   - A derived key of fewer than 16 bytes has CKA_SENSITIVE false and
//     CKA_EXTRACTABLE true.
//   - A template that turns no usage on gets the uses that fit the key: sign
//     and decrypt for an RSA private key, verify and encrypt for its public key,
//     sign and derive for EC, encrypt, decrypt, sign and verify for AES, sign,
//     verify and derive for other secrets. Only a template that asks for wrapping
//     or unwrapping gets it. A template that turns any usage on gets exactly those.
//   - CKA_LABEL and CKA_ID exist and are empty by default. A label has at most 255
//     bytes, because OpenSSH aborts its listing on a longer one; an id at most 128.
//   - CKA_ALLOWED_MECHANISMS and the templates of a key (CKA_WRAP_TEMPLATE and its like)
//     are empty where nobody set them, and empty ones restrict nothing. A list and a
//     template that are empty are no others than none.
//   - CKA_ENCAPSULATE and CKA_DECAPSULATE are false for keys other than those of ML-KEM,
//     where they are uses as above. CKA_OBJECT_VALIDATION_FLAGS of a key is 0.
//   - CKA_EC_PARAMS is the curve's OID, even where the template names the curve or
//     spells it out. What is spelled out has to be a curve that has a name here.
//     CKA_EC_POINT is an OCTET STRING around the uncompressed point, or around
//     the bytes of RFC 8032 and RFC 7748: programs expect that of Edwards and
//     Montgomery keys too, and read it whichever edition of the standard they
//     follow. A template may give the bare point, an OCTET STRING or a BIT STRING,
//     and the point compressed or in its hybrid form.
//   - An OTP key that has a CKA_OTP_TIME_INTERVAL, or whose
//     CKA_OTP_TIME_REQUIREMENT is not ignored, makes passwords by time (TOTP, RFC
//     6238), else by counter. What the caller may give (the time, or the counter)
//     is optional by default, the interval 30 seconds, the length 6 digits. PKCS#11
//     has no word for the hash: CKA_VTOKEN_OTP_HASH (0xF6540002) is the text SHA1,
//     which is the default, SHA256 or SHA512.
//   - CKA_EC_POINT is there on EC private keys as well as public ones, because
//     clients look for it where there is no public key object.
//   - The subject, issuer and serial number of a certificate are those inside its
//     CKA_VALUE where the template does not give them, because Java builds chains by
//     searching for them. What a template gives stays as it is.
//   - An attribute that a template gives twice counts once where its value is the same.
//   - CKA_CHECK_VALUE of a key is empty where the application removed it.
//
// # What is stricter than PKCS#11
//
//   - A template may ask for any of CKA_WRAP, CKA_UNWRAP, CKA_ENCRYPT and CKA_DECRYPT
//     together. Every key remembers what it was made for. One that decrypts or did,
//     itself or the private half of its pair (which decrypts by raw signatures of RSA
//     too), wraps no sensitive key: CKR_KEY_NOT_WRAPPABLE. One that encrypts or did
//     wraps none in a counter mode.
//   - A key is known from outside where somebody may have its value: one that
//     C_CreateObject, C_UnwrapKey or C_DeriveKey made, that is made of a password, that
//     could be read, and a public key that was not generated with its private key on
//     the token. It wraps no sensitive key. A secret key that is known so is never
//     CKA_TRUSTED, but for one that the security officer creates with that mark; a
//     public key that the security officer marks wraps sensitive keys.
//   - A key that was made to wrap sensitive keys, or whose pair was, does not gain what
//     opens them (CKR_TEMPLATE_INCONSISTENT), in a copy neither, and is not wrapped
//     itself. Nor is a key with CKA_ALWAYS_AUTHENTICATE, or with a CKA_DERIVE_TEMPLATE
//     or CKA_DECAPSULATE_TEMPLATE that keeps results sensitive: unwrapped, it would be
//     one without.
//   - Of keys that an earlier version stored, what is not written down is taken for the
//     worst: their public keys wrap sensitive keys once the security officer marks them.
//   - A derived key that is sensitive or unextractable has 16 bytes or more; a template
//     that asks for fewer is CKR_TEMPLATE_INCONSISTENT. The same secret can be derived
//     at every length, and would be read byte by byte.
//   - A secret key whose CKA_DERIVE_TEMPLATE keeps derived keys sensitive does nothing
//     but derive, since a MAC made with it is such a key in clear, and derives no data
//     objects. A key that is the salt of HKDF is held to its own template and
//     CKA_ALLOWED_MECHANISMS.
//   - CKA_PRIVATE goes from false to true in a copy, never back.
//   - Key material is checked when it comes in: a point off the curve, an RSA
//     key whose numbers do not fit together are CKR_ATTRIBUTE_VALUE_INVALID. Of
//     public keys of RFC 8032 and RFC 7748 it is the length: what is no point
//     verifies no signature.
//   - OTP keys are neither wrapped nor unwrapped, and nothing but their use moves
//     their counter. Passwords are decimal, of 6 to 8 digits.
//   - CKA_PUBLIC_KEY_INFO and CKA_CHECK_VALUE of a certificate are those of its
//     CKA_VALUE; others are CKR_ATTRIBUTE_VALUE_INVALID.
package object
