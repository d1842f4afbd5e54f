package remote

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// What is sent again where the connection was lost and no answer came. What the daemon
// certainly did not get whole is sent again whatever it is: nothing of it was written, or
// the kernel says that the daemon closed the connection with the end of it unread
// (ECONNRESET). Else the daemon may have done it, and the row of the call decides:
//
//	always     doing it twice is doing it once
//	restarted  only where the daemon was started again, and what it did went with it
//	never      the call answers CKR_DEVICE_REMOVED, and says that it may have been done
//
// A daemon that did not answer in time gets nothing again: it still may.
type again uint8

const (
	never again = iota
	restarted
	always
)

// resending is a row of the table: whether a call is sent again, and why.
type resending struct {
	again
	because string
}

const (
	reads    = "it reads and changes nothing"
	starts   = "it only starts an operation; one that the lost call started is ended before"
	onePart  = "the same data give as good a result, and the operation is started again before"
	part     = "the daemon may have had the part already, and knows no more what came before it"
	makes    = "it may have made an object, and would make a second one"
	changes  = "it may have made the change, and something else may have changed it since"
	pins     = "it compares or sets a PIN, and wrong ones are counted"
	messages = "the daemon may count its nonces, and none may be used twice"
	connects = "it belongs to one connection"
)

// resend is the table.
var resend = [p11rpc.NumCalls]resending{
	p11rpc.CallGetInfo:           {always, reads},
	p11rpc.CallGetSlotList:       {always, reads},
	p11rpc.CallGetSlotInfo:       {always, reads},
	p11rpc.CallGetTokenInfo:      {always, reads},
	p11rpc.CallGetMechanismList:  {always, reads},
	p11rpc.CallGetMechanismInfo:  {always, reads},
	p11rpc.CallGetSessionInfo:    {always, reads},
	p11rpc.CallGetObjectSize:     {always, reads},
	p11rpc.CallGetAttributeValue: {always, reads},
	p11rpc.CallGetOperationState: {always, reads},
	p11rpc.CallGenerateRandom:    {always, "other random bytes are as good"},
	p11rpc.CallSeedRandom:        {always, "more of a seed does no harm"},
	p11rpc.CallWaitForSlotEvent:  {always, "it waits; what it may have missed counts as an event"},
	p11rpc.CallWrapKey:           {always, "it reads a key; each wrapping of it is as good"},
	p11rpc.CallWrapKeyAuthenticated: {
		always, "with a nonce that is given it is the same again, and else the nonce is another",
	},

	p11rpc.CallOpenSession:      {restarted, "the session that it opened is gone with the daemon, and else would stay"},
	p11rpc.CallCloseSession:     {restarted, "the session is gone with the daemon, and comes back only for this call"},
	p11rpc.CallCloseAllSessions: {always, "there is nothing left to close the second time"},
	p11rpc.CallLogout:           {always, "the second finds nobody logged in, which is what was asked for"},
	p11rpc.CallSessionCancel:    {always, "there is nothing left to cancel the second time"},

	p11rpc.CallFindObjectsInit:  {always, starts},
	p11rpc.CallFindObjects:      {always, "the search is started again, and what the host had is left out"},
	p11rpc.CallFindObjectsFinal: {always, "there is no search left the second time"},

	p11rpc.CallSignInit:          {always, starts},
	p11rpc.CallSignRecoverInit:   {always, starts},
	p11rpc.CallVerifyInit:        {always, starts},
	p11rpc.CallVerifyRecoverInit: {always, starts},
	p11rpc.CallEncryptInit:       {always, starts},
	p11rpc.CallDecryptInit:       {always, starts},
	p11rpc.CallDigestInit:        {always, starts},
	p11rpc.CallSign:              {always, onePart + "; not with a mechanism that counts"},
	p11rpc.CallSignRecover:       {always, onePart},
	p11rpc.CallVerify:            {always, onePart},
	p11rpc.CallVerifyRecover:     {always, onePart},
	p11rpc.CallEncrypt:           {always, onePart},
	p11rpc.CallDecrypt:           {always, onePart},
	p11rpc.CallDigest:            {always, onePart},

	p11rpc.CallSignUpdate:          {never, part},
	p11rpc.CallSignFinal:           {never, part},
	p11rpc.CallVerifyUpdate:        {never, part},
	p11rpc.CallVerifyFinal:         {never, part},
	p11rpc.CallEncryptUpdate:       {never, part},
	p11rpc.CallEncryptFinal:        {never, part},
	p11rpc.CallDecryptUpdate:       {never, part},
	p11rpc.CallDecryptFinal:        {never, part},
	p11rpc.CallDigestUpdate:        {never, part},
	p11rpc.CallDigestKey:           {never, part},
	p11rpc.CallDigestFinal:         {never, part},
	p11rpc.CallDigestEncryptUpdate: {never, part},
	p11rpc.CallDecryptDigestUpdate: {never, part},
	p11rpc.CallSignEncryptUpdate:   {never, part},
	p11rpc.CallDecryptVerifyUpdate: {never, part},
	p11rpc.CallSetOperationState:   {never, part},

	p11rpc.CallCreateObject:      {never, makes},
	p11rpc.CallCopyObject:        {never, makes},
	p11rpc.CallGenerateKey:       {never, makes},
	p11rpc.CallGenerateKeyPair:   {never, makes},
	p11rpc.CallUnwrapKey:         {never, makes},
	p11rpc.CallDeriveKey:         {never, makes},
	p11rpc.CallDeriveKey2:        {never, makes},
	p11rpc.CallEncapsulateKey:    {never, makes},
	p11rpc.CallDecapsulateKey:    {never, makes},
	p11rpc.CallDestroyObject:     {never, changes},
	p11rpc.CallSetAttributeValue: {never, changes},
	p11rpc.CallInitToken:         {never, changes},
	p11rpc.CallInitToken2:        {never, changes},
	p11rpc.CallInitPIN:           {never, pins},
	p11rpc.CallSetPIN:            {never, pins},
	p11rpc.CallLogin:             {never, pins},
	p11rpc.CallLoginUser:         {never, pins},

	p11rpc.CallMessageEncryptInit:   {never, messages},
	p11rpc.CallEncryptMessage:       {never, messages},
	p11rpc.CallEncryptMessage2:      {never, messages},
	p11rpc.CallEncryptMessageBegin:  {never, messages},
	p11rpc.CallEncryptMessageBegin2: {never, messages},
	p11rpc.CallEncryptMessageNext:   {never, messages},
	p11rpc.CallEncryptMessageNext2:  {never, messages},
	p11rpc.CallMessageEncryptFinal:  {never, messages},
	p11rpc.CallMessageDecryptInit:   {never, part},
	p11rpc.CallDecryptMessage:       {never, part},
	p11rpc.CallDecryptMessage2:      {never, part},
	p11rpc.CallDecryptMessageBegin:  {never, part},
	p11rpc.CallDecryptMessageBegin2: {never, part},
	p11rpc.CallDecryptMessageNext:   {never, part},
	p11rpc.CallDecryptMessageNext2:  {never, part},
	p11rpc.CallMessageDecryptFinal:  {never, part},
	p11rpc.CallMessageSignInit:      {never, part},
	p11rpc.CallSignMessage:          {never, part},
	p11rpc.CallSignMessageBegin:     {never, part},
	p11rpc.CallSignMessageNext:      {never, part},
	p11rpc.CallMessageSignFinal:     {never, part},
	p11rpc.CallMessageVerifyInit:    {never, part},
	p11rpc.CallVerifyMessage:        {never, part},
	p11rpc.CallVerifyMessageBegin:   {never, part},
	p11rpc.CallVerifyMessageNext:    {never, part},
	p11rpc.CallMessageVerifyFinal:   {never, part},

	p11rpc.CallInitialize: {never, connects},
	p11rpc.CallFinalize:   {never, connects},
	p11rpc.CallJoin:       {never, connects},
	p11rpc.CallResume:     {never, connects},

	p11rpc.CallRestoreObject: {never, connects},
}

// counts reports whether a signature with the mechanism changes its key: one-time passwords
// and stateful hash-based signatures, each of which may be made once.
func counts(t ck.MechanismType) bool {
	switch t {
	case ck.CKM_HOTP, ck.CKM_ACTI, ck.CKM_HSS, ck.CKM_XMSS, ck.CKM_XMSSMT:
		return true
	}
	return false
}
