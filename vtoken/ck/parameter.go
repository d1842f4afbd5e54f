package ck

// EdDSAParams is CK_EDDSA_PARAMS (section 6.3.15). No parameter is the plain
// Ed25519 or Ed448.
type EdDSAParams struct {
	PhFlag  bool // the message is hashed before: Ed25519ph, Ed448ph
	Context []byte
}

// CCMParams is CK_CCM_PARAMS (section 6.13.6).
type CCMParams struct {
	DataLen uint64 // length of the plaintext in bytes
	Nonce   []byte
	AAD     []byte
	MACLen  uint64 // in bytes
}

// ChaCha20Poly1305Params is CK_SALSA20_CHACHA20_POLY1305_PARAMS (section 6.55).
type ChaCha20Poly1305Params struct {
	Nonce []byte
	AAD   []byte
}

// HKDFParams is CK_HKDF_PARAMS (section 6.63.4).
type HKDFParams struct {
	Extract, Expand bool
	PRF             MechanismType // a digest, such as CKM_SHA256
	SaltType        uint64        // CKF_HKDF_SALT_*
	Salt            []byte
	SaltKey         ObjectHandle // where SaltType is CKF_HKDF_SALT_KEY
	Info            []byte
}

// PBKD2Params is CK_PKCS5_PBKD2_PARAMS2 (section 6.28.3).
type PBKD2Params struct {
	SaltSource uint64 // CKZ_SALT_SPECIFIED
	Salt       []byte
	Iterations uint64
	PRF        uint64 // CKP_PKCS5_PBKD2_*
	PRFData    []byte
	Password   []byte // secret
}

// SP800108Params is CK_SP800_108_KDF_PARAMS (section 6.42.3) without additional
// keys.
type SP800108Params struct {
	PRF  MechanismType // an HMAC or CMAC mechanism
	Data []PRFData
}

// PRFData is CK_PRF_DATA_PARAM: a part of the input of the function.
type PRFData struct {
	Type uint64 // SP800108*
	// Value is the bytes of a SP800108ByteArray.
	Value []byte
	// LittleEndian and WidthBits are of CK_SP800_108_COUNTER_FORMAT, or with
	// Method of CK_SP800_108_DKM_LENGTH_FORMAT. WidthBits 0 is no format given.
	LittleEndian bool
	WidthBits    uint64
	Method       uint64
}

// The types of [PRFData] (CK_PRF_DATA_TYPE), and the methods of a length
// (CK_SP800_108_DKM_LENGTH_METHOD).
const (
	SP800108IterationVariable uint64 = 1
	SP800108Counter           uint64 = 2
	SP800108DKMLength         uint64 = 3
	SP800108ByteArray         uint64 = 4

	SP800108SumOfKeys     uint64 = 1
	SP800108SumOfSegments uint64 = 2
)

// SignContext is CK_SIGN_ADDITIONAL_CONTEXT (section 6.67.5 of 3.2), of ML-DSA and
// SLH-DSA.
type SignContext struct {
	Hedge   uint64 // CKH_HEDGE_PREFERRED and its like
	Context []byte
}

func (EdDSAParams) parameter()            {}
func (CCMParams) parameter()              {}
func (ChaCha20Poly1305Params) parameter() {}
func (HKDFParams) parameter()             {}
func (PBKD2Params) parameter()            {}
func (SP800108Params) parameter()         {}
func (SignContext) parameter()            {}
func (*WrapParams) parameter()            {}
