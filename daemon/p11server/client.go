package p11server

import (
	"context"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Connect registers an application with the engine. The peer is what the kernel says.
type Connect func(record.Peer) Client

// Client is one application in the engine: the functions of PKCS#11 without their C_. All are
// safe for concurrent use. Byte slices in their arguments are overwritten after they return,
// except those in templates and mechanisms, which they may keep.
type Client interface {
	Slots
	Sessions
	Objects
	Encryption
	Digests
	Signatures
	Duals
	Keys
	Encapsulation
	AuthenticatedWrapping
	Messages
	MessageCiphers
	// OnSlow sets the function that is called when calls of a session begin to take long
	// because of their key, and when they no longer do. It is called once, before all other
	// calls. told is fast.
	OnSlow(told func(h ck.SessionHandle, slow bool))
	// Cancel ends what calls wait for, and slow work that can be interrupted. The
	// connection has ended; Close follows.
	Cancel()
	// Close ends the application: sessions, logins, session objects.
	Close()
}

// Slots are the functions about slots and tokens (PKCS#11 section 5.5).
type Slots interface {
	GetInfo() ck.Info
	GetSlotList(tokenPresent bool) ([]ck.SlotID, error)
	GetSlotInfo(ck.SlotID) (ck.SlotInfo, error)
	GetTokenInfo(ck.SlotID) (ck.TokenInfo, error)
	GetMechanismList(ck.SlotID) ([]ck.MechanismType, error)
	GetMechanismInfo(ck.SlotID, ck.MechanismType) (ck.MechanismInfo, error)
	InitToken(slot ck.SlotID, soPIN secret.Bytes, label string) error
	// WaitForSlotEvent returns when ctx ends, at the latest.
	WaitForSlotEvent(ctx context.Context, dontBlock bool) (ck.SlotID, error)
}

// Sessions are the functions about sessions and logins (section 5.6).
type Sessions interface {
	OpenSession(ck.SlotID, ck.Flags) (ck.SessionHandle, error)
	CloseSession(ck.SessionHandle) error
	CloseAllSessions(ck.SlotID) error
	GetSessionInfo(ck.SessionHandle) (ck.SessionInfo, error)
	SessionCancel(ck.SessionHandle, ck.Flags) error
	// EndAfterError ends what an error of a call ends that did not come as far as its
	// function: the operations, and of an operation on messages the message under way.
	EndAfterError(ck.SessionHandle, ck.Flags) error
	GetOperationState(ck.SessionHandle, ck.Buffer) (ck.Output, error)
	SetOperationState(h ck.SessionHandle, state []byte, encryptionKey, authenticationKey ck.ObjectHandle) error
	InitPIN(h ck.SessionHandle, newPIN secret.Bytes) error
	SetPIN(h ck.SessionHandle, oldPIN, newPIN secret.Bytes) error
	Login(h ck.SessionHandle, user ck.UserType, pin secret.Bytes) error
	LoginUser(h ck.SessionHandle, user ck.UserType, pin secret.Bytes, username []byte) error
	Logout(ck.SessionHandle) error
}

// Objects are the functions about objects (section 5.7).
type Objects interface {
	CreateObject(ck.SessionHandle, ck.Template) (ck.ObjectHandle, error)
	CopyObject(ck.SessionHandle, ck.ObjectHandle, ck.Template) (ck.ObjectHandle, error)
	// RestoreObject makes a session object again, under the handle that it had with an
	// earlier daemon: a copy of source, or of the template alone where source is 0.
	RestoreObject(h ck.SessionHandle, handle, source ck.ObjectHandle, t ck.Template) error
	DestroyObject(ck.SessionHandle, ck.ObjectHandle) error
	GetObjectSize(ck.SessionHandle, ck.ObjectHandle) (uint64, error)
	// GetAttributeValue returns results also with the errors
	// CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID and CKR_BUFFER_TOO_SMALL.
	GetAttributeValue(ck.SessionHandle, ck.ObjectHandle, []ck.AttributeQuery) ([]ck.AttributeResult, error)
	SetAttributeValue(ck.SessionHandle, ck.ObjectHandle, ck.Template) error
	FindObjectsInit(ck.SessionHandle, ck.Template) error
	FindObjects(h ck.SessionHandle, limit uint64) ([]ck.ObjectHandle, error)
	FindObjectsFinal(ck.SessionHandle) error
}

// Encryption are the functions that encrypt and decrypt (sections 5.8, 5.10). If a buffer is
// too short, they return CKR_BUFFER_TOO_SMALL and the length, and the operation continues.
type Encryption interface {
	EncryptInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error
	Encrypt(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error)
	EncryptUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error)
	EncryptFinal(ck.SessionHandle, ck.Buffer) (ck.Output, error)
	DecryptInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error
	Decrypt(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error)
	DecryptUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error)
	DecryptFinal(ck.SessionHandle, ck.Buffer) (ck.Output, error)
}

// Digests are the functions that digest (section 5.12).
type Digests interface {
	DigestInit(ck.SessionHandle, ck.Mechanism) error
	Digest(h ck.SessionHandle, data []byte, buf ck.Buffer) (ck.Output, error)
	DigestUpdate(h ck.SessionHandle, data []byte) error
	DigestKey(ck.SessionHandle, ck.ObjectHandle) error
	DigestFinal(ck.SessionHandle, ck.Buffer) (ck.Output, error)
}

// Signatures are the functions that sign and verify (sections 5.13, 5.15).
type Signatures interface {
	SignInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error
	Sign(h ck.SessionHandle, data []byte, buf ck.Buffer) (ck.Output, error)
	SignUpdate(h ck.SessionHandle, data []byte) error
	SignFinal(ck.SessionHandle, ck.Buffer) (ck.Output, error)
	VerifyInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error
	Verify(h ck.SessionHandle, data, signature []byte) error
	VerifyUpdate(h ck.SessionHandle, data []byte) error
	VerifyFinal(h ck.SessionHandle, signature []byte) error
	SignRecoverInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error
	SignRecover(h ck.SessionHandle, data []byte, buf ck.Buffer) (ck.Output, error)
	VerifyRecoverInit(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error
	VerifyRecover(h ck.SessionHandle, signature []byte, buf ck.Buffer) (ck.Output, error)
}

// Duals are the dual-function operations (section 5.17).
type Duals interface {
	DigestEncryptUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error)
	DecryptDigestUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error)
	SignEncryptUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error)
	DecryptVerifyUpdate(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error)
}

// Keys are the functions about keys and random numbers (sections 5.18, 5.19).
type Keys interface {
	GenerateKey(ck.SessionHandle, ck.Mechanism, ck.Template) (ck.ObjectHandle, error)
	GenerateKeyPair(h ck.SessionHandle, m ck.Mechanism, pub, priv ck.Template) (ck.ObjectHandle, ck.ObjectHandle, error)
	WrapKey(h ck.SessionHandle, m ck.Mechanism, wrapping, key ck.ObjectHandle, buf ck.Buffer) (ck.Output, error)
	UnwrapKey(h ck.SessionHandle, m ck.Mechanism, unwrapping ck.ObjectHandle, wrapped []byte, t ck.Template) (ck.ObjectHandle, error)
	DeriveKey(h ck.SessionHandle, m ck.Mechanism, base ck.ObjectHandle, t ck.Template) (ck.ObjectHandle, error)
	SeedRandom(h ck.SessionHandle, seed []byte) error
	GenerateRandom(h ck.SessionHandle, n uint64) ([]byte, error)
}
