/*
 * An error ends the operation, also one that the library finds by itself: each function
 * that continues or ends an operation is called with a null pointer to data, or to a length, or
 * with a parameter that is none, in an operation that is under way. Nothing may come of that
 * operation then: a digest, say, would be of other data than the host thinks. Prints the names
 * of the functions.
 */
#include "host.h"

#define CKR_OPERATION_NOT_INITIALIZED 0x91UL
#define CKR_MECHANISM_PARAM_INVALID 0x71UL
#define CKF_END_OF_MESSAGE 1UL
#define CKM_RSA_PKCS_KEY_PAIR_GEN 0x0UL
#define CKM_RSA_PKCS 0x1UL
#define CKM_SHA256 0x250UL
#define CKM_SHA256_HMAC 0x251UL
#define CKM_GENERIC_SECRET_KEY_GEN 0x350UL
#define CKM_AES_KEY_GEN 0x1080UL
#define CKM_AES_CBC 0x1082UL
#define CKM_AES_GCM 0x1087UL
#define CKA_SIGN_RECOVER 0x109UL
#define CKA_VERIFY_RECOVER 0x10BUL
#define CKA_MODULUS_BITS 0x121UL
#define CKA_VALUE_LEN 0x161UL

static CK_OBJECT_HANDLE aes, mac, public, private;
static CK_BYTE block[32], tag[16], nonce[12], signature[32], recoverable[256], out[512];
static CK_MECHANISM cbc = {CKM_AES_CBC, block, 16}, hmac = {CKM_SHA256_HMAC, NULL, 0}, sha = {CKM_SHA256, NULL, 0},
		    rsa = {CKM_RSA_PKCS, NULL, 0}, gcm = {CKM_AES_GCM, NULL, 0};
static CK_GCM_MESSAGE_PARAMS message;
#define MESSAGE &message, sizeof message

/* Starting an operation, in parts where it has any. */
static void encrypting(CK_SESSION_HANDLE h)
{
	CK_ULONG n = sizeof out;
	OK(f->C_EncryptInit(h, &cbc, aes));
	OK(f->C_EncryptUpdate(h, block, sizeof block, out, &n));
}
static void decrypting(CK_SESSION_HANDLE h)
{
	CK_ULONG n = sizeof out;
	OK(f->C_DecryptInit(h, &cbc, aes));
	OK(f->C_DecryptUpdate(h, block, sizeof block, out, &n));
}
static void digesting(CK_SESSION_HANDLE h)
{
	OK(f->C_DigestInit(h, &sha));
	OK(f->C_DigestUpdate(h, block, sizeof block));
}
static void signing(CK_SESSION_HANDLE h)
{
	OK(f->C_SignInit(h, &hmac, mac));
	OK(f->C_SignUpdate(h, block, sizeof block));
}
static void verifying(CK_SESSION_HANDLE h)
{
	OK(f->C_VerifyInit(h, &hmac, mac));
	OK(f->C_VerifyUpdate(h, block, sizeof block));
}
/* The library holds a C_SignInit back that is like the one before. */
static void holding(CK_SESSION_HANDLE h)
{
	CK_ULONG n = sizeof out;
	OK(f->C_SignInit(h, &hmac, mac));
	OK(f->C_Sign(h, block, sizeof block, out, &n));
	OK(f->C_SignInit(h, &hmac, mac));
}
static void digesting_encrypting(CK_SESSION_HANDLE h) { digesting(h); encrypting(h); }
static void decrypting_digesting(CK_SESSION_HANDLE h) { decrypting(h); digesting(h); }
static void signing_encrypting(CK_SESSION_HANDLE h) { signing(h); encrypting(h); }
static void decrypting_verifying(CK_SESSION_HANDLE h) { decrypting(h); verifying(h); }
static void sign_recovering(CK_SESSION_HANDLE h) { OK(f->C_SignRecoverInit(h, &rsa, private)); }
static void verify_recovering(CK_SESSION_HANDLE h) { OK(f->C_VerifyRecoverInit(h, &rsa, public)); }
static void searching(CK_SESSION_HANDLE h) { OK(f->C_FindObjectsInit(h, NULL, 0)); }
static void given(CK_SESSION_HANDLE h)
{
	OK(f->C_VerifySignatureInit(h, &hmac, mac, signature, sizeof signature));
	OK(f->C_VerifySignatureUpdate(h, block, sizeof block));
}
static void message_signing(CK_SESSION_HANDLE h)
{
	OK(f->C_MessageSignInit(h, &hmac, mac));
	OK(f->C_SignMessageBegin(h, NULL, 0));
}
static void message_verifying(CK_SESSION_HANDLE h)
{
	OK(f->C_MessageVerifyInit(h, &hmac, mac));
	OK(f->C_VerifyMessageBegin(h, NULL, 0));
}
static void message_encrypting(CK_SESSION_HANDLE h)
{
	OK(f->C_MessageEncryptInit(h, &gcm, aes));
	OK(f->C_EncryptMessageBegin(h, MESSAGE, NULL, 0));
}
static void message_decrypting(CK_SESSION_HANDLE h)
{
	OK(f->C_MessageDecryptInit(h, &gcm, aes));
	OK(f->C_DecryptMessageBegin(h, MESSAGE, NULL, 0));
}

/* The operation is over. Of one on messages it is the message, and the next one is well. */
#define OVER(call) WANT(CKR_OPERATION_NOT_INITIALIZED, call)
static CK_ULONG room;
static CK_ULONG *size(void) { room = sizeof out; return &room; }
static void encrypted(CK_SESSION_HANDLE h) { OVER(f->C_EncryptFinal(h, out, size())); }
static void decrypted(CK_SESSION_HANDLE h) { OVER(f->C_DecryptFinal(h, out, size())); }
static void digested(CK_SESSION_HANDLE h) { OVER(f->C_DigestFinal(h, out, size())); }
static void is_signed(CK_SESSION_HANDLE h)
{
	OVER(f->C_Sign(h, block, sizeof block, out, size()));
	OVER(f->C_SignFinal(h, out, size()));
}
static void verified(CK_SESSION_HANDLE h) { OVER(f->C_VerifyFinal(h, signature, sizeof signature)); }
static void digested_encrypted(CK_SESSION_HANDLE h) { digested(h); encrypted(h); }
static void decrypted_digested(CK_SESSION_HANDLE h) { decrypted(h); digested(h); }
static void signed_encrypted(CK_SESSION_HANDLE h) { is_signed(h); encrypted(h); }
static void decrypted_verified(CK_SESSION_HANDLE h) { decrypted(h); verified(h); }
static void sign_recovered(CK_SESSION_HANDLE h) { OVER(f->C_SignRecover(h, block, 8, out, size())); }
static void verify_recovered(CK_SESSION_HANDLE h) { OVER(f->C_VerifyRecover(h, recoverable, sizeof recoverable, out, size())); }
static void searched(CK_SESSION_HANDLE h)
{
	CK_OBJECT_HANDLE found;
	OVER(f->C_FindObjects(h, &found, 1, size()));
}
static void given_verified(CK_SESSION_HANDLE h)
{
	OVER(f->C_VerifySignatureFinal(h));
	verified(h);
}
static void message_signed(CK_SESSION_HANDLE h)
{
	OVER(f->C_SignMessageNext(h, NULL, 0, block, 1, out, size()));
	OK(f->C_SignMessage(h, NULL, 0, block, 1, out, size()));
	OK(f->C_MessageSignFinal(h));
}
static void message_verified(CK_SESSION_HANDLE h)
{
	CK_BYTE own[32];
	CK_ULONG n = sizeof own;
	OK(f->C_SignInit(h, &hmac, mac));
	OK(f->C_Sign(h, block, 1, own, &n));
	OVER(f->C_VerifyMessageNext(h, NULL, 0, block, 1, own, n));
	OK(f->C_VerifyMessage(h, NULL, 0, block, 1, own, n));
	OK(f->C_MessageVerifyFinal(h));
}
static void message_encrypted(CK_SESSION_HANDLE h)
{
	OVER(f->C_EncryptMessageNext(h, MESSAGE, block, 1, out, size(), CKF_END_OF_MESSAGE));
	OK(f->C_EncryptMessage(h, MESSAGE, NULL, 0, block, 1, out, size()));
	OK(f->C_MessageEncryptFinal(h));
}
static void message_decrypted(CK_SESSION_HANDLE h)
{
	CK_BYTE enc[1];
	CK_ULONG n = sizeof enc;
	OVER(f->C_DecryptMessageNext(h, MESSAGE, block, 1, out, size(), CKF_END_OF_MESSAGE));
	OK(f->C_MessageEncryptInit(h, &gcm, aes));
	OK(f->C_EncryptMessage(h, MESSAGE, NULL, 0, block, 1, enc, &n));
	OK(f->C_MessageEncryptFinal(h));
	OK(f->C_DecryptMessage(h, MESSAGE, NULL, 0, enc, n, out, size()));
	OK(f->C_MessageDecryptFinal(h));
}

static void generate(CK_SESSION_HANDLE h)
{
	CK_ULONG small = 16, long_ = 32, bits = 2048;
	CK_BYTE yes = 1;
	CK_ATTRIBUTE a = {CKA_VALUE_LEN, &small, sizeof small}, b = {CKA_VALUE_LEN, &long_, sizeof long_},
		     pub[] = {{CKA_MODULUS_BITS, &bits, sizeof bits}, {CKA_VERIFY_RECOVER, &yes, 1}}, priv = {CKA_SIGN_RECOVER, &yes, 1};
	CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
	OK(f->C_GenerateKey(h, &m, &a, 1, &aes));
	m.mechanism = CKM_GENERIC_SECRET_KEY_GEN;
	OK(f->C_GenerateKey(h, &m, &b, 1, &mac));
	m.mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN;
	OK(f->C_GenerateKeyPair(h, &m, pub, 2, &priv, 1, &public, &private));
	message.pIv = nonce;
	message.ulIvLen = sizeof nonce;
	message.pTag = tag;
	message.ulTagBits = 128;
}

/* One bad call in a started operation. */
#define BAD(start, want, over, name, ...)                \
	do {                                             \
		start(h);                                \
		WANT(want, f->name(h, __VA_ARGS__));     \
		over(h);                                 \
		puts(#name);                             \
	} while (0)
#define NULLS(start, over, name, ...) BAD(start, CKR_ARGUMENTS_BAD, over, name, __VA_ARGS__)
#define PARAMETER(start, over, name, ...) BAD(start, CKR_MECHANISM_PARAM_INVALID, over, name, block, 3, __VA_ARGS__)

int main(int argc, char **argv)
{
	(void)argc;
	CK_OBJECT_HANDLE found;
	CK_ULONG n = sizeof out;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	login(h);
	generate(h);

	NULLS(encrypting, encrypted, C_Encrypt, NULL, 5, out, &n);
	NULLS(encrypting, encrypted, C_Encrypt, block, 5, out, NULL);
	NULLS(encrypting, encrypted, C_EncryptUpdate, NULL, 5, out, &n);
	NULLS(encrypting, encrypted, C_EncryptUpdate, block, 5, out, NULL);
	NULLS(encrypting, encrypted, C_EncryptFinal, out, NULL);
	NULLS(decrypting, decrypted, C_Decrypt, NULL, 5, out, &n);
	NULLS(decrypting, decrypted, C_Decrypt, block, 5, out, NULL);
	NULLS(decrypting, decrypted, C_DecryptUpdate, NULL, 5, out, &n);
	NULLS(decrypting, decrypted, C_DecryptUpdate, block, 5, out, NULL);
	NULLS(decrypting, decrypted, C_DecryptFinal, out, NULL);
	NULLS(digesting, digested, C_Digest, NULL, 5, out, &n);
	NULLS(digesting, digested, C_Digest, block, 5, out, NULL);
	NULLS(digesting, digested, C_DigestUpdate, NULL, 5);
	NULLS(digesting, digested, C_DigestFinal, out, NULL);
	NULLS(signing, is_signed, C_Sign, NULL, 5, out, &n);
	NULLS(signing, is_signed, C_Sign, block, 5, out, NULL);
	NULLS(signing, is_signed, C_SignUpdate, NULL, 5);
	NULLS(signing, is_signed, C_SignFinal, out, NULL);
	NULLS(holding, is_signed, C_Sign, NULL, 5, out, &n);
	NULLS(holding, is_signed, C_SignUpdate, NULL, 5);
	NULLS(holding, is_signed, C_SignFinal, out, NULL);
	NULLS(sign_recovering, sign_recovered, C_SignRecover, NULL, 5, out, &n);
	NULLS(sign_recovering, sign_recovered, C_SignRecover, block, 5, out, NULL);
	NULLS(verifying, verified, C_Verify, NULL, 5, signature, sizeof signature);
	NULLS(verifying, verified, C_Verify, block, 5, NULL, 5);
	NULLS(verifying, verified, C_VerifyUpdate, NULL, 5);
	NULLS(verifying, verified, C_VerifyFinal, NULL, 5);
	NULLS(verify_recovering, verify_recovered, C_VerifyRecover, NULL, 5, out, &n);
	NULLS(verify_recovering, verify_recovered, C_VerifyRecover, recoverable, 5, out, NULL);
	NULLS(given, given_verified, C_VerifySignature, NULL, 5);
	NULLS(given, given_verified, C_VerifySignatureUpdate, NULL, 5);
	NULLS(digesting_encrypting, digested_encrypted, C_DigestEncryptUpdate, NULL, 5, out, &n);
	NULLS(digesting_encrypting, digested_encrypted, C_DigestEncryptUpdate, block, 5, out, NULL);
	NULLS(decrypting_digesting, decrypted_digested, C_DecryptDigestUpdate, NULL, 5, out, &n);
	NULLS(decrypting_digesting, decrypted_digested, C_DecryptDigestUpdate, block, 5, out, NULL);
	NULLS(signing_encrypting, signed_encrypted, C_SignEncryptUpdate, NULL, 5, out, &n);
	NULLS(signing_encrypting, signed_encrypted, C_SignEncryptUpdate, block, 5, out, NULL);
	NULLS(decrypting_verifying, decrypted_verified, C_DecryptVerifyUpdate, NULL, 5, out, &n);
	NULLS(decrypting_verifying, decrypted_verified, C_DecryptVerifyUpdate, block, 5, out, NULL);
	NULLS(searching, searched, C_FindObjects, NULL, 1, &n);
	NULLS(searching, searched, C_FindObjects, &found, 1, NULL);

	NULLS(message_signing, message_signed, C_SignMessage, NULL, 5, block, 5, out, &n);
	NULLS(message_signing, message_signed, C_SignMessage, NULL, 0, NULL, 5, out, &n);
	NULLS(message_signing, message_signed, C_SignMessage, NULL, 0, block, 5, out, NULL);
	NULLS(message_signing, message_signed, C_SignMessageNext, NULL, 5, block, 5, NULL, NULL);
	NULLS(message_signing, message_signed, C_SignMessageNext, NULL, 0, NULL, 5, NULL, NULL);
	NULLS(message_verifying, message_verified, C_VerifyMessage, NULL, 5, block, 5, signature, sizeof signature);
	NULLS(message_verifying, message_verified, C_VerifyMessage, NULL, 0, NULL, 5, signature, sizeof signature);
	NULLS(message_verifying, message_verified, C_VerifyMessage, NULL, 0, block, 5, NULL, 5);
	NULLS(message_verifying, message_verified, C_VerifyMessageNext, NULL, 5, block, 5, NULL, 0);
	NULLS(message_verifying, message_verified, C_VerifyMessageNext, NULL, 0, NULL, 5, NULL, 0);
	NULLS(message_verifying, message_verified, C_VerifyMessageNext, NULL, 0, block, 5, NULL, 5);
	NULLS(message_encrypting, message_encrypted, C_EncryptMessage, MESSAGE, NULL, 5, block, 5, out, &n);
	NULLS(message_encrypting, message_encrypted, C_EncryptMessage, MESSAGE, NULL, 0, NULL, 5, out, &n);
	NULLS(message_encrypting, message_encrypted, C_EncryptMessage, MESSAGE, NULL, 0, block, 5, out, NULL);
	NULLS(message_encrypting, message_encrypted, C_EncryptMessage, NULL, 0, NULL, 0, block, 5, out, &n);
	PARAMETER(message_encrypting, message_encrypted, C_EncryptMessage, NULL, 0, block, 5, out, &n);
	NULLS(message_encrypting, message_encrypted, C_EncryptMessageNext, MESSAGE, NULL, 5, out, &n, 0);
	NULLS(message_encrypting, message_encrypted, C_EncryptMessageNext, MESSAGE, block, 5, out, NULL, 0);
	NULLS(message_encrypting, message_encrypted, C_EncryptMessageNext, NULL, 0, block, 5, out, &n, 0);
	NULLS(message_encrypting, message_encrypted, C_EncryptMessageNext, MESSAGE, block, 5, out, &n, 2);
	PARAMETER(message_encrypting, message_encrypted, C_EncryptMessageNext, block, 5, out, &n, 0);
	NULLS(message_decrypting, message_decrypted, C_DecryptMessage, MESSAGE, NULL, 5, block, 5, out, &n);
	NULLS(message_decrypting, message_decrypted, C_DecryptMessage, MESSAGE, NULL, 0, NULL, 5, out, &n);
	NULLS(message_decrypting, message_decrypted, C_DecryptMessage, MESSAGE, NULL, 0, block, 5, out, NULL);
	NULLS(message_decrypting, message_decrypted, C_DecryptMessage, NULL, 0, NULL, 0, block, 5, out, &n);
	PARAMETER(message_decrypting, message_decrypted, C_DecryptMessage, NULL, 0, block, 5, out, &n);
	NULLS(message_decrypting, message_decrypted, C_DecryptMessageNext, MESSAGE, NULL, 5, out, &n, 0);
	NULLS(message_decrypting, message_decrypted, C_DecryptMessageNext, MESSAGE, block, 5, out, NULL, 0);
	NULLS(message_decrypting, message_decrypted, C_DecryptMessageNext, NULL, 0, block, 5, out, &n, 0);
	PARAMETER(message_decrypting, message_decrypted, C_DecryptMessageNext, block, 5, out, &n, 0);

	OK(f->C_CloseSession(h));
	OK(f->C_Finalize(NULL));
	return 0;
}
