package mech

import (
	"hash"

	"vtoken/vtoken/ck"
)

// Descriptor is a mechanism: what it works on and what it can do. A function
// that is nil is one that the mechanism does not support; the flags of
// CK_MECHANISM_INFO follow from that and are never written by hand.
//
// The functions check the parameter (CKR_MECHANISM_PARAM_INVALID) and the key's
// type and size (CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_SIZE_RANGE); whether the
// key may be used so (CKA_SIGN, CKA_ALLOWED_MECHANISMS) is the engine's to check.
type Descriptor struct {
	Type ck.MechanismType
	// KeyTypes are the types of key that it uses or makes.
	KeyTypes []ck.KeyType
	// MinKeySize and MaxKeySize are in the unit of the standard's text for this
	// mechanism: bits for RSA and EC, bytes for AES and generic secrets.
	MinKeySize, MaxKeySize uint64
	// Flags are added to those that follow from the functions: CKF_EC_F_P and
	// its like.
	Flags ck.Flags

	// SlowToMake says that to make a secret key takes milliseconds, or seconds.
	SlowToMake bool

	// Stateful says that what Sign and Verify make are [Stateful]. Such a mechanism
	// has no messages.
	Stateful bool

	// OneMessage says that the parameter of Sign holds a nonce, which two messages must
	// not share. Such a mechanism does not sign many messages in one operation.
	OneMessage bool

	Sign   func(k *Key, p ck.Parameter) (Signer, error)
	Verify func(k *Key, p ck.Parameter) (Verifier, error)
	// SignRecover is a signature that holds the data. VerifyRecover takes the
	// signature as the input of a Cipher that puts out the data; Final is
	// CKR_SIGNATURE_LEN_RANGE or CKR_SIGNATURE_INVALID where there is none in it.
	SignRecover   func(k *Key, p ck.Parameter) (Signer, error)
	VerifyRecover func(k *Key, p ck.Parameter) (Cipher, error)

	Encrypt func(k *Key, p ck.Parameter) (Cipher, error)
	Decrypt func(k *Key, p ck.Parameter) (Cipher, error)
	// Message is the parameter of Encrypt and Decrypt for one of many messages
	// (C_MessageEncryptInit), and nil where these are not supported.
	Message func(m ck.MessageParams, aad []byte) ck.Parameter
	// EncryptMessage is Encrypt for one of many messages, whose output comes with its end. Nil
	// is Encrypt.
	EncryptMessage func(k *Key, p ck.Parameter) (Cipher, error)
	Digest         func(p ck.Parameter) (hash.Hash, error)
	// GenerateKey returns the attributes that the mechanism contributes to the
	// new secret key (CKA_VALUE and so on), given the caller's template. Where that
	// takes many steps, it calls pause between them, and fails with its error; pause
	// is nil where the mechanism is not SlowToMake.
	GenerateKey func(p ck.Parameter, t ck.Template, pause func() error) (ck.Template, error)
	// GenerateKeyPair does the same for a pair.
	GenerateKeyPair func(p ck.Parameter, pub, priv ck.Template, pause func() error) (pubAttrs, privAttrs ck.Template, err error)
	// Wrap and Unwrap work on the encoded key: CKA_VALUE of a secret key, PKCS#8
	// of a private key. An encoded key whose length cannot be wrapped is
	// CKR_KEY_SIZE_RANGE; what does not unwrap is CKR_WRAPPED_KEY_LEN_RANGE where
	// its length says so, else CKR_WRAPPED_KEY_INVALID.
	Wrap   func(k *Key, p ck.Parameter, encoded []byte) ([]byte, error)
	Unwrap func(k *Key, p ck.Parameter, wrapped []byte) ([]byte, error)
	// Derive returns the attributes that the mechanism contributes to the derived
	// object: its class and key type where the template leaves them out, and
	// CKA_VALUE.
	Derive func(k *Key, p ck.Parameter, t ck.Template) (ck.Template, error)
	// DerivesData says that Derive makes a data object, whose value everybody reads.
	DerivesData bool
	// Encapsulate makes a shared secret for the owner of a public key: the
	// ciphertext for the owner, which has CiphertextLen bytes, and the attributes
	// of the secret key as Derive has them. Decapsulate is the owner's part.
	Encapsulate   func(k *Key, p ck.Parameter, t ck.Template) (ciphertext []byte, made ck.Template, err error)
	CiphertextLen func(k *Key, p ck.Parameter) (int, error)
	Decapsulate   func(k *Key, p ck.Parameter, ciphertext []byte, t ck.Template) (ck.Template, error)
}

// Signer is a running signature or MAC. One-part signing is one Update and a
// Final. A Signer is used by one goroutine at a time.
type Signer interface {
	Saver
	// Len is the length of the signature in bytes, known before it is made.
	Len() int
	// Update adds data. A mechanism that signs a digest or a block itself
	// collects the data and refuses more than it can take (CKR_DATA_LEN_RANGE).
	Update(data []byte) error
	// Final makes the signature and ends the operation.
	Final() ([]byte, error)
}

// Verifier is a running verification.
type Verifier interface {
	Saver
	Update(data []byte) error
	// Final returns nil where the signature is right, CKR_SIGNATURE_LEN_RANGE
	// where its length cannot be, CKR_SIGNATURE_INVALID otherwise.
	Final(signature []byte) error
}

// Cipher is a running encryption or decryption.
type Cipher interface {
	Saver
	// UpdateLen is the exact number of bytes that Update of n bytes would put
	// out, computed without cryptography.
	UpdateLen(n int) int
	// Update puts out what can be put out so far.
	Update(in []byte) ([]byte, error)
	// FinalLen is an upper bound of what Final would put out after a further n
	// bytes of Update, less what that Update puts out; exact for encryption.
	FinalLen(n int) int
	// Final ends the operation and puts out the rest.
	Final() ([]byte, error)
}
