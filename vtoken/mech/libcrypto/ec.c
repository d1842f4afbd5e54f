//go:build cgo

#include "crypto.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>

EC_KEY *vt_ec(int curve, bytes value) {
	EC_KEY *key = EC_KEY_new_by_curve_name(curve);
	BIGNUM *number = vt_room() ? BN_secure_new() : BN_new();
	int ok = key != NULL && number != NULL && BN_bin2bn(value.at, value.len, number) != NULL &&
		!BN_is_zero(number) && BN_cmp(number, EC_GROUP_get0_order(EC_KEY_get0_group(key))) < 0 &&
		EC_KEY_set_private_key(key, number); // a copy
	BN_clear_free(number);
	if (ok)
		return key;
	EC_KEY_free(key);
	ERR_clear_error();
	return NULL;
}

int vt_ec_sign(EC_KEY *key, bytes digest, unsigned char *out, int n) {
	const BIGNUM *r, *s;
	ECDSA_SIG *made = ECDSA_do_sign(digest.at, digest.len, key);
	int ok = made != NULL;
	if (ok) {
		ECDSA_SIG_get0(made, &r, &s);
		ok = BN_bn2binpad(r, out, n) == n && BN_bn2binpad(s, out + n, n) == n;
	}
	ECDSA_SIG_free(made);
	if (!ok)
		ERR_clear_error();
	return ok;
}

int vt_ec_agree(EC_KEY *key, bytes peer, unsigned char *out, int n) {
	const EC_GROUP *group = EC_KEY_get0_group(key);
	EC_POINT *point = EC_POINT_new(group);
	int ok = point != NULL && EC_POINT_oct2point(group, point, peer.at, peer.len, NULL) &&
		ECDH_compute_key(out, n, point, key, NULL) == n;
	EC_POINT_free(point);
	if (!ok)
		ERR_clear_error();
	return ok;
}

EVP_PKEY *vt_raw(int type, bytes value) {
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(type, NULL, value.at, value.len);
	if (key == NULL)
		ERR_clear_error();
	return key;
}

int vt_raw_sign(EVP_PKEY *key, bytes message, unsigned char *out, size_t len) {
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
		EVP_DigestSign(ctx, out, &len, message.at, message.len) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		ERR_clear_error();
	return ok;
}

int vt_raw_agree(EVP_PKEY *key, int type, bytes peer, unsigned char *out, size_t len) {
	EVP_PKEY *other = EVP_PKEY_new_raw_public_key(type, NULL, peer.at, peer.len);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	int ok = other != NULL && ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
		EVP_PKEY_derive_set_peer(ctx, other) == 1 && EVP_PKEY_derive(ctx, out, &len) == 1;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(other);
	if (!ok)
		ERR_clear_error();
	return ok;
}

int vt_raw_value(EVP_PKEY *key, unsigned char *out, size_t len) {
	return EVP_PKEY_get_raw_private_key(key, out, &len) == 1;
}
