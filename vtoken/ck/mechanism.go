package ck

// Mechanism is CK_MECHANISM: a type and its parameter, decoded.
type Mechanism struct {
	Type MechanismType
	// Parameter is of the kind that [ParameterKindOf] names, or nil where the caller
	// gave none. It is a RawParameter of another kind's bytes where they could not be
	// read as that kind, for the mechanism to refuse.
	Parameter Parameter
}

// Parameter is the parameter of a mechanism: [RawParameter] or one of the
// CK_*_PARAMS structures of this package.
type Parameter interface{ parameter() }

// RawParameter is a parameter that is plain bytes, such as the IV of CKM_AES_CBC.
// Integers in it would be in the sender's host form, so a mechanism that needs
// integers gets a structure of its own.
type RawParameter []byte

// RSAPkcsPssParams is CK_RSA_PKCS_PSS_PARAMS (section 6.1.10).
type RSAPkcsPssParams struct {
	HashAlg MechanismType // such as CKM_SHA256
	MGF     uint64        // CKG_MGF1_*
	SLen    uint64        // length of the salt in bytes
}

// RSAPkcsOaepParams is CK_RSA_PKCS_OAEP_PARAMS (section 6.1.8).
type RSAPkcsOaepParams struct {
	HashAlg    MechanismType
	MGF        uint64 // CKG_MGF1_*
	Source     uint64 // CKZ_DATA_SPECIFIED, or 0 where SourceData is empty
	SourceData []byte // the label, PSource
}

// ECDH1DeriveParams is CK_ECDH1_DERIVE_PARAMS (section 6.3.17).
type ECDH1DeriveParams struct {
	KDF        KDF
	SharedData []byte
	PublicData []byte
}

// AESCtrParams is CK_AES_CTR_PARAMS (section 6.11).
type AESCtrParams struct {
	CounterBits uint64
	CB          [16]byte // the first counter block
}

// GCMParams is CK_GCM_PARAMS (section 6.13.5).
type GCMParams struct {
	IV      []byte
	IVBits  uint64 // counts for nothing: the standard takes the length from ulIvLen, and some hosts leave this unset
	AAD     []byte
	TagBits uint64
}

// MACGeneralParams is CK_MAC_GENERAL_PARAMS: the length of the MAC in bytes.
type MACGeneralParams uint64

func (RawParameter) parameter()      {}
func (RSAPkcsPssParams) parameter()  {}
func (RSAPkcsOaepParams) parameter() {}
func (ECDH1DeriveParams) parameter() {}
func (AESCtrParams) parameter()      {}
func (GCMParams) parameter()         {}
func (MACGeneralParams) parameter()  {}
