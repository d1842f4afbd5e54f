package p11rpc

import (
	"encoding/binary"

	"vtoken/vtoken/ck"
)

// CallID is the number of a call on the wire.
type CallID uint32

// The calls of the protocol. Their numbers are fixed: protocol 0 ends with
// [CallWaitForSlotEvent], the calls of PKCS#11 3.0 and [CallInitToken2] came
// with protocol 1, [CallDeriveKey2] with protocol 2.
const (
	// CallError is the answer to a call that failed: a CK_RV and nothing else.
	// Nobody calls it.
	CallError CallID = iota
	CallInitialize
	CallFinalize
	CallGetInfo
	CallGetSlotList
	CallGetSlotInfo
	CallGetTokenInfo
	CallGetMechanismList
	CallGetMechanismInfo
	CallInitToken
	CallOpenSession
	CallCloseSession
	CallCloseAllSessions
	CallGetSessionInfo
	CallInitPIN
	CallSetPIN
	CallGetOperationState
	CallSetOperationState
	CallLogin
	CallLogout
	CallCreateObject
	CallCopyObject
	CallDestroyObject
	CallGetObjectSize
	CallGetAttributeValue
	CallSetAttributeValue
	CallFindObjectsInit
	CallFindObjects
	CallFindObjectsFinal
	CallEncryptInit
	CallEncrypt
	CallEncryptUpdate
	CallEncryptFinal
	CallDecryptInit
	CallDecrypt
	CallDecryptUpdate
	CallDecryptFinal
	CallDigestInit
	CallDigest
	CallDigestUpdate
	CallDigestKey
	CallDigestFinal
	CallSignInit
	CallSign
	CallSignUpdate
	CallSignFinal
	CallSignRecoverInit
	CallSignRecover
	CallVerifyInit
	CallVerify
	CallVerifyUpdate
	CallVerifyFinal
	CallVerifyRecoverInit
	CallVerifyRecover
	CallDigestEncryptUpdate
	CallDecryptDigestUpdate
	CallSignEncryptUpdate
	CallDecryptVerifyUpdate
	CallGenerateKey
	CallGenerateKeyPair
	CallWrapKey
	CallUnwrapKey
	CallDeriveKey
	CallSeedRandom
	CallGenerateRandom
	CallWaitForSlotEvent
	CallLoginUser
	CallSessionCancel
	CallMessageEncryptInit
	CallEncryptMessage
	CallEncryptMessageBegin
	CallEncryptMessageNext
	CallMessageEncryptFinal
	CallMessageDecryptInit
	CallDecryptMessage
	CallDecryptMessageBegin
	CallDecryptMessageNext
	CallMessageDecryptFinal
	CallMessageSignInit
	CallSignMessage
	CallSignMessageBegin
	CallSignMessageNext
	CallMessageSignFinal
	CallMessageVerifyInit
	CallVerifyMessage
	CallVerifyMessageBegin
	CallVerifyMessageNext
	CallMessageVerifyFinal
	CallInitToken2
	CallDeriveKey2
)

// The calls of [Extended]. Their numbers leave p11-kit room for its own.
const (
	CallEncapsulateKey CallID = 200 + iota
	CallDecapsulateKey
	CallEncryptMessage2
	CallEncryptMessageBegin2
	CallEncryptMessageNext2
	CallDecryptMessage2
	CallDecryptMessageBegin2
	CallDecryptMessageNext2
	CallWrapKeyAuthenticated
	// CallJoin begins a connection of [Joined]: the id of the application and its ticket,
	// answered with a [Joining]. A connection whose application is another process's, or
	// whose ticket is wrong, is CKR_ACTION_PROHIBITED.
	CallJoin
	// CallResume opens sessions that an earlier daemon had, under the same handles, and
	// gives the logins back. The answer lists the handles of those that cannot be had. An
	// error other than CKR_FUNCTION_NOT_SUPPORTED says nothing of the sessions.
	CallResume
	// CallRestoreObject makes a session object that an earlier daemon had, under the same
	// handle: session, handle, the object that it is a copy of or 0, and the template of
	// C_CopyObject or C_CreateObject.
	CallRestoreObject

	// NumCalls is one more than the largest number of a call. Some below it are
	// no calls; see [Calls].
	NumCalls
)

// Call says how a call travels.
//
// Its signatures describe the bodies of request and response, one letter for
// each value: y a byte, u a CK_ULONG, v a CK_VERSION, s a blank-padded text, z a
// zero-terminated text, M a CK_MECHANISM, P an update of its parameter, A a
// CK_ATTRIBUTE; a before a letter makes an array of it and f a buffer to be
// filled, of which only the size travels.
type Call struct {
	ID       CallID
	Name     string // as in the standard, such as "C_Sign"
	Request  string // signature of the request
	Response string // signature of the response
}

// calls is the whole protocol; codec, server and client are driven by it.
var calls = [NumCalls]Call{
	{CallError, "ERROR", "", "u"},
	{CallInitialize, "C_Initialize", "ayyay", ""},
	{CallFinalize, "C_Finalize", "", ""},
	{CallGetInfo, "C_GetInfo", "", "vsusv"},
	{CallGetSlotList, "C_GetSlotList", "yfu", "au"},
	{CallGetSlotInfo, "C_GetSlotInfo", "u", "ssuvv"},
	{CallGetTokenInfo, "C_GetTokenInfo", "u", "ssssuuuuuuuuuuuvvs"},
	{CallGetMechanismList, "C_GetMechanismList", "ufu", "au"},
	{CallGetMechanismInfo, "C_GetMechanismInfo", "uu", "uuu"},
	{CallInitToken, "C_InitToken", "uayz", ""},
	{CallOpenSession, "C_OpenSession", "uu", "u"},
	{CallCloseSession, "C_CloseSession", "u", ""},
	{CallCloseAllSessions, "C_CloseAllSessions", "u", ""},
	{CallGetSessionInfo, "C_GetSessionInfo", "u", "uuuu"},
	{CallInitPIN, "C_InitPIN", "uay", ""},
	{CallSetPIN, "C_SetPIN", "uayay", ""},
	{CallGetOperationState, "C_GetOperationState", "ufy", "ay"},
	{CallSetOperationState, "C_SetOperationState", "uayuu", ""},
	{CallLogin, "C_Login", "uuay", ""},
	{CallLogout, "C_Logout", "u", ""},
	{CallCreateObject, "C_CreateObject", "uaA", "u"},
	{CallCopyObject, "C_CopyObject", "uuaA", "u"},
	{CallDestroyObject, "C_DestroyObject", "uu", ""},
	{CallGetObjectSize, "C_GetObjectSize", "uu", "u"},
	{CallGetAttributeValue, "C_GetAttributeValue", "uufA", "aAu"},
	{CallSetAttributeValue, "C_SetAttributeValue", "uuaA", ""},
	{CallFindObjectsInit, "C_FindObjectsInit", "uaA", ""},
	{CallFindObjects, "C_FindObjects", "ufu", "au"},
	{CallFindObjectsFinal, "C_FindObjectsFinal", "u", ""},
	{CallEncryptInit, "C_EncryptInit", "uMu", ""},
	{CallEncrypt, "C_Encrypt", "uayfy", "ay"},
	{CallEncryptUpdate, "C_EncryptUpdate", "uayfy", "ay"},
	{CallEncryptFinal, "C_EncryptFinal", "ufy", "ay"},
	{CallDecryptInit, "C_DecryptInit", "uMu", ""},
	{CallDecrypt, "C_Decrypt", "uayfy", "ay"},
	{CallDecryptUpdate, "C_DecryptUpdate", "uayfy", "ay"},
	{CallDecryptFinal, "C_DecryptFinal", "ufy", "ay"},
	{CallDigestInit, "C_DigestInit", "uM", ""},
	{CallDigest, "C_Digest", "uayfy", "ay"},
	{CallDigestUpdate, "C_DigestUpdate", "uay", ""},
	{CallDigestKey, "C_DigestKey", "uu", ""},
	{CallDigestFinal, "C_DigestFinal", "ufy", "ay"},
	{CallSignInit, "C_SignInit", "uMu", ""},
	{CallSign, "C_Sign", "uayfy", "ay"},
	{CallSignUpdate, "C_SignUpdate", "uay", ""},
	{CallSignFinal, "C_SignFinal", "ufy", "ay"},
	{CallSignRecoverInit, "C_SignRecoverInit", "uMu", ""},
	{CallSignRecover, "C_SignRecover", "uayfy", "ay"},
	{CallVerifyInit, "C_VerifyInit", "uMu", ""},
	{CallVerify, "C_Verify", "uayay", ""},
	{CallVerifyUpdate, "C_VerifyUpdate", "uay", ""},
	{CallVerifyFinal, "C_VerifyFinal", "uay", ""},
	{CallVerifyRecoverInit, "C_VerifyRecoverInit", "uMu", ""},
	{CallVerifyRecover, "C_VerifyRecover", "uayfy", "ay"},
	{CallDigestEncryptUpdate, "C_DigestEncryptUpdate", "uayfy", "ay"},
	{CallDecryptDigestUpdate, "C_DecryptDigestUpdate", "uayfy", "ay"},
	{CallSignEncryptUpdate, "C_SignEncryptUpdate", "uayfy", "ay"},
	{CallDecryptVerifyUpdate, "C_DecryptVerifyUpdate", "uayfy", "ay"},
	{CallGenerateKey, "C_GenerateKey", "uMaA", "u"},
	{CallGenerateKeyPair, "C_GenerateKeyPair", "uMaAaA", "uu"},
	{CallWrapKey, "C_WrapKey", "uMuufy", "ay"},
	{CallUnwrapKey, "C_UnwrapKey", "uMuayaA", "u"},
	{CallDeriveKey, "C_DeriveKey", "uMuaA", "u"},
	{CallSeedRandom, "C_SeedRandom", "uay", ""},
	{CallGenerateRandom, "C_GenerateRandom", "ufy", "ay"},
	{CallWaitForSlotEvent, "C_WaitForSlotEvent", "u", "u"},
	{CallLoginUser, "C_LoginUser", "uuayay", ""},
	{CallSessionCancel, "C_SessionCancel", "uu", ""},
	{CallMessageEncryptInit, "C_MessageEncryptInit", "uMu", ""},
	{CallEncryptMessage, "C_EncryptMessage", "uayayayfy", "ay"},
	{CallEncryptMessageBegin, "C_EncryptMessageBegin", "uayay", ""},
	{CallEncryptMessageNext, "C_EncryptMessageNext", "uayayfyu", "ay"},
	{CallMessageEncryptFinal, "C_MessageEncryptFinal", "u", ""},
	{CallMessageDecryptInit, "C_MessageDecryptInit", "uMu", ""},
	{CallDecryptMessage, "C_DecryptMessage", "uayayayfy", "ay"},
	{CallDecryptMessageBegin, "C_DecryptMessageBegin", "uayay", ""},
	{CallDecryptMessageNext, "C_DecryptMessageNext", "uayayfyu", "ay"},
	{CallMessageDecryptFinal, "C_MessageDecryptFinal", "u", ""},
	{CallMessageSignInit, "C_MessageSignInit", "uMu", ""},
	{CallSignMessage, "C_SignMessage", "uayayfy", "ay"},
	{CallSignMessageBegin, "C_SignMessageBegin", "uay", ""},
	{CallSignMessageNext, "C_SignMessageNext", "uayayyfy", "ay"},
	{CallMessageSignFinal, "C_MessageSignFinal", "u", ""},
	{CallMessageVerifyInit, "C_MessageVerifyInit", "uMu", ""},
	{CallVerifyMessage, "C_VerifyMessage", "uayayay", ""},
	{CallVerifyMessageBegin, "C_VerifyMessageBegin", "uay", ""},
	{CallVerifyMessageNext, "C_VerifyMessageNext", "uayayay", ""},
	{CallMessageVerifyFinal, "C_MessageVerifyFinal", "u", ""},
	{CallInitToken2, "C_InitToken2", "uays", ""},
	{CallDeriveKey2, "C_DeriveKey2", "uMuaA", "uPu"},

	CallEncapsulateKey: {CallEncapsulateKey, "C_EncapsulateKey", "uMuaAfy", "ayu"},
	CallDecapsulateKey: {CallDecapsulateKey, "C_DecapsulateKey", "uMuaAay", "u"},

	// These have the parameter of a message field by field, and answer with its
	// nonce and tag. See [Encoder.Message].
	CallEncryptMessage2:      {CallEncryptMessage2, "C_EncryptMessage2", message, "ayayay"},
	CallEncryptMessageBegin2: {CallEncryptMessageBegin2, "C_EncryptMessageBegin2", message, "ayayay"},
	CallEncryptMessageNext2:  {CallEncryptMessageNext2, "C_EncryptMessageNext2", message, "ayayay"},
	CallDecryptMessage2:      {CallDecryptMessage2, "C_DecryptMessage2", message, "ayayay"},
	CallDecryptMessageBegin2: {CallDecryptMessageBegin2, "C_DecryptMessageBegin2", message, "ayayay"},
	CallDecryptMessageNext2:  {CallDecryptMessageNext2, "C_DecryptMessageNext2", message, "ayayay"},
	// Session, parameter as above, two keys, associated data, buffer. The opposite
	// is C_UnwrapKey, with the tag at the end of the wrapped key.
	CallWrapKeyAuthenticated: {CallWrapKeyAuthenticated, "C_WrapKeyAuthenticated", "uuuuuuayayuuayfy", "ayayay"},

	CallJoin:   {CallJoin, "Join", "ayay", "u"},
	CallResume: {CallResume, "Resume", "au", "au"},

	CallRestoreObject: {CallRestoreObject, "RestoreObject", "uuuaA", ""},
}

// message is the request of those: session, parameter, associated data, data,
// buffer, flags. A call that has not one of them sends it empty.
const message = "uuuuuuayayayayfyu"

// Valid reports whether id is one of the calls above.
func (id CallID) Valid() bool { return id < NumCalls && calls[id].Name != "" }

// in reports whether that version of the protocol has the call.
func (id CallID) in(version byte) bool {
	return id.Valid() && (id < CallEncapsulateKey || id < CallJoin && version == Extended || version == Joined)
}

// Calls are the calls that a client may make in that version, in the order of
// their numbers. (Some of p11-kit's came with later versions than others; that
// is for whoever calls to look after.)
func Calls(version byte) (list []CallID) {
	for id := CallInitialize; id < NumCalls; id++ {
		if id.in(version) {
			list = append(list, id)
		}
	}
	return list
}

// Describe is the table's row of id, which must be valid.
func (id CallID) Describe() Call { return calls[id] }

// String is the name of the call in the standard's spelling.
func (id CallID) String() string {
	if !id.Valid() {
		return "unknown call"
	}
	return calls[id].Name
}

// FirstIsSession reports whether the first value of the request is a session
// handle, so that the order of calls within the session matters.
func (id CallID) FirstIsSession() bool { return id.Valid() && sessionCalls[id] }

var sessionCalls = func() (is [NumCalls]bool) {
	for _, c := range calls {
		is[c.ID] = c.Request != "" && c.Request[0] == 'u'
	}
	for _, id := range []CallID{
		CallGetSlotInfo, CallGetTokenInfo, CallGetMechanismList, CallGetMechanismInfo, CallInitToken,
		CallInitToken2, CallOpenSession, CallCloseAllSessions, CallWaitForSlotEvent,
	} {
		is[id] = false
	}
	return is
}()

// Peek returns which call the body of a request is, and its session where that
// is its first value, without reading the rest. A body that is too short for
// that is NumCalls and 0.
func Peek(body []byte) (CallID, ck.SessionHandle) {
	if len(body) < 8 {
		return NumCalls, 0
	}
	call := CallID(binary.BigEndian.Uint32(body))
	if !call.FirstIsSession() {
		return min(call, NumCalls), 0
	}
	rest := body[8:]
	n := uint64(binary.BigEndian.Uint32(body[4:]))
	if uint64(len(rest)) < n+8 {
		return NumCalls, 0
	}
	return call, ck.SessionHandle(binary.BigEndian.Uint64(rest[n:]))
}
