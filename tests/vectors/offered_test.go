package vectors

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// plays are the uses of a mechanism, each with a way to make one.
var plays = [...]struct {
	flag ck.Flags
	name string
	play func(k *token, m ck.MechanismType, p []*pkcs11.Mechanism) error
}{
	{ck.CKF_DIGEST, "digest", (*token).playDigest},
	{ck.CKF_GENERATE, "generate", (*token).playGenerate},
	{ck.CKF_GENERATE_KEY_PAIR, "generate a pair", (*token).playGeneratePair},
	{ck.CKF_SIGN, "sign", (*token).playSign},
	{ck.CKF_VERIFY, "verify", (*token).playVerify},
	{ck.CKF_SIGN_RECOVER, "sign with recovery", (*token).playSignRecover},
	{ck.CKF_VERIFY_RECOVER, "verify with recovery", (*token).playVerifyRecover},
	{ck.CKF_ENCRYPT, "encrypt", (*token).playEncrypt},
	{ck.CKF_DECRYPT, "decrypt", (*token).playDecrypt},
	{ck.CKF_WRAP, "wrap", (*token).playWrap},
	{ck.CKF_UNWRAP, "unwrap", (*token).playUnwrap},
	{ck.CKF_DERIVE, "derive", (*token).playDerive},
}

// playedElsewhere are uses that pkcs11.Ctx has no functions for. Hosts in C play them
// (tests/abi), with the same parameters or with those of messages.
const playedElsewhere = ck.CKF_ENCAPSULATE | ck.CKF_DECAPSULATE | ck.CKF_MULTI_MESSAGE |
	ck.CKF_MESSAGE_ENCRYPT | ck.CKF_MESSAGE_DECRYPT | ck.CKF_MESSAGE_SIGN | ck.CKF_MESSAGE_VERIFY

const ellipticFlags = ck.CKF_EC_F_P | ck.CKF_EC_OID | ck.CKF_EC_CURVENAME | ck.CKF_EC_UNCOMPRESS | ck.CKF_EC_COMPRESS

// Each use that a token offers of a mechanism works with the parameter that the table says, and is
// refused with the structure of every other: under the policy that tokens have, and under the one
// that offers everything.
func TestEveryMechanismIsUsable(t *testing.T) {
	for _, policy := range []string{"modern", "legacy"} {
		t.Run(policy, func(t *testing.T) { playOffered(t, policy) })
	}
}

func playOffered(t *testing.T, policy string) {
	k := newToken(t, func(_ *testing.T, socket string) string { return socket })
	k.setPolicy(t, policy)
	slots, err := k.p.GetSlotList(true)
	require.NoError(t, err)
	list, err := k.p.GetMechanismList(slots[0])
	require.NoError(t, err)
	require.Greater(t, len(list), 90)
	k.keys = k.makeKeys(t)
	point, err := k.p.GetAttributeValue(k.h, k.keys["EC"].public, []*pkcs11.Attribute{attr(ck.CKA_EC_POINT, nil)})
	require.NoError(t, err)
	k.point = point[0].Value
	for _, offered := range list {
		m := ck.MechanismType(offered.Mechanism)
		info, err := k.p.GetMechanismInfo(slots[0], []*pkcs11.Mechanism{offered})
		require.NoError(t, err, m)
		k.offered = ck.Flags(info.Flags)
		left := k.offered &^ (playedElsewhere | ellipticFlags)
		for _, u := range plays {
			if ck.Flags(info.Flags)&u.flag == 0 {
				continue
			}
			left &^= u.flag
			t.Run(m.String()+"/"+strings.ReplaceAll(u.name, " ", "_"), func(t *testing.T) {
				k.tryParameters(t, m, u.flag, u.play)
				require.NoError(t, k.sweep())
			})
		}
		require.Zero(t, left, "uses of %v that nothing plays: 0x%x", m, left)
	}
}

// setPolicy gives the token an algorithm policy.
func (k *token) setPolicy(t *testing.T, policy string) {
	t.Helper()
	out, err := k.d.Vtoken("token", "list", "-o", "json")
	require.NoError(t, err)
	var tokens []struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(out), &tokens))
	require.Len(t, tokens, 1)
	_, err = k.d.Vtoken("token", "policy", tokens[0].ID, policy)
	require.NoError(t, err)
}

// tryParameters makes one use of a mechanism with its own parameter, without one, and
// with the structure of each other kind.
func (k *token) tryParameters(t *testing.T, m ck.MechanismType, use ck.Flags, play func(*token, ck.MechanismType, []*pkcs11.Mechanism) error) {
	own := ck.ParameterKindOf(m)
	try := func(s *structure) error {
		return s.with(m, func(p []*pkcs11.Mechanism) error { return play(k, m, p) })
	}
	mine := k.parameterFor(m, own, use)
	require.NoError(t, try(mine), "with %v", own)

	for kind := ck.ParamNone; kind < ck.NumParameterKinds; kind++ {
		other := k.parameterFor(m, kind, use)
		if kind == own || sizesOf(own, len(mine.bytes))[len(other.bytes)] {
			other.free() // it cannot be told apart
			continue
		}
		err := try(other)
		switch {
		case own == ck.ParamNone && err == nil:
			return // p11-kit's protocol leaves parameters out, of all kinds alike
		case kind == ck.ParamNone && mayBeLeftOut(m):
			continue // the result is another, which not every use takes
		}
		require.ErrorIs(t, err, pkcs11.Error(ck.CKR_MECHANISM_PARAM_INVALID), "with %v", kind)
	}
}

// sizesOf are the sizes of the structures that a kind has.
func sizesOf(kind ck.ParameterKind, size int) map[int]bool {
	switch kind {
	case ck.ParamGCM, ck.ParamGMAC:
		return map[int]bool{40: true, 48: true, 56: true, 12: kind == ck.ParamGMAC}
	case ck.ParamCCM:
		return map[int]bool{48: true, 64: true}
	}
	return map[int]bool{size: true}
}

// mayBeLeftOut reports whether a mechanism that has a parameter does without one.
func mayBeLeftOut(m ck.MechanismType) bool {
	switch ck.ParameterKindOf(m) {
	case ck.ParamEdDSA, ck.ParamSignContext, ck.ParamOTP:
		return true
	}
	return m == ck.CKM_AES_KEY_WRAP || m == ck.CKM_AES_KEY_WRAP_PAD || m == ck.CKM_AES_KEY_WRAP_KWP
}

// parameterFor is a good parameter of a kind, in the form of C.
func (k *token) parameterFor(m ck.MechanismType, kind ck.ParameterKind, use ck.Flags) *structure {
	s := &structure{}
	some := func(n int) []byte { return bytes.Repeat([]byte{7}, n) }
	counted := func(b []byte) { s.pointer(b); s.word(uint64(len(b))) }
	switch kind {
	case ck.ParamBytes:
		s.bytes = some(ivLen(m))
	case ck.ParamPSS:
		h := hashOfPSS(m)
		s.word(uint64(h.digest))
		s.word(h.mgf)
		s.word(uint64(h.size))
	case ck.ParamOAEP:
		s.word(uint64(ck.CKM_SHA256))
		s.word(ck.CKG_MGF1_SHA256)
		s.word(1) // CKZ_DATA_SPECIFIED
		counted(some(5))
	case ck.ParamECDH1:
		s.word(uint64(ck.CKD_NULL))
		s.word(0)
		s.word(0)
		s.word(uint64(len(k.point)))
		s.pointer(k.point)
	case ck.ParamEdDSA:
		s.word(0)
		s.word(5)
		s.pointer(some(5))
	case ck.ParamSignContext:
		s.word(uint64(ck.CKH_HEDGE_PREFERRED))
		counted(some(5))
	case ck.ParamAESCtr:
		s.word(128)
		s.bytes = append(s.bytes, some(16)...)
	case ck.ParamGCM:
		counted(some(12))
		if use == ck.CKF_WRAP || use == ck.CKF_UNWRAP {
			s.word(0)
			s.word(ck.CKG_GENERATE_RANDOM)
		} else {
			s.word(96)
		}
		counted(some(5))
		s.word(128)
	case ck.ParamGMAC:
		counted(some(60))
		s.word(0)
		s.word(0)
		s.word(0)
		s.word(96)
	case ck.ParamCCM:
		s.word(uint64(len(message)))
		counted(some(12))
		if use == ck.CKF_WRAP || use == ck.CKF_UNWRAP {
			s.word(0)
			s.word(ck.CKG_GENERATE_RANDOM)
		}
		counted(some(5))
		s.word(16)
	case ck.ParamChaCha20Poly1305:
		counted(some(12))
		counted(some(5))
	case ck.ParamMACGeneral:
		s.word(8)
	case ck.ParamHKDF:
		s.bytes = []byte{1, 1, 0, 0, 0, 0, 0, 0}
		s.word(uint64(ck.CKM_SHA256))
		s.word(uint64(ck.CKF_HKDF_SALT_DATA))
		counted(some(8))
		s.word(0)
		counted(some(5))
	case ck.ParamPBKD2:
		s.word(ck.CKZ_SALT_SPECIFIED)
		counted(some(16))
		s.word(1000)
		s.word(ck.CKP_PKCS5_PBKD2_HMAC_SHA256)
		s.word(0)
		s.word(0)
		counted(some(8))
	case ck.ParamSP800108:
		var counter, part structure
		counter.word(0)
		counter.word(32)
		part.word(ck.SP800108IterationVariable)
		part.word(s.address(counter.bytes))
		part.word(uint64(len(counter.bytes)))
		s.word(uint64(ck.CKM_SHA256_HMAC))
		s.word(1)
		s.pointer(part.bytes)
		s.word(0)
		s.word(0)
	case ck.ParamOTP:
		var part structure
		value := make([]byte, 8) // the counter of a new key
		part.word(ck.CK_OTP_COUNTER)
		part.word(s.address(value))
		part.word(uint64(len(value)))
		s.pointer(part.bytes)
		s.word(1)
	}
	return s
}

func ivLen(m ck.MechanismType) int {
	switch m {
	case ck.CKM_AES_CBC, ck.CKM_AES_CBC_PAD:
		return 16
	case ck.CKM_AES_KEY_WRAP_PAD, ck.CKM_AES_KEY_WRAP_KWP:
		return 4
	}
	return 8
}

func hashOfPSS(m ck.MechanismType) hash {
	for _, h := range hashes {
		if h.pss == m && m != 0 {
			return h
		}
	}
	return hashes["SHA-256"]
}

// message is what is signed and encrypted.
var message = bytes.Repeat([]byte("one row!"), 4)

// messageFor is a message of a length that the mechanism takes.
func messageFor(m ck.MechanismType) []byte {
	if m == ck.CKM_RSA_X_509 {
		return append(make([]byte, 256-len(message)), message...)
	}
	return message
}

// family names the keys that a mechanism uses.
func family(m ck.MechanismType) string {
	name := m.String()
	for _, f := range []string{"RSA", "ECD", "EDDSA", "ML_DSA", "SLH_DSA", "CHACHA20", "HKDF", "HOTP", "DES3", "DES", "AES"} {
		if strings.Contains(name, f) {
			return strings.TrimSuffix(f, "D")
		}
	}
	return "GENERIC"
}

// keys are those of a family: a pair, or twice the same secret key.
type keys struct{ public, private pkcs11.ObjectHandle }

// makeKeys makes the keys of all families.
func (k *token) makeKeys(t *testing.T) map[string]keys {
	t.Helper()
	all := map[string]keys{}
	pair := func(family string, m ck.MechanismType, template *pkcs11.Attribute, public, private []ck.AttributeType) {
		a, b, err := k.p.GenerateKeyPair(k.h, mechanism(m, nil), withUses(public, template), withUses(private))
		require.NoError(t, err, family)
		all[family] = keys{a, b}
	}
	verify, sign := []ck.AttributeType{ck.CKA_VERIFY}, []ck.AttributeType{ck.CKA_SIGN}
	pair("RSA", ck.CKM_RSA_PKCS_KEY_PAIR_GEN, attr(ck.CKA_MODULUS_BITS, 2048),
		append(verify, ck.CKA_VERIFY_RECOVER, ck.CKA_ENCRYPT, ck.CKA_WRAP), append(sign, ck.CKA_SIGN_RECOVER, ck.CKA_DECRYPT, ck.CKA_UNWRAP))
	pair("EC", ck.CKM_EC_KEY_PAIR_GEN, attr(ck.CKA_EC_PARAMS, curves["secp256r1"].oid), verify, append(sign, ck.CKA_DERIVE))
	pair("EDDSA", ck.CKM_EC_EDWARDS_KEY_PAIR_GEN, attr(ck.CKA_EC_PARAMS, curves["edwards25519"].oid), verify, sign)
	pair("ML_DSA", ck.CKM_ML_DSA_KEY_PAIR_GEN, attr(ck.CKA_PARAMETER_SET, uint(ck.CKP_ML_DSA_44)), verify, sign)
	pair("SLH_DSA", ck.CKM_SLH_DSA_KEY_PAIR_GEN, attr(ck.CKA_PARAMETER_SET, uint(ck.CKP_SLH_DSA_SHA2_128F)), verify, sign)

	secret := func(family string, typ ck.KeyType, length int, uses ...ck.AttributeType) {
		h, err := k.p.CreateObject(k.h, withUses(uses, attr(ck.CKA_CLASS, uint(ck.CKO_SECRET_KEY)), attr(ck.CKA_KEY_TYPE, uint(typ)),
			attr(ck.CKA_VALUE, desKey[:length])))
		require.NoError(t, err, family)
		all[family] = keys{h, h}
	}
	cipher, mac := []ck.AttributeType{ck.CKA_ENCRYPT, ck.CKA_DECRYPT}, []ck.AttributeType{ck.CKA_SIGN, ck.CKA_VERIFY}
	secret("AES", ck.CKK_AES, 16, append(append(cipher, mac...), ck.CKA_WRAP, ck.CKA_UNWRAP)...)
	secret("CHACHA20", ck.CKK_CHACHA20, 32, cipher...)
	secret("DES", ck.CKK_DES, 8, ck.CKA_DECRYPT)
	secret("DES3", ck.CKK_DES3, 24, ck.CKA_DECRYPT, ck.CKA_VERIFY)
	secret("HKDF", ck.CKK_HKDF, 32, ck.CKA_DERIVE)
	secret("GENERIC", ck.CKK_GENERIC_SECRET, 32, append(mac, ck.CKA_DERIVE)...)
	return all
}

// desKey has the parity that DES keys have.
var desKey = []byte("\x01\x02\x04\x07\x08\x0b\x0d\x0e\x10\x13\x15\x16\x19\x1a\x1c\x1f\x20\x23\x25\x26\x29\x2a\x2c\x2f\x31\x32\x34\x37\x38\x3b\x3d\x3e")

func withUses(uses []ck.AttributeType, t ...*pkcs11.Attribute) []*pkcs11.Attribute {
	for _, use := range uses {
		t = append(t, attr(use, true))
	}
	return t
}

// good is the mechanism with its own parameter.
func (k *token) good(m ck.MechanismType, use ck.Flags, call func([]*pkcs11.Mechanism) error) error {
	return k.parameterFor(m, ck.ParameterKindOf(m), use).with(m, call)
}

func (k *token) playDigest(_ ck.MechanismType, p []*pkcs11.Mechanism) error {
	if err := k.p.DigestInit(k.h, p); err != nil {
		return err
	}
	_, err := k.p.Digest(k.h, message)
	return err
}

func (k *token) playGenerate(m ck.MechanismType, p []*pkcs11.Mechanism) error {
	var t []*pkcs11.Attribute
	switch m {
	case ck.CKM_AES_KEY_GEN, ck.CKM_GENERIC_SECRET_KEY_GEN, ck.CKM_HKDF_KEY_GEN:
		t = append(t, attr(ck.CKA_VALUE_LEN, 32))
	case ck.CKM_PKCS5_PBKD2:
		t = append(t, attr(ck.CKA_VALUE_LEN, 32), attr(ck.CKA_KEY_TYPE, uint(ck.CKK_AES)))
	}
	_, err := k.note(k.p.GenerateKey(k.h, p, t))
	return err
}

func (k *token) playGeneratePair(m ck.MechanismType, p []*pkcs11.Mechanism) error {
	public := map[ck.MechanismType]*pkcs11.Attribute{
		ck.CKM_RSA_PKCS_KEY_PAIR_GEN:      attr(ck.CKA_MODULUS_BITS, 2048),
		ck.CKM_EC_KEY_PAIR_GEN:            attr(ck.CKA_EC_PARAMS, curves["secp256r1"].oid),
		ck.CKM_EC_EDWARDS_KEY_PAIR_GEN:    attr(ck.CKA_EC_PARAMS, curves["edwards25519"].oid),
		ck.CKM_EC_MONTGOMERY_KEY_PAIR_GEN: attr(ck.CKA_EC_PARAMS, curves["curve25519"].oid),
		ck.CKM_ML_DSA_KEY_PAIR_GEN:        attr(ck.CKA_PARAMETER_SET, uint(ck.CKP_ML_DSA_44)),
		ck.CKM_ML_KEM_KEY_PAIR_GEN:        attr(ck.CKA_PARAMETER_SET, uint(ck.CKP_ML_KEM_512)),
		ck.CKM_SLH_DSA_KEY_PAIR_GEN:       attr(ck.CKA_PARAMETER_SET, uint(ck.CKP_SLH_DSA_SHA2_128F)),
	}
	a, b, err := k.p.GenerateKeyPair(k.h, p, []*pkcs11.Attribute{public[m]}, nil)
	if err == nil {
		k.made = append(k.made, a, b)
	}
	return err
}

// signing is the key that signs and that verifies: a new one of HOTP, whose counter
// moves on.
func (k *token) signing(m ck.MechanismType) (keys, error) {
	if m != ck.CKM_HOTP {
		return k.keys[family(m)], nil
	}
	h, err := k.note(k.p.GenerateKey(k.h, mechanism(ck.CKM_HOTP_KEY_GEN, nil),
		withUses([]ck.AttributeType{ck.CKA_SIGN, ck.CKA_VERIFY})))
	return keys{h, h}, err
}

func (k *token) playSign(m ck.MechanismType, p []*pkcs11.Mechanism) error {
	key, err := k.signing(m)
	if err != nil {
		return err
	}
	_, err = k.sign(m, p, key.private)
	return err
}

func (k *token) sign(m ck.MechanismType, p []*pkcs11.Mechanism, key pkcs11.ObjectHandle) ([]byte, error) {
	if err := k.p.SignInit(k.h, p, key); err != nil {
		return nil, err
	}
	if m == ck.CKM_HOTP {
		return k.p.SignFinal(k.h) // of no data
	}
	return k.p.Sign(k.h, messageFor(m))
}

// playVerify verifies a signature of the token's, or refuses one of zeros where the
// mechanism makes none.
func (k *token) playVerify(m ck.MechanismType, p []*pkcs11.Mechanism) error {
	key, err := k.signing(m)
	if err != nil {
		return err
	}
	signature := make([]byte, signatureLen(m))
	signs := k.offered.Has(ck.CKF_SIGN)
	if signs {
		err = k.good(m, ck.CKF_SIGN, func(p []*pkcs11.Mechanism) (err error) {
			if m == ck.CKM_HOTP {
				p = mechanism(m, nil) // for the digits alone
			}
			signature, err = k.sign(m, p, key.private)
			return err
		})
	}
	if err == nil {
		err = k.p.VerifyInit(k.h, p, key.public)
	}
	switch {
	case err != nil:
		return err
	case m == ck.CKM_HOTP:
		return k.p.VerifyFinal(k.h, signature)
	}
	err = k.p.Verify(k.h, messageFor(m), signature)
	if !signs && errors.Is(err, pkcs11.Error(ck.CKR_SIGNATURE_INVALID)) {
		return nil
	}
	return err
}

// signatureLen is the length of a signature that no use of the mechanism makes.
func signatureLen(m ck.MechanismType) int {
	switch family(m) {
	case "RSA":
		return 256
	case "EC":
		return 64
	}
	return 8
}

func (k *token) playSignRecover(m ck.MechanismType, p []*pkcs11.Mechanism) error {
	if err := k.p.SignRecoverInit(k.h, p, k.keys[family(m)].private); err != nil {
		return err
	}
	_, err := k.p.SignRecover(k.h, messageFor(m))
	return err
}

// playVerifyRecover begins in a session of its own: pkcs11.Ctx.VerifyRecover calls another
// function, so the operation cannot be ended. Hosts in C and the engine's tests end it.
func (k *token) playVerifyRecover(m ck.MechanismType, p []*pkcs11.Mechanism) error {
	slots, err := k.p.GetSlotList(true)
	if err != nil {
		return err
	}
	h, err := k.p.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	return errors.Join(k.p.VerifyRecoverInit(h, p, k.keys[family(m)].public), k.p.CloseSession(h))
}

func right(got, want []byte, err error) error {
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%x came back for %x", got, want)
	}
	return err
}

func (k *token) playEncrypt(m ck.MechanismType, p []*pkcs11.Mechanism) error {
	_, err := k.encrypt(m, p)
	return err
}

func (k *token) encrypt(m ck.MechanismType, p []*pkcs11.Mechanism) ([]byte, error) {
	if err := k.p.EncryptInit(k.h, p, k.keys[family(m)].public); err != nil {
		return nil, err
	}
	return k.p.Encrypt(k.h, messageFor(m))
}

func (k *token) playDecrypt(m ck.MechanismType, p []*pkcs11.Mechanism) error {
	encrypted, err := desEncrypt(m)
	if family(m) != "DES" && family(m) != "DES3" {
		err = k.good(m, ck.CKF_ENCRYPT, func(p []*pkcs11.Mechanism) (err error) {
			encrypted, err = k.encrypt(m, p)
			return err
		})
	}
	if err == nil {
		err = k.p.DecryptInit(k.h, p, k.keys[family(m)].private)
	}
	if err != nil {
		return err
	}
	data, err := k.p.Decrypt(k.h, encrypted)
	return right(data, messageFor(m), err)
}

// desEncrypt makes what no token makes any more.
func desEncrypt(m ck.MechanismType) ([]byte, error) {
	block, err := des.NewTripleDESCipher(desKey[:24])
	if family(m) == "DES" {
		block, err = des.NewCipher(desKey[:8])
	}
	if err != nil {
		return nil, err
	}
	data := bytes.Clone(message)
	if m == ck.CKM_DES_CBC_PAD || m == ck.CKM_DES3_CBC_PAD {
		data = append(data, bytes.Repeat([]byte{8}, 8)...)
	}
	if m == ck.CKM_DES_ECB || m == ck.CKM_DES3_ECB {
		for rest := data; len(rest) > 0; rest = rest[8:] {
			block.Encrypt(rest, rest)
		}
		return data, nil
	}
	cipher.NewCBCEncrypter(block, bytes.Repeat([]byte{7}, 8)).CryptBlocks(data, data)
	return data, nil
}

// secretTemplate is of a key that comes out of a mechanism.
var secretTemplate = []*pkcs11.Attribute{
	attr(ck.CKA_CLASS, uint(ck.CKO_SECRET_KEY)), attr(ck.CKA_KEY_TYPE, uint(ck.CKK_GENERIC_SECRET)),
}

func (k *token) playWrap(m ck.MechanismType, p []*pkcs11.Mechanism) error {
	_, err := k.wrap(m, p)
	return err
}

func (k *token) wrap(m ck.MechanismType, p []*pkcs11.Mechanism) ([]byte, error) {
	inner, err := k.note(k.p.CreateObject(k.h, append(secretTemplate[:2:2],
		attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true), attr(ck.CKA_VALUE, message))))
	if err != nil {
		return nil, err
	}
	return k.p.WrapKey(k.h, p, k.keys[family(m)].public, inner)
}

func (k *token) playUnwrap(m ck.MechanismType, p []*pkcs11.Mechanism) (err error) {
	var wrapped []byte
	wrap := func(p []*pkcs11.Mechanism) (err error) {
		wrapped, err = k.wrap(m, p)
		return err
	}
	if m == ck.CKM_AES_GCM || m == ck.CKM_AES_CCM {
		err = wrap(p) // which writes the nonce into the parameter
	} else {
		err = k.good(m, ck.CKF_WRAP, wrap)
	}
	if err != nil {
		return err
	}
	_, err = k.note(k.p.UnwrapKey(k.h, p, k.keys[family(m)].private, wrapped, secretTemplate))
	return err
}

func (k *token) playDerive(m ck.MechanismType, p []*pkcs11.Mechanism) error {
	t := append(secretTemplate[:2:2], attr(ck.CKA_VALUE_LEN, 16))
	if m == ck.CKM_HKDF_DATA {
		t = []*pkcs11.Attribute{attr(ck.CKA_CLASS, uint(ck.CKO_DATA)), attr(ck.CKA_VALUE_LEN, 16)}
	}
	_, err := k.note(k.p.DeriveKey(k.h, p, k.keys[family(m)].private, t))
	return err
}
