/*
 * Many messages encrypted and decrypted in one operation (sections 5.9 and
 * 5.11), through the library, the protocol and the daemon, with published
 * vectors: GCM's specification (test case 4), NIST SP 800-38C (example 2), RFC
 * 8439 (section 2.8.2).
 */
#include "host.h"

#define CKA_CLASS 0UL
#define CKA_VALUE 0x11UL
#define CKA_KEY_TYPE 0x100UL
#define CKA_ENCRYPT 0x104UL
#define CKA_DECRYPT 0x105UL
#define CKG_GENERATE_COUNTER 2UL
#define CKG_GENERATE_RANDOM 3UL
#define CKF_END_OF_MESSAGE 1UL
#define CKM_AES_GCM 0x1087UL
#define CKM_AES_CCM 0x1088UL
#define CKM_CHACHA20_POLY1305 0x4021UL
#define CKR_AEAD_DECRYPT_FAILED 0x42UL
#define CKR_MECHANISM_PARAM_INVALID 0x71UL
#define CKR_OPERATION_ACTIVE 0x90UL
#define CKR_OPERATION_NOT_INITIALIZED 0x91UL

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static CK_ULONG secret = 4;

/* Reads hexadecimal digits and returns the number of bytes. */
static CK_ULONG unhex(const char *s, CK_BYTE *to)
{
	CK_ULONG n = 0;
	for (unsigned int b; sscanf(s, "%2x", &b) == 1; s += 2)
		to[n++] = (CK_BYTE)b;
	return n;
}

static void same(const char *what, const CK_BYTE *got, CK_ULONG n, const char *want)
{
	CK_BYTE bytes[256];
	if (unhex(want, bytes) != n || memcmp(bytes, got, n) != 0)
		FAIL("%s is not what was published", what);
}

static CK_OBJECT_HANDLE import(CK_SESSION_HANDLE h, CK_ULONG type, const char *hex)
{
	CK_BYTE value[64], yes = 1;
	CK_ULONG n = unhex(hex, value);
	CK_OBJECT_HANDLE key;
	CK_ATTRIBUTE t[] = {{CKA_CLASS, &secret, sizeof secret}, {CKA_KEY_TYPE, &type, sizeof type},
		{CKA_VALUE, value, n}, {CKA_ENCRYPT, &yes, 1}, {CKA_DECRYPT, &yes, 1}};
	OK(f->C_CreateObject(h, t, COUNT(t), &key));
	return key;
}

/* A vector, and the structure of its messages with the place of their tag. */
struct vector {
	CK_ULONG mechanism, type;
	const char *key, *aad, *plain, *enc, *tag;
	void *p;
	CK_ULONG size;
	CK_BYTE *place;
};

static void whole(CK_SESSION_HANDLE h, const struct vector *v)
{
	CK_BYTE aad[64], in[128], out[128], tag[16];
	CK_ULONG a = unhex(v->aad, aad), n = unhex(v->plain, in), t = unhex(v->tag, tag), length = 0;
	memset(v->place, 0, t);
	OK(f->C_EncryptMessage(h, v->p, v->size, aad, a, in, n, NULL, &length));
	if (length != n)
		FAIL("%lu bytes for %lu", length, n);
	length = n - 1;
	WANT(CKR_BUFFER_TOO_SMALL, f->C_EncryptMessage(h, v->p, v->size, aad, a, in, n, out, &length));
	OK(f->C_EncryptMessage(h, v->p, v->size, aad, a, in, n, out, &length));
	same("a message", out, length, v->enc);
	same("a tag", v->place, t, v->tag);
	v->place[0] ^= 1;
	memset(in, 0x55, sizeof in);
	WANT(CKR_AEAD_DECRYPT_FAILED, f->C_DecryptMessage(h, v->p, v->size, aad, a, out, n, in, &length));
	for (CK_ULONG i = 0; i < sizeof in; i++)
		if (in[i] != 0x55)
			FAIL("something came out with a wrong tag");
	v->place[0] ^= 1;
	OK(f->C_DecryptMessage(h, v->p, v->size, aad, a, out, n, in, &length));
	same("a decrypted message", in, length, v->plain);
}

static void in_parts(CK_SESSION_HANDLE h, const struct vector *v)
{
	CK_BYTE aad[64], in[128], out[128], back[128], tag[16];
	CK_ULONG a = unhex(v->aad, aad), n = unhex(v->plain, in), t = unhex(v->tag, tag), length = sizeof out;
	memset(v->place, 0, t);
	OK(f->C_EncryptMessageBegin(h, v->p, v->size, aad, a));
	WANT(CKR_OPERATION_ACTIVE, f->C_EncryptMessageBegin(h, v->p, v->size, aad, a));
	OK(f->C_EncryptMessageNext(h, v->p, v->size, in, 1, out, &length, 0));
	length = sizeof out;
	OK(f->C_EncryptMessageNext(h, v->p, v->size, in + 1, n - 1, out, &length, CKF_END_OF_MESSAGE));
	same("a message in parts", out, length, v->enc);
	same("its tag", v->place, t, v->tag);
	OK(f->C_DecryptMessageBegin(h, v->p, v->size, aad, a));
	OK(f->C_DecryptMessageNext(h, v->p, v->size, out, n - 1, back, &length, 0));
	if (length != 0)
		FAIL("%lu bytes before the tag was verified", length);
	length = sizeof back;
	OK(f->C_DecryptMessageNext(h, v->p, v->size, out + n - 1, 1, back, &length, CKF_END_OF_MESSAGE));
	same("a message decrypted in parts", back, length, v->plain);
}

static void vector(CK_SESSION_HANDLE h, struct vector v)
{
	CK_OBJECT_HANDLE key = import(h, v.type, v.key);
	CK_MECHANISM m = {v.mechanism, NULL, 0};
	CK_ULONG n = 0;
	OK(f->C_MessageEncryptInit(h, &m, key));
	m.pParameter = v.p, m.ulParameterLen = v.size;
	OK(f->C_MessageDecryptInit(h, &m, key));
	for (int i = 0; i < 2; i++) {
		whole(h, &v);
		in_parts(h, &v);
	}
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptMessage(h, v.p, v.size - 1, NULL, 0, NULL, 0, NULL, &n));
	WANT(CKR_ARGUMENTS_BAD, f->C_EncryptMessage(h, NULL, 0, NULL, 0, NULL, 0, NULL, &n));
	OK(f->C_MessageEncryptFinal(h));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_EncryptMessageBegin(h, v.p, v.size, NULL, 0));
	OK(f->C_MessageDecryptInit(h, NULL, key));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_MessageDecryptFinal(h));
}

/* A nonce that the token makes is where the host's was; one that the host gives
 * may be where nobody can write. */
static void generated(CK_SESSION_HANDLE h)
{
	static const CK_BYTE constant[12] = "may not move";
	CK_BYTE iv[12] = "fixed", tag[16], in[4] = "text", out[4], back[4];
	CK_OBJECT_HANDLE key = import(h, 0x1f, "feffe9928665731c6d6a8f9467308308");
	CK_MECHANISM m = {CKM_AES_GCM, NULL, 0};
	CK_GCM_MESSAGE_PARAMS p = {iv, sizeof iv, 40, CKG_GENERATE_COUNTER, tag, 128};
	OK(f->C_MessageEncryptInit(h, &m, key));
	OK(f->C_MessageDecryptInit(h, &m, key));
	for (CK_BYTE i = 0; i < 3; i++) {
		CK_ULONG n = sizeof out;
		OK(f->C_EncryptMessage(h, &p, sizeof p, NULL, 0, in, sizeof in, out, &n));
		if (memcmp(iv, "fixed\0\0\0\0\0\0", 11) != 0 || iv[11] != i)
			FAIL("nonce %d is another", i);
		OK(f->C_DecryptMessage(h, &p, sizeof p, NULL, 0, out, n, back, &n));
		if (memcmp(back, in, sizeof in) != 0)
			FAIL("the message is another");
	}
	OK(f->C_MessageEncryptFinal(h));
	p.ivGenerator = CKG_GENERATE_RANDOM, p.ulIvFixedBits = 0;
	CK_BYTE before[12];
	memcpy(before, iv, sizeof iv);
	OK(f->C_MessageEncryptInit(h, &m, key));
	OK(f->C_EncryptMessageBegin(h, &p, sizeof p, NULL, 0));
	if (memcmp(before, iv, sizeof iv) == 0)
		FAIL("no nonce was made");
	OK(f->C_MessageEncryptFinal(h));
	p.pIv = (CK_BYTE_PTR)constant, p.ivGenerator = 0;
	CK_ULONG n = sizeof out;
	OK(f->C_MessageEncryptInit(h, &m, key));
	OK(f->C_EncryptMessage(h, &p, sizeof p, NULL, 0, in, sizeof in, out, &n));
	OK(f->C_DecryptMessage(h, &p, sizeof p, NULL, 0, out, n, back, &n));
	p.pTag = NULL;
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptMessage(h, &p, sizeof p, NULL, 0, in, sizeof in, out, &n));
	OK(f->C_MessageEncryptFinal(h));
	OK(f->C_MessageDecryptFinal(h));
}

static void vectors(CK_SESSION_HANDLE h)
{
	CK_BYTE iv[12], nonce[8], salt[12], tag[16];
	CK_GCM_MESSAGE_PARAMS gcm = {iv, unhex("cafebabefacedbaddecaf888", iv), 0, 0, tag, 128};
	CK_CCM_MESSAGE_PARAMS ccm = {16, nonce, unhex("1011121314151617", nonce), 0, 0, tag, 6};
	CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS chacha = {salt, unhex("070000004041424344454647", salt), tag};
	vector(h, (struct vector){CKM_AES_GCM, 0x1f, "feffe9928665731c6d6a8f9467308308", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
		"5bc94fbc3221a5db94fae95ae7121a47", &gcm, sizeof gcm, tag});
	vector(h, (struct vector){CKM_AES_CCM, 0x1f, "404142434445464748494a4b4c4d4e4f", "000102030405060708090a0b0c0d0e0f",
		"202122232425262728292a2b2c2d2e2f", "d2a1f0e051ea5f62081a7792073d593d", "1fc64fbfaccd", &ccm, sizeof ccm, tag});
	vector(h, (struct vector){CKM_CHACHA20_POLY1305, 0x33, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
		"50515253c0c1c2c3c4c5c6c7",
		"4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966204920636f756c64206f6666657220796f75206f"
		"6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e20776f756c642062652069742e",
		"d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
		"92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116",
		"1ae10b594f09e26a7e902ecbd0600691", &chacha, sizeof chacha, tag});
}

int main(int argc, char **argv)
{
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	login(h);
	vectors(h);
	generated(h);
	OK(f->C_Finalize(NULL));
	return 0;
}
