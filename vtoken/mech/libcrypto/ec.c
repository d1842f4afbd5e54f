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
	if (key == NULL)
		return 0;
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
	if (key == NULL)
		return 0;
	const EC_GROUP *group = EC_KEY_get0_group(key);
	EC_POINT *point = EC_POINT_new(group);
	int ok = point != NULL && EC_POINT_oct2point(group, point, peer.at, peer.len, NULL) &&
		ECDH_compute_key(out, n, point, key, NULL) == n;
	EC_POINT_free(point);
	if (!ok)
		ERR_clear_error();
	return ok;
}
