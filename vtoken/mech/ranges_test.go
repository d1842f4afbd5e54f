package mech_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

// sized is a key pair, or twice the same secret key, with its size in the unit of the mechanisms.
type sized struct {
	priv, pub *mech.Key
	size      uint64
	point     []byte // of the public key, where it is one on a curve
}

// rsaSizes are at the least size, and of every remainder that counts: for the bytes of the modulus,
// and for the bits of its first byte. Larger ones take long and are in tests/vectors.
var rsaSizes = []int{1024, 1025, 1031, 2047, 2048, 2049, 2052, 3092}

// rsaKeysOfSizes are made once, by the mechanism.
var rsaKeysOfSizes = sync.OnceValues(func() (keys []*rsa.PrivateKey, err error) {
	for _, bits := range rsaSizes {
		key, err := mech.GenerateRSA(bits, nil)
		if err != nil {
			return nil, fmt.Errorf("%d bits: %w", bits, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
})

// keysOfType are keys of a type of all sizes that count, within the range.
func keysOfType(t *testing.T, typ ck.KeyType, least, most uint64) (list []sized) {
	t.Helper()
	pair := func(private crypto.PrivateKey, size uint64) {
		tpl, err := object.PrivateTemplate(private)
		require.NoError(t, err)
		o, err := object.Build(object.Source{MinRSABits: object.MinRSABits}, tpl)
		require.NoError(t, err)
		priv, pub := pairOf(t, o)
		list = append(list, sized{priv, pub, size, o.Attrs.Get(ck.CKA_EC_POINT)})
	}
	secrets := func(sizes ...int) {
		for _, n := range sizes {
			if uint64(n) < least || uint64(n) > most {
				continue
			}
			value := bytes.Repeat([]byte{7}, n)
			k := secretKey(t, typ, value)
			list = append(list, sized{priv: k, pub: k, size: uint64(n)})
		}
	}
	switch typ {
	case ck.CKK_RSA:
		keys, err := rsaKeysOfSizes()
		require.NoError(t, err)
		for _, key := range keys {
			pair(key, uint64(key.N.BitLen()))
		}
	case ck.CKK_EC, ck.CKK_EC_EDWARDS, ck.CKK_EC_MONTGOMERY:
		for _, c := range curves(typ) {
			key, err := c.Generate()
			require.NoError(t, err)
			bits := map[string]uint64{"P-224": 224, "P-256": 256, "P-384": 384, "P-521": 521, "secp256k1": 256,
				"edwards25519": 255, "curve25519": 255, "edwards448": 448, "curve448": 448}[c.Name]
			pair(key, bits)
		}
	case ck.CKK_ML_KEM, ck.CKK_ML_DSA, ck.CKK_SLH_DSA:
		for _, s := range quickSets() {
			if s.KeyType == typ {
				key := s.Generate()
				public, err := key.Public()
				require.NoError(t, err)
				tpl, err := object.PublicTemplate(public)
				require.NoError(t, err)
				value, _ := tpl.Find(ck.CKA_VALUE)
				pair(key, uint64(len(value.Value)))
			}
		}
	case ck.CKK_AES:
		secrets(16, 24, 32)
	case ck.CKK_CHACHA20:
		secrets(32)
	case ck.CKK_DES:
		secrets(8)
	case ck.CKK_DES2:
		secrets(16)
	case ck.CKK_DES3:
		secrets(24)
	case ck.CKK_HOTP:
	default:
		secrets(int(least), 2, 17, 63, 64, 65, 127, 128, 129, 1001, int(most)-1, int(most))
	}
	return list
}

// goodParameter is a parameter that the mechanism takes with the key.
func goodParameter(m ck.MechanismType, with sized, data []byte) ck.Parameter {
	switch ck.ParameterKindOf(m) {
	case ck.ParamBytes:
		switch m {
		case ck.CKM_AES_KEY_WRAP, ck.CKM_AES_KEY_WRAP_PAD, ck.CKM_AES_KEY_WRAP_KWP:
			return nil
		case ck.CKM_AES_CBC, ck.CKM_AES_CBC_PAD:
			return ck.RawParameter(make([]byte, 16))
		}
		return ck.RawParameter(make([]byte, 8))
	case ck.ParamPSS:
		for _, h := range hashRows() {
			if h.rsaPSS == m {
				return ck.RSAPkcsPssParams{HashAlg: h.digest, MGF: h.mgf, SLen: min(uint64(h.size), (with.size+6)/8-uint64(h.size)-2)}
			}
		}
		return ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA3_224, SLen: 20}
	case ck.ParamOAEP:
		return ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA1, Source: ck.CKZ_DATA_SPECIFIED}
	case ck.ParamECDH1:
		return ck.ECDH1DeriveParams{KDF: ck.CKD_NULL, PublicData: with.point}
	case ck.ParamAESCtr:
		return ck.AESCtrParams{CounterBits: 128}
	case ck.ParamGCM, ck.ParamGMAC:
		return ck.GCMParams{IV: make([]byte, 12), TagBits: 128}
	case ck.ParamCCM:
		return ck.CCMParams{DataLen: uint64(len(data)), Nonce: make([]byte, 12), MACLen: 8}
	case ck.ParamChaCha20Poly1305:
		return ck.ChaCha20Poly1305Params{Nonce: make([]byte, 12)}
	case ck.ParamMACGeneral:
		return ck.MACGeneralParams(4)
	case ck.ParamHKDF:
		return ck.HKDFParams{Extract: true, Expand: true, PRF: ck.CKM_SHA256, SaltType: uint64(ck.CKF_HKDF_SALT_NULL)}
	case ck.ParamSP800108:
		prf := ck.CKM_SHA256_HMAC
		if with.priv.Type == ck.CKK_AES {
			prf = ck.CKM_AES_CMAC
		}
		for _, h := range append(hashRows(), hashRow{hmac: ck.CKM_MD5_HMAC}) {
			if d, _ := mech.Lookup(h.hmac); d.KeyTypes[1] == with.priv.Type { // the hash's own
				prf = h.hmac
			}
		}
		return ck.SP800108Params{PRF: prf, Data: []ck.PRFData{{Type: ck.SP800108IterationVariable, WidthBits: 32}}}
	}
	return nil
}

// goodData is what the mechanism signs and encrypts.
func goodData(m ck.MechanismType) []byte {
	switch m {
	case ck.CKM_RSA_X_509:
		return []byte("a number")
	case ck.CKM_RSA_PKCS_PSS, ck.CKM_ECDSA:
		return bytes.Repeat([]byte{9}, 32)
	}
	return bytes.Repeat([]byte("one row of text!"), 3)
}

// Every mechanism does all that it offers with every type of key that it takes, of every size that
// it tells of.
func TestEveryKeyOfAMechanism(t *testing.T) {
	for _, m := range mech.List() {
		d := lookup(t, m)
		uses := d.Info().Flags &^ (ck.CKF_GENERATE | ck.CKF_GENERATE_KEY_PAIR | ck.CKF_DIGEST)
		if m == ck.CKM_HOTP || d.Sign == nil && d.Verify == nil && d.Encrypt == nil && d.Decrypt == nil && d.Wrap == nil && d.Derive == nil && d.Encapsulate == nil {
			continue // a test of its own, or no use of a key
		}
		for _, typ := range d.KeyTypes {
			keys := keysOfType(t, typ, d.MinKeySize, d.MaxKeySize)
			require.NotEmpty(t, keys, "%v (%x) with %v: no key to try", m, uses, typ)
			for _, k := range keys {
				require.GreaterOrEqual(t, k.size, d.MinKeySize, "%v with %v", m, typ)
				require.LessOrEqual(t, k.size, d.MaxKeySize, "%v with %v", m, typ)
				t.Run(fmt.Sprintf("%v/%v_%d", m, typ, k.size), func(t *testing.T) { exercise(t, d, k) })
			}
		}
	}
}

// exercise makes every use of the mechanism that takes a key.
func exercise(t *testing.T, d *mech.Descriptor, k sized) {
	m, data := d.Type, goodData(d.Type)
	p := goodParameter(m, k, data)
	switch {
	case d.Sign != nil:
		require.NoError(t, verify(t, m, k.pub, p, sign(t, m, k.priv, p, data), data))
	case d.Verify != nil:
		v, err := d.Verify(k.pub, p)
		require.NoError(t, err)
		require.NoError(t, v.Update(data))
		wantCode(t, v.Final(make([]byte, map[bool]int{true: 4, false: 8}[p != nil])), ck.CKR_SIGNATURE_INVALID)
	}
	if d.SignRecover != nil {
		s, err := d.SignRecover(k.priv, p)
		require.NoError(t, err)
		require.NoError(t, s.Update(data))
		signature, err := s.Final()
		require.NoError(t, err)
		require.True(t, bytes.HasSuffix(mustRun(t, d.VerifyRecover, k.pub, p, signature), data))
	}
	switch {
	case d.Encrypt != nil:
		decrypted := mustRun(t, d.Decrypt, k.priv, p, mustRun(t, d.Encrypt, k.pub, p, data))
		require.True(t, bytes.HasSuffix(decrypted, data))
	case d.Decrypt != nil:
		_, err := d.Decrypt(k.priv, p)
		require.NoError(t, err)
	}
	if d.Wrap != nil && d.Encrypt == nil || m == ck.CKM_RSA_PKCS_OAEP { // AEADs wrap with the parameters of messages
		wrapped, err := d.Wrap(k.pub, p, data)
		require.NoError(t, err)
		back, err := d.Unwrap(k.priv, p, wrapped)
		require.NoError(t, err)
		require.Equal(t, data, back)
	}
	if d.Derive != nil {
		made, err := d.Derive(k.priv, p, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))})
		require.NoError(t, err)
		value, _ := made.Find(ck.CKA_VALUE)
		require.Len(t, value.Value, 16)
	}
	if d.Encapsulate != nil {
		ciphertext, one, err := d.Encapsulate(k.pub, p, nil)
		require.NoError(t, err)
		two, err := d.Decapsulate(k.priv, p, ciphertext, nil)
		require.NoError(t, err)
		require.Equal(t, one, two)
	}
}

// Every mechanism that makes keys makes those of the least, the largest and of odd sizes, and none
// beyond.
func TestEverySizeThatIsMade(t *testing.T) {
	password := ck.PBKD2Params{SaltSource: ck.CKZ_SALT_SPECIFIED, Salt: []byte("salt"), Iterations: 1, PRF: ck.CKP_PKCS5_PBKD2_HMAC_SHA256, Password: []byte("p")}
	for _, m := range mech.List() {
		d := lookup(t, m)
		if d.GenerateKey == nil {
			continue
		}
		make := func(typ ck.KeyType, n uint64) error {
			tpl := ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, n), ck.Ulong(ck.CKA_KEY_TYPE, typ)}
			var p ck.Parameter
			if m == ck.CKM_PKCS5_PBKD2 {
				p = password
			}
			made, err := d.GenerateKey(p, tpl, noPause)
			if err != nil {
				return err
			}
			_, err = object.Build(object.Source{Origin: object.Generate, Mechanism: m, Made: made}, tpl)
			return err
		}
		for _, typ := range d.KeyTypes {
			least, most := d.MinKeySize, d.MaxKeySize
			sizes := []uint64{least, least + 1, 17, 63, 64, 65, 129, 1001, most - 1, most}
			switch typ {
			case ck.CKK_AES:
				sizes = []uint64{16, 24, 32}
			case ck.CKK_CHACHA20:
				sizes = []uint64{32}
			}
			for _, n := range sizes {
				require.NoError(t, make(typ, n), "%v of type %v with %d bytes", m, typ, n)
			}
			for _, n := range []uint64{least - 1, most + 1, 1 << 40} {
				require.Equal(t, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CodeOf(make(typ, n)), "%v of type %v with %d bytes", m, typ, n)
			}
		}
	}
}

// RSA pairs are made of every size between the least and the largest, and with every odd exponent
// from 3.
func TestEveryRSAPair(t *testing.T) {
	d := lookup(t, ck.CKM_RSA_PKCS_KEY_PAIR_GEN)
	pair := func(bits uint64, exponent []byte) (*object.Object, error) {
		tpl := ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, bits)}
		if exponent != nil {
			tpl = append(tpl, ck.Bytes(ck.CKA_PUBLIC_EXPONENT, exponent))
		}
		pub, priv, err := d.GenerateKeyPair(nil, tpl, nil, nil)
		if err != nil {
			return nil, err
		}
		public, err := object.Build(object.Source{Origin: object.Generate, Mechanism: d.Type, Made: pub}, tpl)
		require.NoError(t, err)
		made, ok := public.RSABits()
		require.True(t, ok)
		require.Equal(t, bits, made)
		return object.Build(object.Source{Origin: object.Generate, Mechanism: d.Type, Made: priv, MinRSABits: object.MinRSABits}, nil)
	}
	for _, bits := range rsaSizes {
		_, err := pair(uint64(bits), nil)
		require.NoError(t, err, "%d bits", bits)
	}
	for _, exponent := range [][]byte{{3}, {5}, {9}, {17}, {35}, {1, 1}, {1, 0, 1}, {0, 0, 3}, {1, 0, 3}, {0x7f, 0xff, 0xff, 0xff}} {
		for _, bits := range []uint64{1024, 1025} {
			o, err := pair(bits, exponent)
			require.NoError(t, err, "exponent %x", exponent)
			require.Equal(t, bytes.TrimLeft(exponent, "\x00"), o.Attrs.Get(ck.CKA_PUBLIC_EXPONENT))
			priv, pub := pairOf(t, o)
			for _, m := range []ck.MechanismType{ck.CKM_SHA256_RSA_PKCS, ck.CKM_SHA256_RSA_PKCS_PSS, ck.CKM_RSA_PKCS_OAEP, ck.CKM_RSA_X_509} {
				exercise(t, lookup(t, m), sized{priv: priv, pub: pub, size: bits})
			}
		}
	}
	for _, exponent := range [][]byte{{}, {0}, {1}, {2}, {4}, {1, 0, 0}, bytes.Repeat([]byte{255}, 9), {1, 0, 0, 0, 0, 0, 0, 0, 1}} {
		_, err := pair(1024, exponent)
		require.Equal(t, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CodeOf(err), "exponent %x", exponent)
	}
	for _, bits := range []uint64{0, 1023, 8193, 1 << 40} {
		_, err := pair(bits, nil)
		require.Equal(t, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CodeOf(err), "%d bits", bits)
	}
}

// HKDF makes up to 255 hashes of a key and of data, with every hash, and no byte more.
func TestMostOfHKDF(t *testing.T) {
	base := secretKey(t, ck.CKK_HKDF, random(32))
	for _, h := range hashRows() {
		p := ck.HKDFParams{Extract: true, Expand: true, PRF: h.digest, SaltType: uint64(ck.CKF_HKDF_SALT_NULL)}
		for _, m := range []ck.MechanismType{ck.CKM_HKDF_DERIVE, ck.CKM_HKDF_DATA} {
			tpl := ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(255*h.size))}
			made, err := lookup(t, m).Derive(base, p, tpl)
			require.NoError(t, err, "%v with %v", m, h.digest)
			o, err := object.Build(object.Source{Origin: object.Derive, Made: made}, tpl)
			require.NoError(t, err, "%v with %v", m, h.digest)
			value, _ := made.Find(ck.CKA_VALUE)
			require.Len(t, value.Value, 255*h.size)
			if m == ck.CKM_HKDF_DERIVE {
				n, _ := o.Attrs.Ulong(ck.CKA_VALUE_LEN)
				require.EqualValues(t, 255*h.size, n)
			}
			_, err = lookup(t, m).Derive(base, p, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(255*h.size+1))})
			require.Contains(t, []ck.Error{ck.CKR_KEY_SIZE_RANGE, ck.CKR_ATTRIBUTE_VALUE_INVALID}, ck.CodeOf(err), "%v with %v", m, h.digest)
		}
	}
}
