/*
 * The three functions by which a host finds the others (sections 5.4.4-5.4.6).
 * They work at any time, in a forked child too, and never enter Go.
 */
#include <string.h>

#include "cryptoki.h"
#include "front.h"

static CK_UTF8CHAR name[] = "PKCS 11";

/*
 * The default of C_GetInterface first. It is 3.0, which those expect who name no
 * version: OpenSC's spy records no newer one. Who needs a function of 3.2 asks
 * for it. In memory that can be written: the spy puts its own function list into
 * the one that it gets, and would crash.
 */
static CK_INTERFACE interfaces[] = {
	{name, (CK_VOID_PTR)&front_list_3_0, CKF_INTERFACE_FORK_SAFE},
	{name, (CK_VOID_PTR)&front_list_3_2, CKF_INTERFACE_FORK_SAFE},
	{name, (CK_VOID_PTR)&front_list_2_40, CKF_INTERFACE_FORK_SAFE},
};

#define COUNT (sizeof interfaces / sizeof interfaces[0])

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR ppFunctionList)
{
	if (ppFunctionList == NULL)
		return CKR_ARGUMENTS_BAD;
	*ppFunctionList = (CK_FUNCTION_LIST_PTR)&front_list_2_40;
	return CKR_OK;
}

CK_RV C_GetInterfaceList(CK_INTERFACE_PTR pInterfacesList, CK_ULONG_PTR pulCount)
{
	if (pulCount == NULL)
		return CKR_ARGUMENTS_BAD;
	CK_ULONG room = *pulCount;
	*pulCount = COUNT;
	if (pInterfacesList == NULL)
		return CKR_OK;
	if (room < COUNT)
		return CKR_BUFFER_TOO_SMALL;
	memcpy(pInterfacesList, interfaces, sizeof interfaces);
	return CKR_OK;
}

/* Whether an interface is what the caller asks for; NULL and 0 ask for nothing. */
static int fits(const CK_INTERFACE *have, const CK_UTF8CHAR *want, const CK_VERSION *version, CK_FLAGS flags)
{
	const CK_VERSION *v = have->pFunctionList;
	if (want != NULL && strcmp((const char *)want, (const char *)have->pInterfaceName) != 0)
		return 0;
	if (version != NULL && (version->major != v->major || version->minor != v->minor))
		return 0;
	return (have->flags & flags) == flags;
}

CK_RV C_GetInterface(CK_UTF8CHAR_PTR pInterfaceName, CK_VERSION_PTR pVersion, CK_INTERFACE_PTR_PTR ppInterface, CK_FLAGS flags)
{
	if (ppInterface == NULL)
		return CKR_ARGUMENTS_BAD;
	if (pInterfaceName != NULL && strcmp((const char *)pInterfaceName, INTERFACE_HAD_DAEMON) == 0)
		front_note_daemon(); /* there is no such interface */
	for (size_t i = 0; i < COUNT; i++) {
		if (fits(&interfaces[i], pInterfaceName, pVersion, flags)) {
			*ppInterface = (CK_INTERFACE_PTR)&interfaces[i];
			return CKR_OK;
		}
	}
	return CKR_FUNCTION_FAILED;
}
