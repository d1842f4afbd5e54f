/*
 * Values of every kind there and back: numbers, booleans, dates, lists of
 * mechanisms, templates in templates, bytes; and the rules of
 * C_GetAttributeValue (section 5.7.5): lengths, short buffers, what is sensitive
 * and what an object has not.
 */
#include "host.h"

#define CKA_CLASS 0UL
#define CKA_TOKEN 1UL
#define CKA_LABEL 3UL
#define CKA_VALUE 0x11UL
#define CKA_KEY_TYPE 0x100UL
#define CKA_SENSITIVE 0x103UL
#define CKA_START_DATE 0x110UL
#define CKA_MODULUS 0x120UL
#define CKA_VALUE_LEN 0x161UL
#define CKA_ALLOWED_MECHANISMS 0x40000600UL
#define CKA_ID 0x102UL
#define CKA_WRAP_TEMPLATE 0x40000211UL
#define CKA_UNWRAP_TEMPLATE 0x40000212UL
#define CKA_DERIVE_TEMPLATE 0x40000213UL
#define CKM_AES_KEY_GEN 0x1080UL
#define CKR_ATTRIBUTE_SENSITIVE 0x11UL
#define CKR_ATTRIBUTE_TYPE_INVALID 0x12UL
#define CKR_MECHANISM_PARAM_INVALID 0x71UL

static CK_BBOOL yes = 1, no = 0;
static CK_ULONG aes = 0x1f, secret = 4, length = 32;
static CK_MECHANISM_TYPE allowed[] = {0x1081 /* ECB */, 0x1087 /* GCM */};
static CK_ATTRIBUTE wrap[] = {{CKA_KEY_TYPE, &aes, sizeof aes}, {CKA_SENSITIVE, &yes, sizeof yes}};

static CK_OBJECT_HANDLE make_key(CK_SESSION_HANDLE h)
{
	CK_ATTRIBUTE t[] = {
		{CKA_CLASS, &secret, sizeof secret},
		{CKA_KEY_TYPE, &aes, sizeof aes},
		{CKA_TOKEN, &no, sizeof no},
		{CKA_SENSITIVE, &yes, sizeof yes},
		{CKA_VALUE_LEN, &length, sizeof length},
		{CKA_LABEL, "attributes", 10},
		{CKA_START_DATE, "20260131", 8},
		{CKA_ALLOWED_MECHANISMS, allowed, sizeof allowed},
		{CKA_WRAP_TEMPLATE, wrap, sizeof wrap},
	};
	CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
	CK_OBJECT_HANDLE key;
	OK(f->C_GenerateKey(h, &m, t, sizeof t / sizeof t[0], &key));
	return key;
}

static void same(const char *what, CK_ATTRIBUTE *a, const void *want, CK_ULONG n)
{
	if (a->ulValueLen != n || memcmp(a->pValue, want, n) != 0)
		FAIL("%s comes back with %lu bytes that are not the %lu that were given", what, a->ulValueLen, n);
}

static void values(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE key)
{
	CK_ULONG class, n;
	CK_BBOOL token;
	char label[32], date[8];
	CK_MECHANISM_TYPE list[8];
	CK_ATTRIBUTE t[] = {
		{CKA_CLASS, &class, sizeof class}, {CKA_TOKEN, &token, sizeof token}, {CKA_LABEL, label, sizeof label},
		{CKA_START_DATE, date, sizeof date}, {CKA_ALLOWED_MECHANISMS, list, sizeof list}, {CKA_VALUE_LEN, &n, sizeof n},
	};
	OK(f->C_GetAttributeValue(h, key, t, 6));
	same("CKA_CLASS", &t[0], &secret, sizeof secret);
	same("CKA_TOKEN", &t[1], &no, sizeof no);
	same("CKA_LABEL", &t[2], "attributes", 10);
	same("CKA_START_DATE", &t[3], "20260131", 8);
	same("CKA_ALLOWED_MECHANISMS", &t[4], allowed, sizeof allowed);
	same("CKA_VALUE_LEN", &t[5], &length, sizeof length);
}

/* A template in a template: its length, then the lengths of its values, then they. */
static void nested(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE key)
{
	CK_ATTRIBUTE inner[2] = {{0}};
	CK_ATTRIBUTE t = {CKA_WRAP_TEMPLATE, NULL, 0};
	CK_ULONG type;
	CK_BBOOL sensitive = 0;
	OK(f->C_GetAttributeValue(h, key, &t, 1));
	if (t.ulValueLen != sizeof inner)
		FAIL("a template of 2 takes %lu bytes", t.ulValueLen);
	t.pValue = inner;
	OK(f->C_GetAttributeValue(h, key, &t, 1));
	for (int i = 0; i < 2; i++) {
		if (inner[i].type == CKA_KEY_TYPE && inner[i].ulValueLen == sizeof type)
			inner[i].pValue = &type;
		else if (inner[i].type == CKA_SENSITIVE && inner[i].ulValueLen == sizeof sensitive)
			inner[i].pValue = &sensitive;
		else
			FAIL("entry %d has type %lx and length %lu", i, inner[i].type, inner[i].ulValueLen);
	}
	OK(f->C_GetAttributeValue(h, key, &t, 1));
	if (type != aes || sensitive != yes)
		FAIL("the values of the template are %lu and %d", type, sensitive);
}

static void rules(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE key)
{
	char label[32], few[3];
	CK_BYTE value[64];
	CK_ULONG class;
	CK_ATTRIBUTE lengths[] = {{CKA_LABEL, NULL, 0}, {CKA_CLASS, NULL, 0}, {CKA_ALLOWED_MECHANISMS, NULL, 0}};
	OK(f->C_GetAttributeValue(h, key, lengths, 3));
	if (lengths[0].ulValueLen != 10 || lengths[1].ulValueLen != sizeof class || lengths[2].ulValueLen != sizeof allowed)
		FAIL("lengths are %lu, %lu and %lu", lengths[0].ulValueLen, lengths[1].ulValueLen, lengths[2].ulValueLen);

	/* What is good is told although something else is not. */
	CK_ATTRIBUTE sensitive[] = {{CKA_LABEL, label, sizeof label}, {CKA_VALUE, value, sizeof value}, {CKA_CLASS, &class, sizeof class}};
	WANT(CKR_ATTRIBUTE_SENSITIVE, f->C_GetAttributeValue(h, key, sensitive, 3));
	same("CKA_LABEL", &sensitive[0], "attributes", 10);
	same("CKA_CLASS", &sensitive[2], &secret, sizeof secret);
	if (sensitive[1].ulValueLen != CK_UNAVAILABLE_INFORMATION)
		FAIL("a sensitive value has the length %lu", sensitive[1].ulValueLen);
	CK_ATTRIBUTE has_not[] = {{CKA_MODULUS, value, sizeof value}, {CKA_LABEL, label, sizeof label}};
	WANT(CKR_ATTRIBUTE_TYPE_INVALID, f->C_GetAttributeValue(h, key, has_not, 2));
	if (has_not[0].ulValueLen != CK_UNAVAILABLE_INFORMATION)
		FAIL("what an object has not has the length %lu", has_not[0].ulValueLen);
	same("CKA_LABEL", &has_not[1], "attributes", 10);
	CK_ATTRIBUTE small[] = {{CKA_LABEL, few, sizeof few}, {CKA_CLASS, &class, sizeof class}};
	memset(few, '-', sizeof few);
	WANT(CKR_BUFFER_TOO_SMALL, f->C_GetAttributeValue(h, key, small, 2));
	same("CKA_CLASS", &small[1], &secret, sizeof secret);
	if (memcmp(few, "---", 3) != 0)
		FAIL("a buffer that is too short was written to");
}

static CK_ULONG found(CK_SESSION_HANDLE h, CK_ATTRIBUTE *t, CK_ULONG n)
{
	CK_OBJECT_HANDLE objects[4];
	CK_ULONG count;
	OK(f->C_FindObjectsInit(h, t, n));
	OK(f->C_FindObjects(h, objects, 4, &count));
	OK(f->C_FindObjectsFinal(h));
	return count;
}

static void finds(CK_SESSION_HANDLE h)
{
	CK_ATTRIBUTE t[] = {{CKA_LABEL, "attributes", 10}, {CKA_VALUE_LEN, &length, sizeof length},
			    {CKA_ALLOWED_MECHANISMS, allowed, sizeof allowed}};
	if (found(h, t, 3) != 1)
		FAIL("the key is not found by its attributes");
	CK_ULONG other = 16;
	t[1].pValue = &other;
	if (found(h, t, 3) != 0)
		FAIL("a key is found by a length that it has not");
}

/* A length query runs nothing, a short buffer leaves the operation alive. */
static void lengths(CK_SESSION_HANDLE h)
{
	CK_OBJECT_HANDLE key;
	CK_ATTRIBUTE t[] = {{CKA_VALUE_LEN, &length, sizeof length}};
	CK_MECHANISM generate = {CKM_AES_KEY_GEN, NULL, 0};
	CK_BYTE iv[16] = {1}, in[16] = {2}, out[32], back[32];
	CK_MECHANISM cbc = {0x1082, iv, sizeof iv};
	CK_ULONG n = 0;
	OK(f->C_GenerateKey(h, &generate, t, 1, &key));
	OK(f->C_EncryptInit(h, &cbc, key));
	OK(f->C_Encrypt(h, in, sizeof in, NULL, &n));
	if (n != sizeof in)
		FAIL("one block takes %lu bytes", n);
	n = 3;
	WANT(CKR_BUFFER_TOO_SMALL, f->C_Encrypt(h, in, sizeof in, out, &n));
	if (n != sizeof in)
		FAIL("after a short buffer one block takes %lu bytes", n);
	OK(f->C_Encrypt(h, in, sizeof in, out, &n));
	OK(f->C_DecryptInit(h, &cbc, key));
	CK_ULONG m = sizeof back;
	OK(f->C_Decrypt(h, out, n, back, &m));
	if (m != sizeof in || memcmp(back, in, m) != 0)
		FAIL("decryption gives another text");
	cbc.pParameter = NULL;
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptInit(h, &cbc, key));
}

/* What a key has not got is empty, as bytes, as a list and as a template: asked for by length and
 * with memory, and searched for. */
static void empty(CK_SESSION_HANDLE h)
{
	static const CK_ATTRIBUTE_TYPE types[] = {
		CKA_ALLOWED_MECHANISMS, CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE, CKA_ID, CKA_START_DATE,
	};
	CK_OBJECT_HANDLE key;
	CK_MECHANISM generate = {CKM_AES_KEY_GEN, NULL, 0};
	CK_ATTRIBUTE t[] = {{CKA_VALUE_LEN, &length, sizeof length}, {CKA_VALUE_LEN, &length, sizeof length},
			    {CKA_LABEL, "empty", 5}};
	OK(f->C_GenerateKey(h, &generate, t, 3, &key));
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		CK_ATTRIBUTE inner[2] = {{0}};
		CK_ATTRIBUTE a = {types[i], NULL, 99};
		OK(f->C_GetAttributeValue(h, key, &a, 1));
		if (a.ulValueLen != 0)
			FAIL("attribute %lx of a key without it has the length %lu", types[i], a.ulValueLen);
		a.pValue = inner;
		a.ulValueLen = sizeof inner;
		OK(f->C_GetAttributeValue(h, key, &a, 1));
		if (a.ulValueLen != 0 || inner[0].type != 0)
			FAIL("attribute %lx of a key without it has %lu bytes", types[i], a.ulValueLen);
		CK_ATTRIBUTE search[] = {{CKA_LABEL, "empty", 5}, {types[i], NULL, 0}};
		if (found(h, search, 2) != 1)
			FAIL("a key without attribute %lx is not found by that", types[i]);
	}
}

/* The parameters that are structures. */
static void structures(CK_SESSION_HANDLE h)
{
	CK_OBJECT_HANDLE key;
	CK_ATTRIBUTE t[] = {{CKA_VALUE_LEN, &length, sizeof length}};
	CK_MECHANISM generate = {CKM_AES_KEY_GEN, NULL, 0};
	CK_BYTE iv[12] = {1}, aad[5] = {3}, in[20] = {2}, out[64], back[64];
	CK_GCM_PARAMS gcm = {iv, sizeof iv, 95 /* counts for nothing */, aad, sizeof aad, 128};
	GCM_PARAMS_OLD old = {iv, sizeof iv, aad, sizeof aad, 128};
	CK_AES_CTR_PARAMS ctr = {128, {9}};
	CK_MECHANISM ms[] = {{0x1087, &gcm, sizeof gcm}, {0x1087, &old, sizeof old}, {0x1086, &ctr, sizeof ctr}};
	OK(f->C_GenerateKey(h, &generate, t, 1, &key));
	for (int i = 0; i < 3; i++) {
		CK_ULONG n = sizeof out, m = sizeof back;
		OK(f->C_EncryptInit(h, &ms[i], key));
		OK(f->C_Encrypt(h, in, sizeof in, out, &n));
		OK(f->C_DecryptInit(h, &ms[i], key));
		OK(f->C_Decrypt(h, out, n, back, &m));
		if (m != sizeof in || memcmp(back, in, m) != 0)
			FAIL("mechanism %lx decrypts to another text", ms[i].mechanism);
	}
	ms[0].ulParameterLen--;
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptInit(h, &ms[0], key));
	old.pIv = NULL;
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptInit(h, &ms[1], key));
}

int main(int argc, char **argv)
{
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	login(h);
	CK_OBJECT_HANDLE key = make_key(h);
	values(h, key);
	nested(h, key);
	rules(h, key);
	finds(h);
	lengths(h);
	empty(h);
	structures(h);
	OK(f->C_Finalize(NULL));
	return 0;
}
