package main

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

// shapes is the vocabulary of the table.
var shapes = map[string]shape{
	"session":  {ctypes: []string{"CK_SESSION_HANDLE"}, goIn: "ck.SessionHandle({0})", trace: numberTrace},
	"slot":     {ctypes: []string{"CK_SLOT_ID"}, goIn: "ck.SlotID({0})", trace: numberTrace},
	"object":   {ctypes: []string{"CK_OBJECT_HANDLE"}, goIn: "ck.ObjectHandle({0})", trace: numberTrace},
	"flags":    {ctypes: []string{"CK_FLAGS"}, goIn: "ck.Flags({0})", trace: numberTrace},
	"user":     {ctypes: []string{"CK_USER_TYPE"}, goIn: "ck.UserType({0})", trace: numberTrace},
	"mechtype": {ctypes: []string{"CK_MECHANISM_TYPE"}, goIn: "ck.MechanismType({0})", trace: numberTrace},
	"bool":     {ctypes: []string{"CK_BBOOL"}, goIn: "{0} != 0"},

	"in": {ctypes: []string{"CK_BYTE_PTR", "CK_ULONG"}, check: badIn, goIn: "bytesAt({0}, {1})", trace: dataTrace},
	// The parameter of a message that is signed or verified, which has no form.
	"opaque": {ctypes: []string{"CK_VOID_PTR", "CK_ULONG"}, check: badIn, goIn: "memory({0}, {1})"},
	// The parameter of a message that is encrypted or decrypted, and of their Init.
	"message":     {ctypes: []string{"CK_VOID_PTR", "CK_ULONG"}, check: badPtr, goIn: "messageAt({0}, {1})", fails: true},
	"messagemech": {ctypes: []string{"CK_MECHANISM_PTR"}, goIn: "messageMechanismAt({0})", fails: true, trace: mechTrace},

	"pin":   {ctypes: []string{"CK_UTF8CHAR_PTR", "CK_ULONG"}, check: badIn, goIn: "secret.Bytes(bytesAt({0}, {1}))", trace: dataTrace},
	"label": {ctypes: []string{"CK_UTF8CHAR_PTR"}, check: badPtr, goIn: "labelAt({0})"},
	"fill":  {ctypes: []string{"CK_BYTE_PTR", "CK_ULONG"}, check: badIn, goIn: "bytesAt({0}, {1})"},
	"out": {ctypes: []string{"CK_BYTE_PTR", "CK_ULONG_PTR"}, check: "{1} == NULL", goIn: "outAt({0}, {1})",
		goOut: "*{1} = C.CK_ULONG({r})", always: true, trace: `outTrace("{0}", {0}, {1}, err)`},
	// An output that comes with the last part only; the others have no length.
	"lastout": {ctypes: []string{"CK_BYTE_PTR", "CK_ULONG_PTR"}, goIn: "lastOutAt({0}, {1})",
		goOut: "putLength({1}, {r})", always: true},

	"template": {ctypes: []string{"CK_ATTRIBUTE_PTR", "CK_ULONG"}, check: badIn, goIn: "templateAt({0}, {1})", fails: true, trace: `remote.Number("{1}", uint64({1}))`},
	"attrs":    {ctypes: []string{"CK_ATTRIBUTE_PTR", "CK_ULONG"}, check: badIn},
	"mech":     {ctypes: []string{"CK_MECHANISM_PTR"}, check: badPtr, goIn: "mechanismAt({0})", fails: true, trace: mechTrace},
	// One whose parameter is that of a message.
	"wrapmech": {ctypes: []string{"CK_MECHANISM_PTR"}, check: badPtr, goIn: "wrapMechanismAt({0})", fails: true, trace: mechTrace},
	// A null mechanism cancels the operation.
	"startmech": {ctypes: []string{"CK_MECHANISM_PTR"}, goIn: "mechanismAt({0})", fails: true, trace: mechTrace},

	"newobject": {ctypes: []string{"CK_OBJECT_HANDLE_PTR"}, check: badPtr, goOut: "*{0} = C.CK_OBJECT_HANDLE({r})", trace: resultTrace},
	// A key that comes with a ciphertext: who asks for the length of that gets none.
	"newencapsulated": {ctypes: []string{"CK_OBJECT_HANDLE_PTR"}, check: "{0} == NULL && pCiphertext != NULL", goOut: "putObject({0}, {r})", trace: resultTrace},
	"newsession":      {ctypes: []string{"CK_SESSION_HANDLE_PTR"}, check: badPtr, goOut: "*{0} = C.CK_SESSION_HANDLE({r})", trace: resultTrace},
	"newslot":         {ctypes: []string{"CK_SLOT_ID_PTR"}, check: badPtr, goOut: "*{0} = C.CK_SLOT_ID({r})", trace: resultTrace},
	"size":            {ctypes: []string{"CK_ULONG_PTR"}, check: badPtr, goOut: "*{0} = C.CK_ULONG({r})", trace: resultTrace},
	"objects":         {ctypes: []string{"CK_OBJECT_HANDLE_PTR", "CK_ULONG", "CK_ULONG_PTR"}, check: "{0} == NULL || {2} == NULL"},
	"slots":           {ctypes: []string{"CK_SLOT_ID_PTR", "CK_ULONG_PTR"}, check: "{1} == NULL"},
	"mechtypes":       {ctypes: []string{"CK_MECHANISM_TYPE_PTR", "CK_ULONG_PTR"}, check: "{1} == NULL"},
	"validation":      {ctypes: []string{"CK_ULONG"}, goIn: "uint64({0})", trace: numberTrace},
	"validationflags": {ctypes: []string{"CK_ULONG_PTR"}, check: badPtr, goOut: "*{0} = C.CK_FLAGS({r})", trace: resultTrace},
	"text":            {ctypes: []string{"CK_UTF8CHAR_PTR"}, check: badPtr},
	"async":           {ctypes: []string{"CK_VOID_PTR"}, check: badPtr},
	"id":              {ctypes: []string{"CK_ULONG"}},
	"reserved":        {ctypes: []string{"CK_VOID_PTR"}},
	"callback":        {ctypes: []string{"CK_VOID_PTR", "CK_NOTIFY"}},

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
