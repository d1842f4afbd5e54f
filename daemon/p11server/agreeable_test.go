package p11server

import (
	"context"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/secret"
)

// agreeable is an application to which every call succeeds.
type agreeable struct{}

func (agreeable) OnSlow(func(ck.SessionHandle, bool))          {}
func (agreeable) Close()                                       {}
func (agreeable) Cancel()                                      {}
func (agreeable) GetInfo() ck.Info                             { return ck.Info{} }
func (agreeable) GetSlotList(bool) ([]ck.SlotID, error)        { return []ck.SlotID{1}, nil }
func (agreeable) GetSlotInfo(ck.SlotID) (ck.SlotInfo, error)   { return ck.SlotInfo{}, nil }
func (agreeable) GetTokenInfo(ck.SlotID) (ck.TokenInfo, error) { return ck.TokenInfo{}, nil }
func (agreeable) GetMechanismList(ck.SlotID) ([]ck.MechanismType, error) {
	return []ck.MechanismType{1}, nil
}
func (agreeable) GetMechanismInfo(ck.SlotID, ck.MechanismType) (ck.MechanismInfo, error) {
	return ck.MechanismInfo{}, nil
}
func (agreeable) InitToken(ck.SlotID, secret.Bytes, string) error           { return nil }
func (agreeable) WaitForSlotEvent(context.Context, bool) (ck.SlotID, error) { return 1, nil }
func (agreeable) OpenSession(ck.SlotID, ck.Flags) (ck.SessionHandle, error) { return 1, nil }
func (agreeable) CloseSession(ck.SessionHandle) error                       { return nil }
func (agreeable) CloseAllSessions(ck.SlotID) error                          { return nil }
func (agreeable) GetSessionInfo(ck.SessionHandle) (ck.SessionInfo, error) {
	return ck.SessionInfo{}, nil
}
func (agreeable) SessionCancel(ck.SessionHandle, ck.Flags) error                      { return nil }
func (agreeable) EndAfterError(ck.SessionHandle, ck.Flags) error                      { return nil }
func (agreeable) InitPIN(ck.SessionHandle, secret.Bytes) error                        { return nil }
func (agreeable) SetPIN(ck.SessionHandle, secret.Bytes, secret.Bytes) error           { return nil }
func (agreeable) Login(ck.SessionHandle, ck.UserType, secret.Bytes) error             { return nil }
func (agreeable) LoginUser(ck.SessionHandle, ck.UserType, secret.Bytes, []byte) error { return nil }
func (agreeable) Logout(ck.SessionHandle) error                                       { return nil }
func (agreeable) CreateObject(ck.SessionHandle, ck.Template) (ck.ObjectHandle, error) { return 1, nil }
func (agreeable) CopyObject(ck.SessionHandle, ck.ObjectHandle, ck.Template) (ck.ObjectHandle, error) {
	return 1, nil
}
func (agreeable) RestoreObject(ck.SessionHandle, ck.ObjectHandle, ck.ObjectHandle, ck.Template) error {
	return nil
}
func (agreeable) DestroyObject(ck.SessionHandle, ck.ObjectHandle) error           { return nil }
func (agreeable) GetObjectSize(ck.SessionHandle, ck.ObjectHandle) (uint64, error) { return 1, nil }
func (agreeable) GetAttributeValue(_ ck.SessionHandle, _ ck.ObjectHandle, q []ck.AttributeQuery) ([]ck.AttributeResult, error) {
	return describe(q), nil
}
func (agreeable) SetAttributeValue(ck.SessionHandle, ck.ObjectHandle, ck.Template) error { return nil }
func (agreeable) FindObjectsInit(ck.SessionHandle, ck.Template) error                    { return nil }
func (agreeable) FindObjects(ck.SessionHandle, uint64) ([]ck.ObjectHandle, error) {
	return []ck.ObjectHandle{1}, nil
}
func (agreeable) FindObjectsFinal(ck.SessionHandle) error                           { return nil }
func (agreeable) EncryptInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return nil }
func (agreeable) Encrypt(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte{1, 2}, Len: 2}, nil
}
func (agreeable) EncryptUpdate(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte{1, 2}, Len: 2}, nil
}
func (agreeable) EncryptFinal(ck.SessionHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte{1, 2}, Len: 2}, nil
}
func (agreeable) DecryptInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return nil }
func (agreeable) Decrypt(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte{1, 2}, Len: 2}, nil
}
func (agreeable) DecryptUpdate(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte{1, 2}, Len: 2}, nil
}
func (agreeable) DecryptFinal(ck.SessionHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte{1, 2}, Len: 2}, nil
}
func (agreeable) DigestInit(ck.SessionHandle, ck.Mechanism) error { return nil }
func (agreeable) Digest(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte{1, 2}, Len: 2}, nil
}
func (agreeable) DigestUpdate(ck.SessionHandle, []byte) error       { return nil }
func (agreeable) DigestKey(ck.SessionHandle, ck.ObjectHandle) error { return nil }
func (agreeable) DigestFinal(ck.SessionHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte{1, 2}, Len: 2}, nil
}
func (agreeable) SignInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return nil }
func (agreeable) Sign(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte{1, 2}, Len: 2}, nil
}
func (agreeable) SignUpdate(ck.SessionHandle, []byte) error { return nil }
func (agreeable) SignFinal(ck.SessionHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte{1, 2}, Len: 2}, nil
}
func (agreeable) VerifyInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return nil }
func (agreeable) Verify(ck.SessionHandle, []byte, []byte) error                    { return nil }
func (agreeable) VerifyUpdate(ck.SessionHandle, []byte) error                      { return nil }
func (agreeable) VerifyFinal(ck.SessionHandle, []byte) error                       { return nil }
func (agreeable) GenerateKey(ck.SessionHandle, ck.Mechanism, ck.Template) (ck.ObjectHandle, error) {
	return 1, nil
}
func (agreeable) GenerateKeyPair(ck.SessionHandle, ck.Mechanism, ck.Template, ck.Template) (ck.ObjectHandle, ck.ObjectHandle, error) {
	return 1, 2, nil
}
func (agreeable) SeedRandom(ck.SessionHandle, []byte) error { return nil }
func (agreeable) GenerateRandom(_ ck.SessionHandle, n uint64) ([]byte, error) {
	return make([]byte, min(n, 64)), nil
}

// describe answers every query: numbers with a number, templates with a
// template, the rest with bytes.
func describe(queries []ck.AttributeQuery) (results []ck.AttributeResult) {
	for _, q := range queries {
		a := ck.String(q.Type, "value")
		switch ck.KindOf(q.Type) {
		case ck.KindUlong:
			a = ck.Ulong(q.Type, uint64(5))
		case ck.KindBool:
			a = ck.Bool(q.Type, true)
		case ck.KindMechanisms:
			a = ck.Mechanisms(q.Type, ck.CKM_ECDSA)
		case ck.KindTemplate:
			a = ck.Bytes(q.Type, ck.EncodeTemplate(ck.Template{ck.Bool(ck.CKA_TOKEN, true)}))
		}
		results = append(results, ck.AttributeResult{Type: a.Type, Value: a.Value, Len: uint64(len(a.Value))})
	}
	return results
}

func (agreeable) WrapKey(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, ck.ObjectHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("wrapped"), Len: 7}, nil
}
func (agreeable) UnwrapKey(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, []byte, ck.Template) (ck.ObjectHandle, error) {
	return 1, nil
}
func (agreeable) DeriveKey(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, ck.Template) (ck.ObjectHandle, error) {
	return 1, nil
}
func (agreeable) EncapsulateKey(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, ck.Template, ck.Buffer) (ck.Output, ck.ObjectHandle, error) {
	return ck.Output{Data: []byte("ciphertext"), Len: 10}, 1, nil
}
func (agreeable) DecapsulateKey(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, ck.Template, []byte) (ck.ObjectHandle, error) {
	return 1, nil
}

func (agreeable) GetOperationState(ck.SessionHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("state"), Len: 5}, nil
}
func (agreeable) SetOperationState(ck.SessionHandle, []byte, ck.ObjectHandle, ck.ObjectHandle) error {
	return nil
}
func (agreeable) SignRecoverInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error   { return nil }
func (agreeable) VerifyRecoverInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return nil }
func (agreeable) SignRecover(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("out"), Len: 3}, nil
}
func (agreeable) VerifyRecover(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("out"), Len: 3}, nil
}
func (agreeable) DigestEncryptUpdate(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("out"), Len: 3}, nil
}
func (agreeable) DecryptDigestUpdate(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("out"), Len: 3}, nil
}
func (agreeable) SignEncryptUpdate(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("out"), Len: 3}, nil
}
func (agreeable) DecryptVerifyUpdate(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("out"), Len: 3}, nil
}

func (agreeable) MessageSignInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return nil }
func (agreeable) SignMessage(ck.SessionHandle, []byte, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("out"), Len: 3}, nil
}
func (agreeable) SignMessageBegin(ck.SessionHandle, []byte) error { return nil }
func (agreeable) SignMessageNext(ck.SessionHandle, []byte, []byte, bool, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("out"), Len: 3}, nil
}
func (agreeable) MessageSignFinal(ck.SessionHandle) error                                 { return nil }
func (agreeable) MessageVerifyInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error { return nil }
func (agreeable) VerifyMessage(ck.SessionHandle, []byte, []byte, []byte) error            { return nil }
func (agreeable) VerifyMessageBegin(ck.SessionHandle, []byte) error                       { return nil }
func (agreeable) VerifyMessageNext(ck.SessionHandle, []byte, []byte, []byte) error        { return nil }
func (agreeable) MessageVerifyFinal(ck.SessionHandle) error                               { return nil }

func (agreeable) MessageEncryptInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error {
	return nil
}
func (agreeable) WrapKeyAuthenticated(ck.SessionHandle, *ck.WrapParams, ck.ObjectHandle, ck.ObjectHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{}, nil
}
func (agreeable) EncryptMessage(ck.SessionHandle, *ck.MessageParams, []byte, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("out"), Len: 3}, nil
}
func (agreeable) EncryptMessageBegin(ck.SessionHandle, *ck.MessageParams, []byte) error { return nil }
func (agreeable) EncryptMessageNext(ck.SessionHandle, *ck.MessageParams, []byte, ck.Buffer, ck.Flags) (ck.Output, error) {
	return ck.Output{Data: []byte("out"), Len: 3}, nil
}
func (agreeable) MessageEncryptFinal(ck.SessionHandle) error { return nil }
func (agreeable) MessageDecryptInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error {
	return nil
}
func (agreeable) DecryptMessage(ck.SessionHandle, *ck.MessageParams, []byte, []byte, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("out"), Len: 3}, nil
}
func (agreeable) DecryptMessageBegin(ck.SessionHandle, *ck.MessageParams, []byte) error { return nil }
func (agreeable) DecryptMessageNext(ck.SessionHandle, *ck.MessageParams, []byte, ck.Buffer, ck.Flags) (ck.Output, error) {
	return ck.Output{Data: []byte("out"), Len: 3}, nil
}
func (agreeable) MessageDecryptFinal(ck.SessionHandle) error { return nil }
