package main

// #include "cryptoki.h"
import "C"

import (
	"unsafe"

	"vtoken/p11module/remote"
	"vtoken/vtoken/ck"
)

// The functions that return lists, and C_OpenSession with its callback.

//export vtokenGetSlotList
func vtokenGetSlotList(tokenPresent C.CK_BBOOL, pSlotList C.CK_SLOT_ID_PTR, pulCount C.CK_ULONG_PTR) (rv C.CK_RV) {
	c := client()
	if c == nil {
		return notInitialized
	}
	defer recoverTo("C_GetSlotList", &rv)
	slots, err := c.GetSlotList(tokenPresent != 0)
	if err == nil {
		err = putList(pSlotList, pulCount, slots)
	}
	if t := c.Trace(); t != nil {
		t.Call("C_GetSlotList", err, remote.Number("tokenPresent", uint64(tokenPresent)), remote.Number("pulCount", uint64(*pulCount)))
	}
	return code(err)
}

//export vtokenGetMechanismList
func vtokenGetMechanismList(slotID C.CK_SLOT_ID, pMechanismList C.CK_MECHANISM_TYPE_PTR, pulCount C.CK_ULONG_PTR) (rv C.CK_RV) {
	c := client()
	if c == nil {
		return notInitialized
	}
	defer recoverTo("C_GetMechanismList", &rv)
	mechanisms, err := c.GetMechanismList(ck.SlotID(slotID))
	if err == nil {
		err = putList(pMechanismList, pulCount, mechanisms)
	}
	if t := c.Trace(); t != nil {
		t.Call("C_GetMechanismList", err, remote.Number("slotID", uint64(slotID)), remote.Number("pulCount", uint64(*pulCount)))
	}
	return code(err)
}

// putList writes a list under the convention of section 5.2: a null pointer asks
// for the number of entries.
func putList[T ~uint64, P ~*C.CK_ULONG](to P, count C.CK_ULONG_PTR, list []T) error {
	room := uint64(*count)
	*count = C.CK_ULONG(len(list))
	switch {
	case to == nil:
		return nil
	case room < uint64(len(list)):
		return ck.CKR_BUFFER_TOO_SMALL
	}
	out := unsafe.Slice((*C.CK_ULONG)(to), len(list))
	for i, v := range list {
		out[i] = C.CK_ULONG(v)
	}
	return nil
}

//export vtokenFindObjects
func vtokenFindObjects(hSession C.CK_SESSION_HANDLE, phObject C.CK_OBJECT_HANDLE_PTR, ulMaxObjectCount C.CK_ULONG, pulObjectCount C.CK_ULONG_PTR) (rv C.CK_RV) {
	c := client()
	if c == nil {
		return notInitialized
	}
	defer recoverIn("C_FindObjects", hSession, &rv)
	found, err := c.FindObjects(ck.SessionHandle(hSession), uint64(ulMaxObjectCount))
	if err == nil {
		*pulObjectCount = ulMaxObjectCount
		err = putList(phObject, pulObjectCount, found)
	}
	if t := c.Trace(); t != nil {
		t.Call("C_FindObjects", err, remote.Number("hSession", uint64(hSession)),
			remote.Number("ulMaxObjectCount", uint64(ulMaxObjectCount)), remote.Number("found", uint64(len(found))))
	}
	return code(err)
}

//export vtokenOpenSession
func vtokenOpenSession(slotID C.CK_SLOT_ID, flags C.CK_FLAGS, pApplication C.CK_VOID_PTR, notify C.CK_NOTIFY, phSession C.CK_SESSION_HANDLE_PTR) (rv C.CK_RV) {
	c := client()
	if c == nil {
		return notInitialized
	}
	defer recoverTo("C_OpenSession", &rv)
	h, err := c.OpenSession(ck.SlotID(slotID), ck.Flags(flags))
	if err == nil {
		*phSession = C.CK_SESSION_HANDLE(h)
	}
	if t := c.Trace(); t != nil {
		t.Call("C_OpenSession", err, remote.Number("slotID", uint64(slotID)), remote.Number("flags", uint64(flags)), remote.Number("phSession", uint64(h)))
	}
	return code(err)
}
