/*
 * One-time passwords: CK_OTP_PARAMS in, CK_OTP_SIGNATURE_INFO out, with the
 * values of RFC 4226 (appendix D) and RFC 6238 (appendix B).
 */
#include "host.h"

#define CKA_CLASS 0UL
#define CKA_VALUE 0x11UL
#define CKA_KEY_TYPE 0x100UL
#define CKA_OTP_LENGTH 0x221UL
#define CKA_OTP_TIME_INTERVAL 0x222UL
#define CKA_OTP_COUNTER 0x22EUL
#define CKM_HOTP 0x291UL
#define CKR_DATA_LEN_RANGE 0x21UL
#define CKR_MECHANISM_PARAM_INVALID 0x71UL
#define CKR_BUFFER_TOO_SMALL 0x150UL
#define CKR_SIGNATURE_INVALID 0xC0UL

enum { OTP_VALUE, OTP_PIN, OTP_CHALLENGE, OTP_TIME, OTP_COUNTER, OTP_FLAGS, OTP_LENGTH };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static CK_OBJECT_HANDLE otp_key(CK_SESSION_HANDLE h, CK_ULONG digits, CK_ULONG interval)
{
	CK_ULONG class = 8, type = 0x23;
	CK_OBJECT_HANDLE key;
	CK_ATTRIBUTE t[] = {{CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type},
		{CKA_VALUE, "12345678901234567890", 20}, {CKA_OTP_LENGTH, &digits, sizeof digits},
		{CKA_OTP_TIME_INTERVAL, &interval, sizeof interval}};
	OK(f->C_CreateObject(h, t, interval ? 5 : 4, &key));
	return key;
}

static unsigned counter(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE key)
{
	CK_BYTE value[8];
	CK_ATTRIBUTE t = {CKA_OTP_COUNTER, value, sizeof value};
	OK(f->C_GetAttributeValue(h, key, &t, 1));
	return value[7];
}

/* The parameter of that type in the structure, which has to lie in the memory. */
static CK_OTP_PARAM *in(CK_BYTE *memory, CK_ULONG n, CK_ULONG type)
{
	CK_OTP_PARAMS *info = (CK_OTP_PARAMS *)memory;
	for (CK_ULONG i = 0; i < info->ulCount; i++) {
		CK_OTP_PARAM *p = &info->pParams[i];
		if ((CK_BYTE *)(p + 1) > memory + n || (CK_BYTE *)p->pValue < memory || (CK_BYTE *)p->pValue + p->ulValueLen > memory + n)
			FAIL("parameter %lu is not in the memory", i);
		if (p->type == type)
			return p;
	}
	FAIL("no parameter of type %lu", type);
}

static void is(CK_OTP_PARAM *p, const void *want, CK_ULONG n)
{
	if (p->ulValueLen != n || memcmp(p->pValue, want, n) != 0)
		FAIL("parameter %lu is %.*s", p->type, (int)p->ulValueLen, (char *)p->pValue);
}

static void plain(CK_SESSION_HANDLE h)
{
	static const char *values[] = {"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"};
	CK_OBJECT_HANDLE key = otp_key(h, 6, 0);
	CK_MECHANISM m = {CKM_HOTP, NULL, 0};
	for (unsigned i = 0; i < COUNT(values); i++) {
		CK_BYTE value[8];
		CK_ULONG n = 0;
		OK(f->C_SignInit(h, &m, key));
		OK(f->C_Sign(h, NULL, 0, NULL, &n));
		if (n != 6 || counter(h, key) != i)
			FAIL("a question answers %lu and moves the counter from %u to %u", n, i, counter(h, key));
		n = 5;
		WANT(CKR_BUFFER_TOO_SMALL, f->C_Sign(h, NULL, 0, value, &n));
		OK(f->C_Sign(h, NULL, 0, value, &n));
		if (n != 6 || memcmp(value, values[i], 6) != 0 || counter(h, key) != i + 1)
			FAIL("password %u is %.6s, then the counter is %u", i, value, counter(h, key));
		n = sizeof value;
		OK(f->C_SignInit(h, &m, key));
		WANT(CKR_DATA_LEN_RANGE, f->C_Sign(h, (CK_BYTE_PTR)"x", 1, value, &n));
	}
}

static void by_counter(CK_SESSION_HANDLE h)
{
	CK_OBJECT_HANDLE key = otp_key(h, 6, 0);
	CK_BYTE three[8] = {0, 0, 0, 0, 0, 0, 0, 3}, *memory = malloc(256);
	CK_OTP_PARAM params[] = {{OTP_COUNTER, three, sizeof three}, {OTP_PIN, "1234", 4}};
	CK_OTP_PARAMS some = {params, COUNT(params)}, none = {NULL, 0};
	CK_MECHANISM m = {CKM_HOTP, &some, sizeof some}, empty = {CKM_HOTP, &none, sizeof none};
	for (int parts = 0; parts < 2; parts++) {
		CK_ULONG n = 0, asked;
		OK(f->C_SignInit(h, parts ? &empty : &m, key));
		OK(parts ? f->C_SignFinal(h, NULL, &n) : f->C_Sign(h, NULL, 0, NULL, &n));
		asked = n;
		OK(parts ? f->C_SignFinal(h, memory, &n) : f->C_Sign(h, NULL, 0, memory, &n));
		if (n != asked)
			FAIL("the structure has %lu bytes, and %lu were asked for", n, asked);
		is(in(memory, n, OTP_VALUE), parts ? "338314" : "969429", 6);
		is(in(memory, n, OTP_COUNTER), parts ? (CK_BYTE[8]){[7] = 4} : three, 8);
	}
	CK_ULONG n = 256;
	OK(f->C_SignInit(h, &m, key)); /* the counter 3 is used */
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_Sign(h, NULL, 0, memory, &n));
	OK(f->C_VerifyInit(h, &m, key));
	OK(f->C_Verify(h, NULL, 0, (CK_BYTE_PTR)"969429", 6));
	OK(f->C_VerifyInit(h, &m, key));
	WANT(CKR_SIGNATURE_INVALID, f->C_Verify(h, NULL, 0, (CK_BYTE_PTR)"969428", 6));
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_VerifyInit(h, &empty, key));
	free(memory);
}

static void by_time(CK_SESSION_HANDLE h)
{
	CK_OBJECT_HANDLE key = otp_key(h, 6, 30);
	CK_ULONG eight = 8, nine = 9, n = 256;
	CK_BYTE *memory = malloc(n);
	CK_OTP_PARAM params[] = {{OTP_TIME, "20050318015829", 14}, {OTP_LENGTH, &eight, sizeof eight}};
	CK_OTP_PARAMS some = {params, COUNT(params)};
	CK_MECHANISM m = {CKM_HOTP, &some, sizeof some};
	OK(f->C_SignInit(h, &m, key));
	OK(f->C_Sign(h, NULL, 0, memory, &n));
	is(in(memory, n, OTP_VALUE), "07081804", 8);
	is(in(memory, n, OTP_TIME), "20050318015829", 14);
	params[1].pValue = &nine;
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(h, &m, key));
	free(memory);
}

/* What is no CK_OTP_PARAMS is refused and not read. */
static void refused(CK_SESSION_HANDLE h)
{
	CK_OBJECT_HANDLE key = otp_key(h, 6, 30);
	CK_OTP_PARAM hollow = {OTP_PIN, NULL, 4};
	CK_OTP_PARAMS bad[] = {{NULL, 1}, {&hollow, 1}, {&hollow, 1UL << 60}};
	CK_MECHANISM m = {CKM_HOTP, bad, sizeof bad[0] - 1};
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(h, &m, key));
	for (unsigned i = 0; i < COUNT(bad); i++) {
		m = (CK_MECHANISM){CKM_HOTP, &bad[i], sizeof bad[i]};
		WANT(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(h, &m, key));
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		FAIL("usage: %s MODULE", argv[0]);
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	login(h);
	plain(h);
	by_counter(h);
	by_time(h);
	refused(h);
	OK(f->C_Finalize(NULL));
	return 0;
}
