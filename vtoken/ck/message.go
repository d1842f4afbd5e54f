package ck

// MessageParams is the parameter of one message that is encrypted or decrypted:
// CK_GCM_MESSAGE_PARAMS (section 6.13.3), CK_CCM_MESSAGE_PARAMS (section 6.13.6)
// or CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS (section 6.55). Encryption writes
// into it, too.
type MessageParams struct {
	// Mechanism is the one whose structure it is: CKM_AES_GCM, CKM_AES_CCM or
	// CKM_CHACHA20_POLY1305.
	Mechanism MechanismType
	Generator uint64 // CKG_*: how encryption makes the nonce
	FixedBits uint64 // first bits of the nonce that the generator leaves
	DataLen   uint64 // length of the plaintext in bytes, of CKM_AES_CCM only
	TagBits   uint64
	Nonce     []byte
	Tag       []byte // empty where the caller has no place for it
}
