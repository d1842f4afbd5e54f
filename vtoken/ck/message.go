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

// WrapParams is the parameter of a key that is wrapped with authentication: that
// of C_WrapKeyAuthenticated together with the associated data, or
// CK_GCM_WRAP_PARAMS and CK_CCM_WRAP_PARAMS of C_WrapKey (section 6.13 of 3.2).
// Wrapping writes the nonce into it.
type WrapParams struct {
	MessageParams
	AAD []byte
}

// Plain is the parameter of the same mechanism for an encryption with the tag at
// the end, nil where it has none.
func (p *WrapParams) Plain() Parameter {
	switch p.Mechanism {
	case CKM_AES_GCM:
		return GCMParams{IV: p.Nonce, IVBits: uint64(len(p.Nonce)) * 8, AAD: p.AAD, TagBits: p.TagBits}
	case CKM_AES_CCM:
		return CCMParams{DataLen: p.DataLen, Nonce: p.Nonce, AAD: p.AAD, MACLen: p.TagBits / 8}
	}
	return nil
}
