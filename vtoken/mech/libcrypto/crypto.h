// The part of OpenSSL's libcrypto that is used, one call for one operation, so
// that an operation crosses from Go to C once. Functions that return an int
// return 1, or 0 on failure; libcrypto's queue of errors is left empty. A key may be
// NULL, which is one that was freed.
#ifndef VTOKEN_LIBCRYPTO_H
#define VTOKEN_LIBCRYPTO_H

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stddef.h>

// bytes is a big-endian number, or a string of bytes.
typedef struct {
	const unsigned char *at;
	int len;
} bytes;

// vt_begin sets the process's libcrypto up, once: memory is wiped when it is
// freed, and private numbers are in a heap of their own of secure bytes, a power
// of two (OPENSSL_secure_malloc). It returns what the first call saw: 0 where
// libcrypto was in use before, 1 where the heap is locked, 2 where it is not.
int vt_begin(size_t secure);

// vt_room reports whether the secure heap has room for another key, with a part
// of it left to operations.
int vt_room(void);

// vt_rsa makes a private key. d is needed, the rest of the numbers too: it is 0
// where p times q is not n.
RSA *vt_rsa(bytes n, bytes e, bytes d, bytes p, bytes q, bytes dp, bytes dq, bytes qinv);

// vt_rsa_seed is SHA-256 of the private exponent, in the length of the modulus.
int vt_rsa_seed(RSA *key, unsigned char *out);

// The operations put as many bytes into out as the modulus has. in has as many.
int vt_rsa_private(RSA *key, const unsigned char *in, unsigned char *out);
int vt_rsa_sign(RSA *key, int hash, bytes digest, unsigned char *out);
int vt_rsa_pss(RSA *key, int hash, int mgf, bytes digest, int salt, unsigned char *out);
// vt_rsa_oaep returns the length of what is decrypted, or -1.
int vt_rsa_oaep(RSA *key, int hash, int mgf, bytes label, const unsigned char *in, unsigned char *out);

// vt_ec makes a private key on a curve, by its number in libcrypto.
EC_KEY *vt_ec(int curve, bytes value);
// vt_ec_sign puts r and s of n bytes each into out.
int vt_ec_sign(EC_KEY *key, bytes digest, unsigned char *out, int n);
// vt_ec_agree puts the x coordinate of n bytes of the common point into out. peer
// is the other's point, uncompressed.
int vt_ec_agree(EC_KEY *key, bytes peer, unsigned char *out, int n);

#endif
