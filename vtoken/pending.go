package vtoken

import (
	"context"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/secret"
)

// The functions below are filled in one group at a time, each in a file of its own.

// GetInfo is C_GetInfo (section 5.4).
func (c *Client) GetInfo() ck.Info { return ck.Info{} }

// GetSlotList is C_GetSlotList.
func (c *Client) GetSlotList(tokenPresent bool) ([]ck.SlotID, error) {
	return nil, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// GetSlotInfo is C_GetSlotInfo.
func (c *Client) GetSlotInfo(slot ck.SlotID) (ck.SlotInfo, error) {
	return ck.SlotInfo{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// GetTokenInfo is C_GetTokenInfo.
func (c *Client) GetTokenInfo(slot ck.SlotID) (ck.TokenInfo, error) {
	return ck.TokenInfo{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// GetMechanismList is C_GetMechanismList.
func (c *Client) GetMechanismList(slot ck.SlotID) ([]ck.MechanismType, error) {
	return nil, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// GetMechanismInfo is C_GetMechanismInfo.
func (c *Client) GetMechanismInfo(slot ck.SlotID, m ck.MechanismType) (ck.MechanismInfo, error) {
	return ck.MechanismInfo{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// InitToken is C_InitToken.
func (c *Client) InitToken(slot ck.SlotID, soPIN secret.Bytes, label string) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// OpenSession is C_OpenSession.
func (c *Client) OpenSession(slot ck.SlotID, flags ck.Flags) (ck.SessionHandle, error) {
	return 0, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// CloseSession is C_CloseSession.
func (c *Client) CloseSession(h ck.SessionHandle) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// CloseAllSessions is C_CloseAllSessions.
func (c *Client) CloseAllSessions(slot ck.SlotID) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// GetSessionInfo is C_GetSessionInfo.
func (c *Client) GetSessionInfo(h ck.SessionHandle) (ck.SessionInfo, error) {
	return ck.SessionInfo{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// SessionCancel is C_SessionCancel.
func (c *Client) SessionCancel(h ck.SessionHandle, flags ck.Flags) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// InitPIN is C_InitPIN.
func (c *Client) InitPIN(h ck.SessionHandle, newPIN secret.Bytes) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// SetPIN is C_SetPIN.
func (c *Client) SetPIN(h ck.SessionHandle, oldPIN, newPIN secret.Bytes) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// Login is C_Login.
func (c *Client) Login(h ck.SessionHandle, user ck.UserType, p secret.Bytes) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// LoginUser is C_LoginUser.
func (c *Client) LoginUser(h ck.SessionHandle, user ck.UserType, p secret.Bytes, username []byte) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// Logout is C_Logout.
func (c *Client) Logout(h ck.SessionHandle) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// CreateObject is C_CreateObject.
func (c *Client) CreateObject(h ck.SessionHandle, t ck.Template) (ck.ObjectHandle, error) {
	return 0, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// CopyObject is C_CopyObject.
func (c *Client) CopyObject(h ck.SessionHandle, obj ck.ObjectHandle, t ck.Template) (ck.ObjectHandle, error) {
	return 0, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// DestroyObject is C_DestroyObject.
func (c *Client) DestroyObject(h ck.SessionHandle, obj ck.ObjectHandle) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// GetObjectSize is C_GetObjectSize.
func (c *Client) GetObjectSize(h ck.SessionHandle, obj ck.ObjectHandle) (uint64, error) {
	return 0, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// GetAttributeValue is C_GetAttributeValue.
func (c *Client) GetAttributeValue(h ck.SessionHandle, obj ck.ObjectHandle, q []ck.AttributeQuery) ([]ck.AttributeResult, error) {
	return nil, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// SetAttributeValue is C_SetAttributeValue.
func (c *Client) SetAttributeValue(h ck.SessionHandle, obj ck.ObjectHandle, t ck.Template) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// FindObjectsInit is C_FindObjectsInit.
func (c *Client) FindObjectsInit(h ck.SessionHandle, t ck.Template) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// FindObjects is C_FindObjects.
func (c *Client) FindObjects(h ck.SessionHandle, max uint64) ([]ck.ObjectHandle, error) {
	return nil, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// FindObjectsFinal is C_FindObjectsFinal.
func (c *Client) FindObjectsFinal(h ck.SessionHandle) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// EncryptInit is C_EncryptInit.
func (c *Client) EncryptInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// Encrypt is C_Encrypt.
func (c *Client) Encrypt(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error) {
	return ck.Output{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// EncryptUpdate is C_EncryptUpdate.
func (c *Client) EncryptUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error) {
	return ck.Output{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// EncryptFinal is C_EncryptFinal.
func (c *Client) EncryptFinal(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
	return ck.Output{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// DecryptInit is C_DecryptInit.
func (c *Client) DecryptInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// Decrypt is C_Decrypt.
func (c *Client) Decrypt(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error) {
	return ck.Output{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// DecryptUpdate is C_DecryptUpdate.
func (c *Client) DecryptUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error) {
	return ck.Output{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// DecryptFinal is C_DecryptFinal.
func (c *Client) DecryptFinal(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
	return ck.Output{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// DigestInit is C_DigestInit.
func (c *Client) DigestInit(h ck.SessionHandle, m ck.Mechanism) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// Digest is C_Digest.
func (c *Client) Digest(h ck.SessionHandle, data []byte, buf ck.Buffer) (ck.Output, error) {
	return ck.Output{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// DigestUpdate is C_DigestUpdate.
func (c *Client) DigestUpdate(h ck.SessionHandle, data []byte) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// DigestKey is C_DigestKey.
func (c *Client) DigestKey(h ck.SessionHandle, key ck.ObjectHandle) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// DigestFinal is C_DigestFinal.
func (c *Client) DigestFinal(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
	return ck.Output{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// SignInit is C_SignInit.
func (c *Client) SignInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// Sign is C_Sign.
func (c *Client) Sign(h ck.SessionHandle, data []byte, buf ck.Buffer) (ck.Output, error) {
	return ck.Output{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// SignUpdate is C_SignUpdate.
func (c *Client) SignUpdate(h ck.SessionHandle, data []byte) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// SignFinal is C_SignFinal.
func (c *Client) SignFinal(h ck.SessionHandle, buf ck.Buffer) (ck.Output, error) {
	return ck.Output{}, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// VerifyInit is C_VerifyInit.
func (c *Client) VerifyInit(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// Verify is C_Verify.
func (c *Client) Verify(h ck.SessionHandle, data, signature []byte) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// VerifyUpdate is C_VerifyUpdate.
func (c *Client) VerifyUpdate(h ck.SessionHandle, data []byte) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// VerifyFinal is C_VerifyFinal.
func (c *Client) VerifyFinal(h ck.SessionHandle, signature []byte) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// GenerateKey is C_GenerateKey.
func (c *Client) GenerateKey(h ck.SessionHandle, m ck.Mechanism, t ck.Template) (ck.ObjectHandle, error) {
	return 0, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// GenerateKeyPair is C_GenerateKeyPair.
func (c *Client) GenerateKeyPair(h ck.SessionHandle, m ck.Mechanism, pub, priv ck.Template) (ck.ObjectHandle, ck.ObjectHandle, error) {
	return 0, 0, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// SeedRandom is C_SeedRandom.
func (c *Client) SeedRandom(h ck.SessionHandle, seed []byte) error {
	return ck.CKR_FUNCTION_NOT_SUPPORTED
}

// GenerateRandom is C_GenerateRandom.
func (c *Client) GenerateRandom(h ck.SessionHandle, n uint64) ([]byte, error) {
	return nil, ck.CKR_FUNCTION_NOT_SUPPORTED
}

// WaitForSlotEvent is C_WaitForSlotEvent.
func (c *Client) WaitForSlotEvent(ctx context.Context, dontBlock bool) (ck.SlotID, error) {
	return 0, ck.CKR_FUNCTION_NOT_SUPPORTED
}
