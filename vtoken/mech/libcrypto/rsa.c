//go:build cgo

#include "crypto.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/sha.h>

// secret is a private number, in the secure heap while that has room.
static BIGNUM *secret(bytes b) {
	BIGNUM *made = vt_room() ? BN_secure_new() : BN_new();
	if (made == NULL || BN_bin2bn(b.at, b.len, made) == NULL) {
		BN_clear_free(made);
		return NULL;
	}
	BN_set_flags(made, BN_FLG_CONSTTIME);
	return made;
}

// fits reports whether p times q is n.
static int fits(const BIGNUM *n, const BIGNUM *p, const BIGNUM *q) {
	BN_CTX *ctx = BN_CTX_secure_new();
	BIGNUM *product = BN_secure_new();
	int ok = ctx != NULL && product != NULL && BN_mul(product, p, q, ctx) && BN_cmp(product, n) == 0;
	BN_clear_free(product);
	BN_CTX_free(ctx);
	return ok;
}

RSA *vt_rsa(bytes n, bytes e, bytes d, bytes p, bytes q, bytes dp, bytes dq, bytes qinv) {
	RSA *key = RSA_new();
	BIGNUM *public[] = {BN_bin2bn(n.at, n.len, NULL), BN_bin2bn(e.at, e.len, NULL)};
	BIGNUM *private[] = {secret(d), secret(p), secret(q), secret(dp), secret(dq), secret(qinv)};
	int ok = key != NULL && public[0] != NULL && public[1] != NULL;
	for (int i = 0; i < 6; i++)
		ok = ok && private[i] != NULL;
	ok = ok && fits(public[0], private[1], private[2]);
	if (ok) { // none of these fails for numbers that are there
		RSA_set0_key(key, public[0], public[1], private[0]);
		RSA_set0_factors(key, private[1], private[2]);
		RSA_set0_crt_params(key, private[3], private[4], private[5]);
		return key;
	}
	BN_free(public[0]);
	BN_free(public[1]);
	for (int i = 0; i < 6; i++)
		BN_clear_free(private[i]);
	RSA_free(key);
	ERR_clear_error();
	return NULL;
}

int vt_rsa_seed(RSA *key, unsigned char *out) {
	int size = RSA_size(key);
	unsigned char *d = OPENSSL_malloc(size);
	int ok = d != NULL && BN_bn2binpad(RSA_get0_d(key), d, size) == size && SHA256(d, size, out) != NULL;
	OPENSSL_free(d);
	ERR_clear_error();
	return ok;
}

// done ends an operation that returned n, which should be all of the modulus.
static int done(RSA *key, int n) {
	if (n == RSA_size(key))
		return 1;
	ERR_clear_error();
	return 0;
}

/*
 * A signature's bare operation is the same, but libcrypto takes the blinding off in
 * the same time for every result in a decryption alone (CVE-2022-4304).
 */
int vt_rsa_private(RSA *key, const unsigned char *in, unsigned char *out) {
	if (key == NULL)
		return 0;
	return done(key, RSA_private_decrypt(RSA_size(key), in, out, key, RSA_NO_PADDING));
}

int vt_rsa_sign(RSA *key, int hash, bytes digest, unsigned char *out) {
	unsigned int n = 0;
	if (key == NULL)
		return 0;
	if (hash == 0)
		return done(key, RSA_private_encrypt(digest.len, digest.at, out, key, RSA_PKCS1_PADDING));
	if (!RSA_sign(hash, digest.at, digest.len, out, &n, key))
		n = 0;
	return done(key, n);
}

int vt_rsa_pss(RSA *key, int hash, int mgf, bytes digest, int salt, unsigned char *out) {
	if (key == NULL)
		return 0;
	int size = RSA_size(key);
	unsigned char *em = OPENSSL_malloc(size);
	const EVP_MD *md = EVP_get_digestbynid(hash), *mask = EVP_get_digestbynid(mgf);
	int ok = em != NULL && md != NULL && mask != NULL && EVP_MD_get_size(md) == digest.len &&
		RSA_padding_add_PKCS1_PSS_mgf1(key, em, digest.at, md, mask, salt) &&
		vt_rsa_private(key, em, out);
	OPENSSL_free(em);
	ERR_clear_error();
	return ok;
}

int vt_rsa_oaep(RSA *key, int hash, int mgf, bytes label, const unsigned char *in, unsigned char *out) {
	if (key == NULL)
		return -1;
	int size = RSA_size(key), n = -1;
	unsigned char *em = OPENSSL_malloc(size);
	const EVP_MD *md = EVP_get_digestbynid(hash), *mask = EVP_get_digestbynid(mgf);
	if (em != NULL && md != NULL && mask != NULL && vt_rsa_private(key, in, em))
		n = RSA_padding_check_PKCS1_OAEP_mgf1(out, size, em, size, size, label.at, label.len, md, mask);
	OPENSSL_clear_free(em, size); // the message is in it
	ERR_clear_error();
	return n;
}
