package p11server

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/peer"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// errRefused is a code that the server itself never answers.
const errRefused = ck.CKR_NEW_PIN_MODE

// A call that the engine refuses is answered with the engine's code, whatever the call.
func TestRefusedCalls(t *testing.T) {
	quiet := slog.New(slog.NewTextHandler(new(logBuffer), nil))
	s := New(func(record.Peer) Client { return refusing{} }, Options{Logger: quiet})
	served := 0
	for _, version := range p11rpc.Versions() {
		for _, id := range p11rpc.Calls(version) {
			if routes[id].run == nil || id == p11rpc.CallGetInfo || id == p11rpc.CallResume {
				continue
			}
			e := p11rpc.Encoder{Version: version}
			e.BeginRequest(1, id)
			writeValues(&e, id.Describe().Request)
			require.NoError(t, e.End())
			code, err := codeOf(s, version, id, bytes.Clone(e.Bytes()[12:]))
			require.NoError(t, err, "%v", id)
			require.Equal(t, errRefused, code, "%v", id)
			served++
		}
	}
	require.Greater(t, served, 100)
}

// writeValues writes zeros, and a mechanism where one belongs.
func writeValues(e *p11rpc.Encoder, sig string) {
	for i, part := range strings.Split(sig, "M") {
		if i > 0 {
			e.Mechanism(&ck.Mechanism{Type: ck.CKM_ECDSA})
		}
		writeZeros(e, part)
	}
}

// codeOf is the code in the answer to a request.
func codeOf(s *Server, version byte, call p11rpc.CallID, body []byte) (ck.Error, error) {
	c := newConn(s, nil, peer.Process{})
	defer c.cancel()
	c.version = version
	c.app.Load().client.Store(new(Client(refusing{})))
	task := s.newTask(version)
	defer s.freeTask(task)
	task.load(p11rpc.Frame{Code: 7, Body: body})
	if err := c.answer(task); err != nil {
		return 0, err
	}
	f, err := p11rpc.NewReader(bytes.NewReader(task.out.Bytes())).Next()
	if err != nil {
		return 0, err
	}
	d := p11rpc.Decoder{Version: version}
	return ck.CodeOf(d.Response(f.Body, call)), nil
}

// refusing is an application to which no call succeeds.
type refusing struct{ agreeable }

func (refusing) GetSlotList(bool) ([]ck.SlotID, error)                  { return nil, errRefused }
func (refusing) GetSlotInfo(ck.SlotID) (ck.SlotInfo, error)             { return ck.SlotInfo{}, errRefused }
func (refusing) GetTokenInfo(ck.SlotID) (ck.TokenInfo, error)           { return ck.TokenInfo{}, errRefused }
func (refusing) GetMechanismList(ck.SlotID) ([]ck.MechanismType, error) { return nil, errRefused }
func (refusing) GetMechanismInfo(ck.SlotID, ck.MechanismType) (ck.MechanismInfo, error) {
	return ck.MechanismInfo{}, errRefused
}
func (refusing) InitToken(ck.SlotID, secret.Bytes, string) error           { return errRefused }
func (refusing) WaitForSlotEvent(context.Context, bool) (ck.SlotID, error) { return 0, errRefused }
func (refusing) OpenSession(ck.SlotID, ck.Flags) (ck.SessionHandle, error) { return 0, errRefused }
func (refusing) CloseSession(ck.SessionHandle) error                       { return errRefused }
func (refusing) CloseAllSessions(ck.SlotID) error                          { return errRefused }
func (refusing) GetSessionInfo(ck.SessionHandle) (ck.SessionInfo, error) {
	return ck.SessionInfo{}, errRefused
}
func (refusing) SessionCancel(ck.SessionHandle, ck.Flags) error            { return errRefused }
func (refusing) EndAfterError(ck.SessionHandle, ck.Flags) error            { return errRefused }
func (refusing) InitPIN(ck.SessionHandle, secret.Bytes) error              { return errRefused }
func (refusing) SetPIN(ck.SessionHandle, secret.Bytes, secret.Bytes) error { return errRefused }
func (refusing) Login(ck.SessionHandle, ck.UserType, secret.Bytes) error   { return errRefused }
func (refusing) LoginUser(ck.SessionHandle, ck.UserType, secret.Bytes, []byte) error {
	return errRefused
}
func (refusing) Logout(ck.SessionHandle) error { return errRefused }
func (refusing) CreateObject(ck.SessionHandle, ck.Template) (ck.ObjectHandle, error) {
	return 0, errRefused
}
func (refusing) CopyObject(ck.SessionHandle, ck.ObjectHandle, ck.Template) (ck.ObjectHandle, error) {
	return 0, errRefused
}
func (refusing) RestoreObject(ck.SessionHandle, ck.ObjectHandle, ck.ObjectHandle, ck.Template) error {
	return errRefused
}
func (refusing) DestroyObject(ck.SessionHandle, ck.ObjectHandle) error { return errRefused }
func (refusing) GetObjectSize(ck.SessionHandle, ck.ObjectHandle) (uint64, error) {
	return 0, errRefused
}
func (refusing) GetAttributeValue(
	ck.SessionHandle, ck.ObjectHandle, []ck.AttributeQuery,
) ([]ck.AttributeResult, error) {
	return nil, errRefused
}
func (refusing) SetAttributeValue(ck.SessionHandle, ck.ObjectHandle, ck.Template) error {
	return errRefused
}
func (refusing) FindObjectsInit(ck.SessionHandle, ck.Template) error { return errRefused }
func (refusing) FindObjects(ck.SessionHandle, uint64) ([]ck.ObjectHandle, error) {
	return nil, errRefused
}
func (refusing) FindObjectsFinal(ck.SessionHandle) error                           { return errRefused }
func (refusing) EncryptInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return errRefused }
func (refusing) Encrypt(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) EncryptUpdate(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) EncryptFinal(ck.SessionHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) DecryptInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return errRefused }
func (refusing) Decrypt(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) DecryptUpdate(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) DecryptFinal(ck.SessionHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) DigestInit(ck.SessionHandle, ck.Mechanism) error { return errRefused }
func (refusing) Digest(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) DigestUpdate(ck.SessionHandle, []byte) error       { return errRefused }
func (refusing) DigestKey(ck.SessionHandle, ck.ObjectHandle) error { return errRefused }
func (refusing) DigestFinal(ck.SessionHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) SignInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return errRefused }
func (refusing) Sign(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) SignUpdate(ck.SessionHandle, []byte) error { return errRefused }
func (refusing) SignFinal(ck.SessionHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) VerifyInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return errRefused }
func (refusing) Verify(ck.SessionHandle, []byte, []byte) error                    { return errRefused }
func (refusing) VerifyUpdate(ck.SessionHandle, []byte) error                      { return errRefused }
func (refusing) VerifyFinal(ck.SessionHandle, []byte) error                       { return errRefused }
func (refusing) GenerateKey(ck.SessionHandle, ck.Mechanism, ck.Template) (ck.ObjectHandle, error) {
	return 0, errRefused
}
func (refusing) GenerateKeyPair(
	ck.SessionHandle, ck.Mechanism, ck.Template, ck.Template,
) (ck.ObjectHandle, ck.ObjectHandle, error) {
	return 0, 0, errRefused
}
func (refusing) SeedRandom(ck.SessionHandle, []byte) error               { return errRefused }
func (refusing) GenerateRandom(ck.SessionHandle, uint64) ([]byte, error) { return nil, errRefused }
func (refusing) WrapKey(
	ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, ck.ObjectHandle, ck.Buffer,
) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) UnwrapKey(
	ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, []byte, ck.Template,
) (ck.ObjectHandle, error) {
	return 0, errRefused
}
func (refusing) DeriveKey(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, ck.Template) (ck.ObjectHandle, error) {
	return 0, errRefused
}
func (refusing) EncapsulateKey(
	ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, ck.Template, ck.Buffer,
) (ck.Output, ck.ObjectHandle, error) {
	return ck.Output{}, 0, errRefused
}
func (refusing) DecapsulateKey(
	ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, ck.Template, []byte,
) (ck.ObjectHandle, error) {
	return 0, errRefused
}
func (refusing) GetOperationState(ck.SessionHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) SetOperationState(ck.SessionHandle, []byte, ck.ObjectHandle, ck.ObjectHandle) error {
	return errRefused
}
func (refusing) SignRecoverInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error {
	return errRefused
}
func (refusing) VerifyRecoverInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error {
	return errRefused
}
func (refusing) SignRecover(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) VerifyRecover(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) DigestEncryptUpdate(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) DecryptDigestUpdate(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) SignEncryptUpdate(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) DecryptVerifyUpdate(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) MessageSignInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error {
	return errRefused
}
func (refusing) SignMessage(ck.SessionHandle, []byte, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) SignMessageBegin(ck.SessionHandle, []byte) error { return errRefused }
func (refusing) SignMessageNext(ck.SessionHandle, []byte, []byte, bool, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) MessageSignFinal(ck.SessionHandle) error { return errRefused }
func (refusing) MessageVerifyInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error {
	return errRefused
}
func (refusing) VerifyMessage(ck.SessionHandle, []byte, []byte, []byte) error     { return errRefused }
func (refusing) VerifyMessageBegin(ck.SessionHandle, []byte) error                { return errRefused }
func (refusing) VerifyMessageNext(ck.SessionHandle, []byte, []byte, []byte) error { return errRefused }
func (refusing) MessageVerifyFinal(ck.SessionHandle) error                        { return errRefused }
func (refusing) MessageEncryptInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error {
	return errRefused
}
func (refusing) WrapKeyAuthenticated(
	ck.SessionHandle, *ck.WrapParams, ck.ObjectHandle, ck.ObjectHandle, ck.Buffer,
) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) EncryptMessage(ck.SessionHandle, *ck.MessageParams, []byte, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) EncryptMessageBegin(ck.SessionHandle, *ck.MessageParams, []byte) error {
	return errRefused
}
func (refusing) EncryptMessageNext(
	ck.SessionHandle, *ck.MessageParams, []byte, ck.Buffer, ck.Flags,
) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) MessageEncryptFinal(ck.SessionHandle) error { return errRefused }
func (refusing) MessageDecryptInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error {
	return errRefused
}
func (refusing) DecryptMessage(ck.SessionHandle, *ck.MessageParams, []byte, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) DecryptMessageBegin(ck.SessionHandle, *ck.MessageParams, []byte) error {
	return errRefused
}
func (refusing) DecryptMessageNext(
	ck.SessionHandle, *ck.MessageParams, []byte, ck.Buffer, ck.Flags,
) (ck.Output, error) {
	return ck.Output{}, errRefused
}
func (refusing) MessageDecryptFinal(ck.SessionHandle) error { return errRefused }
