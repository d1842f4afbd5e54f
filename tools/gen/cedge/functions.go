package main

import (
	"fmt"
	"strings"
)

// function is one C_ function: its name, its parameters in the standard's
// order, and who answers it.
type function struct {
	name   string
	params []param
	answer answer
	since3 bool // in the 3.0 list only
}

// answer says where a call goes after the arguments were checked.
type answer int

const (
	toGo        answer = iota // the Go edge, generated
	toGoByHand                // the Go edge, whose body is written by hand
	byHand                    // the whole C function is written by hand
	unsupported               // CKR_FUNCTION_NOT_SUPPORTED
	notParallel               // CKR_FUNCTION_NOT_PARALLEL
)

// param is one or two C parameters that mean one thing.
type param struct {
	kind  string
	names []string
}

// shape is what a kind of parameter is in C and in Go. In check, goIn and goOut
// {0} and {1} stand for the names of the C parameters.
type shape struct {
	ctypes []string
	// check is the C condition under which the argument is bad.
	check string
	// goIn is the Go expression of the value handed to the remote client, empty
	// for what is only an output. With fails it returns an error too.
	goIn  string
	fails bool
	// goOut is the Go statement that stores the result {r}, empty for inputs. It
	// runs where the call succeeded; with always it runs where the code is
	// CKR_BUFFER_TOO_SMALL too.
	goOut  string
	always bool
	// trace is the Go expression of the argument in a trace, empty for what is
	// not worth a place there.
	trace string
}

// shapes is the vocabulary of the table below.
var shapes = map[string]shape{
	"session":  {ctypes: []string{"CK_SESSION_HANDLE"}, goIn: "ck.SessionHandle({0})", trace: numberTrace},
	"slot":     {ctypes: []string{"CK_SLOT_ID"}, goIn: "ck.SlotID({0})", trace: numberTrace},
	"object":   {ctypes: []string{"CK_OBJECT_HANDLE"}, goIn: "ck.ObjectHandle({0})", trace: numberTrace},
	"flags":    {ctypes: []string{"CK_FLAGS"}, goIn: "ck.Flags({0})", trace: numberTrace},
	"user":     {ctypes: []string{"CK_USER_TYPE"}, goIn: "ck.UserType({0})", trace: numberTrace},
	"mechtype": {ctypes: []string{"CK_MECHANISM_TYPE"}, goIn: "ck.MechanismType({0})", trace: numberTrace},
	"bool":     {ctypes: []string{"CK_BBOOL"}, goIn: "{0} != 0"},

	"in":     {ctypes: []string{"CK_BYTE_PTR", "CK_ULONG"}, check: badIn, goIn: "bytesAt({0}, {1})", trace: dataTrace},
	"opaque": {ctypes: []string{"CK_VOID_PTR", "CK_ULONG"}, check: badIn},
	"pin":    {ctypes: []string{"CK_UTF8CHAR_PTR", "CK_ULONG"}, check: badIn, goIn: "secret.Bytes(bytesAt({0}, {1}))", trace: dataTrace},
	"label":  {ctypes: []string{"CK_UTF8CHAR_PTR"}, check: badPtr, goIn: "labelAt({0})"},
	"fill":   {ctypes: []string{"CK_BYTE_PTR", "CK_ULONG"}, check: badIn, goIn: "bytesAt({0}, {1})"},
	"out": {ctypes: []string{"CK_BYTE_PTR", "CK_ULONG_PTR"}, check: "{1} == NULL", goIn: "outAt({0}, {1})",
		goOut: "*{1} = C.CK_ULONG({r})", always: true, trace: `outTrace("{0}", {0}, {1}, err)`},

	"template": {ctypes: []string{"CK_ATTRIBUTE_PTR", "CK_ULONG"}, check: badIn, goIn: "templateAt({0}, {1})", fails: true, trace: `remote.Number("{1}", uint64({1}))`},
	"attrs":    {ctypes: []string{"CK_ATTRIBUTE_PTR", "CK_ULONG"}, check: badIn},
	"mech":     {ctypes: []string{"CK_MECHANISM_PTR"}, check: badPtr, goIn: "mechanismAt({0})", fails: true, trace: mechTrace},
	// A null mechanism cancels the operation.
	"startmech": {ctypes: []string{"CK_MECHANISM_PTR"}, goIn: "mechanismAt({0})", fails: true, trace: mechTrace},

	"newobject":  {ctypes: []string{"CK_OBJECT_HANDLE_PTR"}, check: badPtr, goOut: "*{0} = C.CK_OBJECT_HANDLE({r})", trace: resultTrace},
	"newsession": {ctypes: []string{"CK_SESSION_HANDLE_PTR"}, check: badPtr, goOut: "*{0} = C.CK_SESSION_HANDLE({r})", trace: resultTrace},
	"newslot":    {ctypes: []string{"CK_SLOT_ID_PTR"}, check: badPtr, goOut: "*{0} = C.CK_SLOT_ID({r})", trace: resultTrace},
	"size":       {ctypes: []string{"CK_ULONG_PTR"}, check: badPtr, goOut: "*{0} = C.CK_ULONG({r})", trace: resultTrace},
	"objects":    {ctypes: []string{"CK_OBJECT_HANDLE_PTR", "CK_ULONG", "CK_ULONG_PTR"}, check: "{0} == NULL || {2} == NULL"},
	"slots":      {ctypes: []string{"CK_SLOT_ID_PTR", "CK_ULONG_PTR"}, check: "{1} == NULL"},
	"mechtypes":  {ctypes: []string{"CK_MECHANISM_TYPE_PTR", "CK_ULONG_PTR"}, check: "{1} == NULL"},
	"reserved":   {ctypes: []string{"CK_VOID_PTR"}},
	"callback":   {ctypes: []string{"CK_VOID_PTR", "CK_NOTIFY"}},

	"info":        {ctypes: []string{"CK_INFO_PTR"}, check: badPtr, goOut: "putInfo({0}, {r})"},
	"slotinfo":    {ctypes: []string{"CK_SLOT_INFO_PTR"}, check: badPtr, goOut: "putSlotInfo({0}, {r})"},
	"tokeninfo":   {ctypes: []string{"CK_TOKEN_INFO_PTR"}, check: badPtr, goOut: "putTokenInfo({0}, {r})"},
	"sessioninfo": {ctypes: []string{"CK_SESSION_INFO_PTR"}, check: badPtr, goOut: "putSessionInfo({0}, {r})"},
	"mechinfo":    {ctypes: []string{"CK_MECHANISM_INFO_PTR"}, check: badPtr, goOut: "putMechanismInfo({0}, {r})"},

	"initargs":      {ctypes: []string{"CK_VOID_PTR"}},
	"functionlist":  {ctypes: []string{"CK_FUNCTION_LIST_PTR_PTR"}},
	"interfaces":    {ctypes: []string{"CK_INTERFACE_PTR", "CK_ULONG_PTR"}},
	"interfacename": {ctypes: []string{"CK_UTF8CHAR_PTR"}},
	"version":       {ctypes: []string{"CK_VERSION_PTR"}},
	"interface":     {ctypes: []string{"CK_INTERFACE_PTR_PTR"}},
}

const (
	badPtr = "{0} == NULL"
	badIn  = "{0} == NULL && {1} != 0"

	numberTrace = `remote.Number("{0}", uint64({0}))`
	dataTrace   = `remote.Data("{0}", bytesAt({0}, {1}))`
	resultTrace = `resultTrace("{0}", {0}, err)`
	mechTrace   = `mechanismTrace({0})`
)

// The table: every function of PKCS #11 2.40 and then those that 3.0 added, in
// the order of CK_FUNCTION_LIST and CK_FUNCTION_LIST_3_0. A line is the name,
// "@" and who answers where it is not the generated edge, and the parameters as
// kind:name or kind:name,name.
const table = `
C_Initialize @byHand initargs:pInitArgs
C_Finalize @byHand reserved:pReserved
C_GetInfo info:pInfo
C_GetFunctionList @byHand functionlist:ppFunctionList
C_GetSlotList @toGoByHand bool:tokenPresent slots:pSlotList,pulCount
C_GetSlotInfo slot:slotID slotinfo:pInfo
C_GetTokenInfo slot:slotID tokeninfo:pInfo
C_GetMechanismList @toGoByHand slot:slotID mechtypes:pMechanismList,pulCount
C_GetMechanismInfo slot:slotID mechtype:mechanism mechinfo:pInfo
C_InitToken slot:slotID pin:pPin,ulPinLen label:pLabel
C_InitPIN session:hSession pin:pPin,ulPinLen
C_SetPIN session:hSession pin:pOldPin,ulOldLen pin:pNewPin,ulNewLen
C_OpenSession @toGoByHand slot:slotID flags:flags callback:pApplication,Notify newsession:phSession
C_CloseSession session:hSession
C_CloseAllSessions slot:slotID
C_GetSessionInfo session:hSession sessioninfo:pInfo
C_GetOperationState session:hSession out:pOperationState,pulOperationStateLen
C_SetOperationState session:hSession in:pOperationState,ulOperationStateLen object:hEncryptionKey object:hAuthenticationKey
C_Login session:hSession user:userType pin:pPin,ulPinLen
C_Logout session:hSession
C_CreateObject session:hSession template:pTemplate,ulCount newobject:phObject
C_CopyObject session:hSession object:hObject template:pTemplate,ulCount newobject:phNewObject
C_DestroyObject session:hSession object:hObject
C_GetObjectSize session:hSession object:hObject size:pulSize
C_GetAttributeValue @toGoByHand session:hSession object:hObject attrs:pTemplate,ulCount
C_SetAttributeValue session:hSession object:hObject template:pTemplate,ulCount
C_FindObjectsInit session:hSession template:pTemplate,ulCount
C_FindObjects @toGoByHand session:hSession objects:phObject,ulMaxObjectCount,pulObjectCount
C_FindObjectsFinal session:hSession
C_EncryptInit session:hSession startmech:pMechanism object:hKey
C_Encrypt session:hSession in:pData,ulDataLen out:pEncryptedData,pulEncryptedDataLen
C_EncryptUpdate session:hSession in:pPart,ulPartLen out:pEncryptedPart,pulEncryptedPartLen
C_EncryptFinal session:hSession out:pLastEncryptedPart,pulLastEncryptedPartLen
C_DecryptInit session:hSession startmech:pMechanism object:hKey
C_Decrypt session:hSession in:pEncryptedData,ulEncryptedDataLen out:pData,pulDataLen
C_DecryptUpdate session:hSession in:pEncryptedPart,ulEncryptedPartLen out:pPart,pulPartLen
C_DecryptFinal session:hSession out:pLastPart,pulLastPartLen
C_DigestInit session:hSession startmech:pMechanism
C_Digest session:hSession in:pData,ulDataLen out:pDigest,pulDigestLen
C_DigestUpdate session:hSession in:pPart,ulPartLen
C_DigestKey session:hSession object:hKey
C_DigestFinal session:hSession out:pDigest,pulDigestLen
C_SignInit session:hSession startmech:pMechanism object:hKey
C_Sign session:hSession in:pData,ulDataLen out:pSignature,pulSignatureLen
C_SignUpdate session:hSession in:pPart,ulPartLen
C_SignFinal session:hSession out:pSignature,pulSignatureLen
C_SignRecoverInit session:hSession startmech:pMechanism object:hKey
C_SignRecover session:hSession in:pData,ulDataLen out:pSignature,pulSignatureLen
C_VerifyInit session:hSession startmech:pMechanism object:hKey
C_Verify session:hSession in:pData,ulDataLen in:pSignature,ulSignatureLen
C_VerifyUpdate session:hSession in:pPart,ulPartLen
C_VerifyFinal session:hSession in:pSignature,ulSignatureLen
C_VerifyRecoverInit session:hSession startmech:pMechanism object:hKey
C_VerifyRecover session:hSession in:pSignature,ulSignatureLen out:pData,pulDataLen
C_DigestEncryptUpdate session:hSession in:pPart,ulPartLen out:pEncryptedPart,pulEncryptedPartLen
C_DecryptDigestUpdate session:hSession in:pEncryptedPart,ulEncryptedPartLen out:pPart,pulPartLen
C_SignEncryptUpdate session:hSession in:pPart,ulPartLen out:pEncryptedPart,pulEncryptedPartLen
C_DecryptVerifyUpdate session:hSession in:pEncryptedPart,ulEncryptedPartLen out:pPart,pulPartLen
C_GenerateKey session:hSession mech:pMechanism template:pTemplate,ulCount newobject:phKey
C_GenerateKeyPair session:hSession mech:pMechanism template:pPublicKeyTemplate,ulPublicKeyAttributeCount template:pPrivateKeyTemplate,ulPrivateKeyAttributeCount newobject:phPublicKey newobject:phPrivateKey
C_WrapKey session:hSession mech:pMechanism object:hWrappingKey object:hKey out:pWrappedKey,pulWrappedKeyLen
C_UnwrapKey session:hSession mech:pMechanism object:hUnwrappingKey in:pWrappedKey,ulWrappedKeyLen template:pTemplate,ulAttributeCount newobject:phKey
C_DeriveKey session:hSession mech:pMechanism object:hBaseKey template:pTemplate,ulAttributeCount newobject:phKey
C_SeedRandom session:hSession in:pSeed,ulSeedLen
C_GenerateRandom session:hSession fill:RandomData,ulRandomLen
C_GetFunctionStatus @notParallel session:hSession
C_CancelFunction @notParallel session:hSession
C_WaitForSlotEvent flags:flags newslot:pSlot reserved:pReserved
-- 3.0
C_GetInterfaceList @byHand interfaces:pInterfacesList,pulCount
C_GetInterface @byHand interfacename:pInterfaceName version:pVersion interface:ppInterface flags:flags
C_LoginUser session:hSession user:userType pin:pPin,ulPinLen pin:pUsername,ulUsernameLen
C_SessionCancel session:hSession flags:flags
C_MessageEncryptInit @unsupported session:hSession mech:pMechanism object:hKey
C_EncryptMessage @unsupported session:hSession opaque:pParameter,ulParameterLen in:pAssociatedData,ulAssociatedDataLen in:pPlaintext,ulPlaintextLen out:pCiphertext,pulCiphertextLen
C_EncryptMessageBegin @unsupported session:hSession opaque:pParameter,ulParameterLen in:pAssociatedData,ulAssociatedDataLen
C_EncryptMessageNext @unsupported session:hSession opaque:pParameter,ulParameterLen in:pPlaintextPart,ulPlaintextPartLen out:pCiphertextPart,pulCiphertextPartLen flags:flags
C_MessageEncryptFinal @unsupported session:hSession
C_MessageDecryptInit @unsupported session:hSession mech:pMechanism object:hKey
C_DecryptMessage @unsupported session:hSession opaque:pParameter,ulParameterLen in:pAssociatedData,ulAssociatedDataLen in:pCiphertext,ulCiphertextLen out:pPlaintext,pulPlaintextLen
C_DecryptMessageBegin @unsupported session:hSession opaque:pParameter,ulParameterLen in:pAssociatedData,ulAssociatedDataLen
C_DecryptMessageNext @unsupported session:hSession opaque:pParameter,ulParameterLen in:pCiphertextPart,ulCiphertextPartLen out:pPlaintextPart,pulPlaintextPartLen flags:flags
C_MessageDecryptFinal @unsupported session:hSession
C_MessageSignInit @unsupported session:hSession mech:pMechanism object:hKey
C_SignMessage @unsupported session:hSession opaque:pParameter,ulParameterLen in:pData,ulDataLen out:pSignature,pulSignatureLen
C_SignMessageBegin @unsupported session:hSession opaque:pParameter,ulParameterLen
C_SignMessageNext @unsupported session:hSession opaque:pParameter,ulParameterLen in:pData,ulDataLen out:pSignature,pulSignatureLen
C_MessageSignFinal @unsupported session:hSession
C_MessageVerifyInit @unsupported session:hSession mech:pMechanism object:hKey
C_VerifyMessage @unsupported session:hSession opaque:pParameter,ulParameterLen in:pData,ulDataLen in:pSignature,ulSignatureLen
C_VerifyMessageBegin @unsupported session:hSession opaque:pParameter,ulParameterLen
C_VerifyMessageNext @unsupported session:hSession opaque:pParameter,ulParameterLen in:pData,ulDataLen in:pSignature,ulSignatureLen
C_MessageVerifyFinal @unsupported session:hSession
`

var answers = map[string]answer{
	"@toGoByHand": toGoByHand, "@byHand": byHand, "@unsupported": unsupported, "@notParallel": notParallel,
}

// functions parses the table.
func functions() ([]function, error) {
	var list []function
	since3 := false
	for line := range strings.Lines(strings.TrimSpace(table)) {
		fields := strings.Fields(line)
		if fields[0] == "--" {
			since3 = true
			continue
		}
		f := function{name: fields[0], since3: since3}
		for _, field := range fields[1:] {
			if err := f.add(field); err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
		}
		list = append(list, f)
	}
	return list, nil
}

func (f *function) add(field string) error {
	if a, ok := answers[field]; ok {
		f.answer = a
		return nil
	}
	kind, names, _ := strings.Cut(field, ":")
	p := param{kind, strings.Split(names, ",")}
	if s, ok := shapes[kind]; !ok || len(s.ctypes) != len(p.names) {
		return fmt.Errorf("%q is no parameter: unknown kind or wrong number of names", field)
	}
	f.params = append(f.params, p)
	return nil
}

// fill puts the names of p into a text of its shape.
func (p param) fill(text string) string {
	for i, name := range p.names {
		text = strings.ReplaceAll(text, fmt.Sprintf("{%d}", i), name)
	}
	return text
}

// goName is the name of the function on the remote client: C_Sign is Sign.
func (f function) goName() string { return strings.TrimPrefix(f.name, "C_") }

// exported is the name of the Go function that the C front calls.
func (f function) exported() string { return "vtoken" + f.goName() }
