package p11server

import (
	"context"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/p11rpc"
)

// request is a running call: its arguments, its answer, and its application.
type request struct {
	*p11rpc.Decoder
	out    *p11rpc.Encoder
	client Client
	app    *application    // the client's
	ctx    context.Context // ends with the connection

	answers *answers     // that out is of
	purse   *meter.Purse // of the connection
}

// handler runs one call: it reads the arguments, calls Done, calls the client, and writes the
// results. If it returns an error, it has written nothing.
type handler func(r *request) error

// route is the row of one call in the table.
type route struct {
	run handler
	// slow marks calls that may take long by their nature (they wait, also for computations
	// with a key that they wipe, write to the disk, hash a PIN or make a key). Other calls on
	// the connection do not wait for them.
	slow bool
	// byKey marks calls that take long with some keys only. The engine tells for which
	// sessions (Client.OnSlow).
	byKey bool
	// secret marks calls that handle PINs and keys in Go: they run on a stack that is cleared
	// (secret.OnOwnStack).
	secret bool
}

// routes are the calls that are served. A call without a row answers
// CKR_FUNCTION_NOT_SUPPORTED. C_Initialize and C_Finalize are handled by the connection.
var routes = [p11rpc.NumCalls]route{
	p11rpc.CallGetInfo:          {run: getInfo},
	p11rpc.CallGetSlotList:      {run: getSlotList},
	p11rpc.CallGetSlotInfo:      {run: getSlotInfo},
	p11rpc.CallGetTokenInfo:     {run: getTokenInfo},
	p11rpc.CallGetMechanismList: {run: getMechanismList},
	p11rpc.CallGetMechanismInfo: {run: getMechanismInfo},
	p11rpc.CallInitToken:        {run: initToken, slow: true, secret: true},
	p11rpc.CallInitToken2:       {run: initToken2, slow: true, secret: true},
	p11rpc.CallWaitForSlotEvent: {run: waitForSlotEvent, slow: true},

	p11rpc.CallResume:            {run: resumeSessions, slow: true},
	p11rpc.CallOpenSession:       {run: openSession},
	p11rpc.CallCloseSession:      {run: onSession(Client.CloseSession)},
	p11rpc.CallCloseAllSessions:  {run: closeAllSessions, slow: true},
	p11rpc.CallGetSessionInfo:    {run: getSessionInfo},
	p11rpc.CallSessionCancel:     {run: sessionCancel},
	p11rpc.CallGetOperationState: {run: finish(Client.GetOperationState)},
	p11rpc.CallSetOperationState: {run: setOperationState},
	p11rpc.CallInitPIN:           {run: initPIN, slow: true, secret: true},
	p11rpc.CallSetPIN:            {run: setPIN, slow: true, secret: true},
	p11rpc.CallLogin:             {run: login, slow: true, secret: true},
	p11rpc.CallLoginUser:         {run: loginUser, slow: true, secret: true},
	p11rpc.CallLogout:            {run: onSession(Client.Logout), slow: true},

	p11rpc.CallCreateObject:      {run: createObject, slow: true, secret: true},
	p11rpc.CallRestoreObject:     {run: restoreObject, slow: true, secret: true},
	p11rpc.CallCopyObject:        {run: copyObject, slow: true, secret: true},
	p11rpc.CallDestroyObject:     {run: onObject(Client.DestroyObject), slow: true},
	p11rpc.CallGetObjectSize:     {run: getObjectSize},
	p11rpc.CallGetAttributeValue: {run: getAttributeValue},
	p11rpc.CallSetAttributeValue: {run: setAttributeValue, slow: true},
	p11rpc.CallFindObjectsInit:   {run: findObjectsInit},
	p11rpc.CallFindObjects:       {run: findObjects},
	p11rpc.CallFindObjectsFinal:  {run: onSession(Client.FindObjectsFinal)},

	p11rpc.CallEncryptInit:   {run: begin(Client.EncryptInit, ck.CKF_ENCRYPT)},
	p11rpc.CallEncrypt:       {run: transform(Client.Encrypt)},
	p11rpc.CallEncryptUpdate: {run: transform(Client.EncryptUpdate)},
	p11rpc.CallEncryptFinal:  {run: finish(Client.EncryptFinal)},
	p11rpc.CallDecryptInit:   {run: begin(Client.DecryptInit, ck.CKF_DECRYPT)},
	p11rpc.CallDecrypt:       {run: transform(Client.Decrypt), byKey: true},
	p11rpc.CallDecryptUpdate: {run: transform(Client.DecryptUpdate)},
	p11rpc.CallDecryptFinal:  {run: finish(Client.DecryptFinal), byKey: true},

	p11rpc.CallDigestInit:   {run: digestInit},
	p11rpc.CallDigest:       {run: transform(Client.Digest)},
	p11rpc.CallDigestUpdate: {run: feed(Client.DigestUpdate)},
	p11rpc.CallDigestKey:    {run: onObject(Client.DigestKey)},
	p11rpc.CallDigestFinal:  {run: finish(Client.DigestFinal)},

	p11rpc.CallSignInit:     {run: begin(Client.SignInit, ck.CKF_SIGN)},
	p11rpc.CallSign:         {run: transform(Client.Sign), byKey: true},
	p11rpc.CallSignUpdate:   {run: feed(Client.SignUpdate)},
	p11rpc.CallSignFinal:    {run: finish(Client.SignFinal), byKey: true},
	p11rpc.CallVerifyInit:   {run: begin(Client.VerifyInit, ck.CKF_VERIFY)},
	p11rpc.CallVerify:       {run: verify, byKey: true},
	p11rpc.CallVerifyUpdate: {run: feed(Client.VerifyUpdate)},
	p11rpc.CallVerifyFinal:  {run: feed(Client.VerifyFinal), byKey: true},

	p11rpc.CallMessageSignInit:    {run: begin(Client.MessageSignInit, ck.CKF_MESSAGE_SIGN)},
	p11rpc.CallSignMessage:        {run: signMessage, byKey: true},
	p11rpc.CallSignMessageBegin:   {run: feed(Client.SignMessageBegin)},
	p11rpc.CallSignMessageNext:    {run: signMessageNext, byKey: true},
	p11rpc.CallMessageSignFinal:   {run: onSession(Client.MessageSignFinal)},
	p11rpc.CallMessageVerifyInit:  {run: begin(Client.MessageVerifyInit, ck.CKF_MESSAGE_VERIFY)},
	p11rpc.CallVerifyMessage:      {run: verifyMessage(Client.VerifyMessage), byKey: true},
	p11rpc.CallVerifyMessageBegin: {run: feed(Client.VerifyMessageBegin)},
	p11rpc.CallVerifyMessageNext:  {run: verifyMessage(Client.VerifyMessageNext), byKey: true},
	p11rpc.CallMessageVerifyFinal: {run: onSession(Client.MessageVerifyFinal)},

	p11rpc.CallMessageEncryptInit:   {run: begin(Client.MessageEncryptInit, ck.CKF_MESSAGE_ENCRYPT)},
	p11rpc.CallEncryptMessage2:      {run: wholeMessage(Client.EncryptMessage)},
	p11rpc.CallEncryptMessageBegin2: {run: messageBegin(Client.EncryptMessageBegin)},
	p11rpc.CallEncryptMessageNext2:  {run: messageNext(Client.EncryptMessageNext)},
	p11rpc.CallMessageEncryptFinal:  {run: onSession(Client.MessageEncryptFinal)},
	p11rpc.CallMessageDecryptInit:   {run: begin(Client.MessageDecryptInit, ck.CKF_MESSAGE_DECRYPT)},
	p11rpc.CallDecryptMessage2:      {run: wholeMessage(Client.DecryptMessage)},
	p11rpc.CallDecryptMessageBegin2: {run: messageBegin(Client.DecryptMessageBegin)},
	p11rpc.CallDecryptMessageNext2:  {run: messageNext(Client.DecryptMessageNext)},
	p11rpc.CallMessageDecryptFinal:  {run: onSession(Client.MessageDecryptFinal)},

	p11rpc.CallSignRecoverInit:   {run: begin(Client.SignRecoverInit, ck.CKF_SIGN_RECOVER)},
	p11rpc.CallSignRecover:       {run: transform(Client.SignRecover), byKey: true},
	p11rpc.CallVerifyRecoverInit: {run: begin(Client.VerifyRecoverInit, ck.CKF_VERIFY_RECOVER)},
	p11rpc.CallVerifyRecover:     {run: transform(Client.VerifyRecover)},

	p11rpc.CallDigestEncryptUpdate: {run: transform(Client.DigestEncryptUpdate)},
	p11rpc.CallDecryptDigestUpdate: {run: transform(Client.DecryptDigestUpdate)},
	p11rpc.CallSignEncryptUpdate:   {run: transform(Client.SignEncryptUpdate)},
	p11rpc.CallDecryptVerifyUpdate: {run: transform(Client.DecryptVerifyUpdate)},

	p11rpc.CallGenerateKey:     {run: generateKey, slow: true, secret: true},
	p11rpc.CallGenerateKeyPair: {run: generateKeyPair, slow: true, secret: true},
	p11rpc.CallWrapKey:         {run: wrapKey, secret: true},
	p11rpc.CallUnwrapKey:       {run: unwrapKey, slow: true, secret: true},
	p11rpc.CallDeriveKey:       {run: deriveKey, slow: true, secret: true},
	p11rpc.CallDeriveKey2:      {run: deriveKey2, slow: true, secret: true},
	p11rpc.CallSeedRandom:      {run: feed(Client.SeedRandom)},
	p11rpc.CallGenerateRandom:  {run: generateRandom},

	p11rpc.CallEncapsulateKey: {run: encapsulateKey, slow: true, secret: true},
	p11rpc.CallDecapsulateKey: {run: decapsulateKey, slow: true, secret: true},

	p11rpc.CallWrapKeyAuthenticated: {run: wrapKeyAuthenticated, secret: true},
}

// The shapes that many calls share.

// onSession handles a call with only a session.
func onSession(do func(Client, ck.SessionHandle) error) handler {
	return func(r *request) error {
		h := r.Session()
		if err := r.Done(); err != nil {
			return err
		}
		return do(r.client, h)
	}
}

// onObject handles a call with a session and an object.
func onObject(do func(Client, ck.SessionHandle, ck.ObjectHandle) error) handler {
	return func(r *request) error {
		h, obj := r.Session(), r.Object()
		if err := r.Done(); err != nil {
			return err
		}
		return do(r.client, h, obj)
	}
}

// begin handles a call that starts an operation with a key. Without a mechanism it cancels the
// operation instead (section 5.8.1 and similar ones).
func begin(do func(Client, ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error, op ck.Flags) handler {
	return func(r *request) error {
		h, m, key := r.Session(), r.Mechanism(), r.Object()
		if err := r.Done(); err != nil {
			return err
		}
		if m == nil {
			return r.client.SessionCancel(h, op)
		}
		return do(r.client, h, cloneMechanism(m), key)
	}
}

// feed handles a call with a session and bytes, and no output.
func feed(do func(Client, ck.SessionHandle, []byte) error) handler {
	return func(r *request) error {
		h, data := r.Session(), r.Data()
		if err := r.Done(); err != nil {
			return err
		}
		return do(r.client, h, data)
	}
}

// transform handles a call with a session, an input and an output.
func transform(do func(Client, ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error)) handler {
	return func(r *request) error {
		h, data, buf := r.Session(), r.Data(), r.Buffer()
		if err := r.Done(); err != nil {
			return err
		}
		out, err := do(r.client, h, data, buf)
		return r.output(out, err)
	}
}

// finish handles a call with a session and an output.
func finish(do func(Client, ck.SessionHandle, ck.Buffer) (ck.Output, error)) handler {
	return func(r *request) error {
		h, buf := r.Session(), r.Buffer()
		if err := r.Done(); err != nil {
			return err
		}
		out, err := do(r.client, h, buf)
		return r.output(out, err)
	}
}

// output writes an output. The protocol has no code for a buffer that is too short: the answer
// is the length without the bytes.
func (r *request) output(out ck.Output, err error) error {
	if err != nil {
		if ck.CodeOf(err) != ck.CKR_BUFFER_TOO_SMALL || out.Len == 0 {
			return err
		}
		out.Data = nil
	}
	if err := r.pay(uint64(len(out.Data))); err != nil {
		return err
	}
	r.out.Output(out)
	return nil
}

// handle writes a handle.
func (r *request) handle(h uint64, err error) error {
	if err == nil {
		r.out.Ulong(h)
	}
	return err
}
