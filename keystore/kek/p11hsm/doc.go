// Package p11hsm is the KEK in an HSM that has a PKCS#11 module.
//
//	pkcs11:token=kek;object=vtoken?module-path=/usr/lib/hsm.so&pin-source=file:/etc/vtoken/hsm.pin
//	pkcs11:serial=1234;id=%01?module-path=/usr/lib/hsm.so&pin-source=/run/credentials/vtokend/pin
//	pkcs11:token=kek;object=vtoken;type=private?module-path=...    an RSA key pair
//
// These are the URIs of RFC 7512. Of the path, token, manufacturer, model,
// serial and slot-id select the token, object, id and type the key; exactly one key must fit.
// Of the query, module-path is required and pin-source names the file with the user PIN, which
// only its owner may open; without it the provider does not log in. pin-value is refused: other users of the machine can read a command line.
//
// Since the module runs in the daemon, its file, once links are followed, must belong to root
// or to the daemon's user, and nobody else may be able to write it.
//
// # What the HSM does
//
// For each wrapped key a fresh KEK of 32 bytes is made, and wrapped by the key
// in the HSM in the first of these ways that works there and back:
//
//	AES   1  CKM_AES_GCM
//	      2  CKM_AES_KEY_WRAP_KWP, 3  CKM_AES_KEY_WRAP_PAD (RFC 5649)
//	RSA   4  CKM_RSA_PKCS_OAEP with SHA-256, 5  with SHA-1
//
// RSA keys encrypt outside, with the public half.
//
// A key that is made with Env.Generate never leaves the HSM: it is sensitive
// and not extractable. It is an AES key of 256 bits, or with type=private an
// RSA key pair of 3072 bits.
//
// # An HSM that goes away
//
// The module is loaded once. When the HSM says that session, login or key are gone, the
// provider logs in and looks for the key again; if that does not help, it initializes the
// module again.
//
// # Format of a wrapped key
//
//	'H', 1
//	1 byte     the way, from the list above
//	2 bytes    length of the wrapped KEK, big endian; then that
//	           nonce, ciphertext and tag of AES-256-GCM; all before it is authenticated
//
// A KEK wrapped with GCM begins with the length of its IV in one byte and the IV.
package p11hsm
