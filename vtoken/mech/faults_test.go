package mech

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"hash"
	"math/big"
	"testing"

	"github.com/cloudflare/circl/sign"
	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// broken is a provider's key of RSA and of an elliptic curve whose operations fail.
type broken struct {
	err error
	n   *big.Int
}

func (b broken) Public() *rsa.PublicKey                                    { return &rsa.PublicKey{N: b.n, E: 65537} }
func (b broken) Private([]byte) ([]byte, bool, error)                      { return nil, false, b.err }
func (b broken) SignPKCS1v15(crypto.Hash, []byte) ([]byte, error)          { return nil, b.err }
func (b broken) SignPSS(_, _ crypto.Hash, _ int, _ []byte) ([]byte, error) { return nil, b.err }
func (b broken) DecryptOAEP([]byte, *rsa.OAEPOptions) ([]byte, error)      { return nil, b.err }
func (b broken) RejectionSeed() [32]byte                                   { return [32]byte{} }
func (b broken) Wipe()                                                     {}
func (b broken) Curve() object.Curve                                       { return object.Curves()[1] }
func (b broken) Sign([]byte) ([]byte, error)                               { return nil, b.err }
func (b broken) Agree(crypto.PublicKey) ([]byte, error)                    { return nil, b.err }

// ofBits is an odd number of that many bits.
func ofBits(n int) *big.Int {
	return new(big.Int).SetBit(new(big.Int).SetBit(new(big.Int), n-1, 1), 0, 1)
}

// An error of the provider is the operation's. It has its code, or says that the function failed.
func TestErrorsOfProviders(t *testing.T) {
	for fault, code := range map[error]ck.Error{
		errors.New("a bad day"): ck.CKR_FUNCTION_FAILED, ck.CKR_DEVICE_ERROR: ck.CKR_DEVICE_ERROR,
	} {
		b := broken{fault, ofBits(2048)}
		private := &Key{Class: ck.CKO_PRIVATE_KEY, Type: ck.CKK_RSA, RSA: b}
		pss := ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA256, SLen: 32}
		for _, c := range []struct {
			m ck.MechanismType
			k *Key
			p ck.Parameter
		}{
			{ck.CKM_RSA_PKCS, private, nil}, {ck.CKM_SHA256_RSA_PKCS, private, nil}, {ck.CKM_RSA_X_509, private, nil},
			{ck.CKM_RSA_PKCS_PSS, private, pss}, {ck.CKM_SHA256_RSA_PKCS_PSS, private, pss},
			{ck.CKM_ECDSA, &Key{Class: ck.CKO_PRIVATE_KEY, Type: ck.CKK_EC, EC: b}, nil},
		} {
			d, _ := Lookup(c.m)
			s, err := d.Sign(c.k, c.p)
			require.NoError(t, err)
			require.NoError(t, s.Update(make([]byte, 32)))
			out, err := s.Final()
			require.Equal(t, code, ck.CodeOf(err), "%v: %v", c.m, err)
			require.ErrorIs(t, err, fault, "%v", c.m)
			require.Nil(t, out)
		}
		for _, m := range []ck.MechanismType{ck.CKM_RSA_PKCS, ck.CKM_RSA_X_509} {
			d, _ := Lookup(m)
			c, err := d.Decrypt(private, nil)
			require.NoError(t, err)
			_, err = c.Update(make([]byte, 256))
			require.NoError(t, err)
			_, err = c.Final()
			require.Equal(t, code, ck.CodeOf(err), "%v: %v", m, err)
		}
	}
}

// Keys of lengths that no object has are refused.
func TestKeysOfWrongSize(t *testing.T) {
	for n, want := range map[int]ck.Error{15: ck.CKR_KEY_SIZE_RANGE, 16: ck.CKR_OK, 31: ck.CKR_KEY_SIZE_RANGE,
		32: ck.CKR_OK} {
		k := &Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_AES, Secret: make([]byte, n)}
		_, err := aesBlock(k)
		require.Equal(t, want, ck.CodeOf(err), "%d bytes", n)
		k.Type = ck.CKK_CHACHA20
		if n == 16 {
			want = ck.CKR_KEY_SIZE_RANGE
		}
		_, err = newChaCha(k, ck.ChaCha20Poly1305Params{Nonce: make([]byte, 12)})
		require.Equal(t, want, ck.CodeOf(err), "%d bytes", n)
	}
	for bits, want := range map[int]ck.Error{
		1023: ck.CKR_KEY_SIZE_RANGE, 1024: ck.CKR_OK, 8192: ck.CKR_OK, 8193: ck.CKR_KEY_SIZE_RANGE,
	} {
		public := &Key{Class: ck.CKO_PUBLIC_KEY, Type: ck.CKK_RSA, RSAPublic: &rsa.PublicKey{N: ofBits(bits), E: 65537}}
		private := &Key{Class: ck.CKO_PRIVATE_KEY, Type: ck.CKK_RSA, RSA: broken{nil, ofBits(bits)}}
		for _, m := range []ck.MechanismType{ck.CKM_RSA_PKCS, ck.CKM_SHA256_RSA_PKCS, ck.CKM_RSA_X_509} {
			d, _ := Lookup(m)
			_, err := d.Verify(public, nil)
			require.Equal(t, want, ck.CodeOf(err), "%v with %d bits", m, bits)
			_, err = d.Sign(private, nil)
			require.Equal(t, want, ck.CodeOf(err), "%v with %d bits", m, bits)
			if d.Encrypt != nil {
				_, err = d.Encrypt(public, nil)
				require.Equal(t, want, ck.CodeOf(err), "%v with %d bits", m, bits)
			}
		}
	}
}

// What is no signature in DER, or none of the curve, is not taken apart.
func TestSignaturesThatAreNoDER(t *testing.T) {
	good := []byte{0x30, 6, 2, 1, 1, 2, 1, 2}
	out, ok := rawSignature(good, 2)
	require.True(t, ok)
	require.Equal(t, []byte{0, 1, 0, 2}, out)
	long := append([]byte{0x30, 0x81, 6}, good[2:]...)
	_, ok = rawSignature(long, 2)
	require.True(t, ok)
	for name, der := range map[string][]byte{
		"nothing":            {},
		"a tag":              {0x30},
		"another tag":        append([]byte{0x31}, good[1:]...),
		"a byte more":        append(bytes.Clone(good), 0),
		"a byte less":        good[:7],
		"one number":         {0x30, 3, 2, 1, 1},
		"three numbers":      {0x30, 9, 2, 1, 1, 2, 1, 2, 2, 1, 3},
		"a number too large": {0x30, 8, 2, 3, 1, 0, 0, 2, 1, 2},
		"a bit string":       {0x30, 6, 3, 1, 1, 2, 1, 2},
		"indefinite":         append([]byte{0x30, 0x80}, good[2:]...),
		"two bytes long":     append([]byte{0x30, 0x82, 0, 6}, good[2:]...),
		"length cut off":     {0x30, 0x81},
	} {
		_, ok := rawSignature(der, 2)
		require.False(t, ok, name)
	}
	_, ok = rawSignature([]byte{0x30, 9, 2, 3, 0, 1, 2, 2, 2, 0, 3}, 2)
	require.True(t, ok, "zeroes in front of a number are none of it")
}

// An encoding of PSS with bits that no number below the modulus has is refused.
func TestPSSBitsAboveTheModulus(t *testing.T) {
	h, _ := hashOf(ck.CKM_SHA256)
	v := pss{h, h, 4}
	digest := make([]byte, 32)
	for _, bits := range []int{2047, 2045, 2041} {
		em := v.encode(digest, []byte("salt"), bits)
		require.True(t, v.matches(em, digest, bits))
		for bit := range 8 {
			bad := bytes.Clone(em)
			bad[0] ^= 1 << bit
			require.False(t, v.matches(bad, digest, bits), "%d bits: bit %d", bits, bit)
		}
		require.False(t, v.matches(em[1:], digest, bits), "a byte less")
		require.False(t, v.matches(append([]byte{1}, em...), digest, bits), "a number in front")
		require.True(t, v.matches(append([]byte{0}, em...), digest, bits), "a zero in front")
		require.False(t, (pss{h, h, 5}).matches(em, digest, bits), "a salt of another length")
	}
	require.False(t, v.matches(make([]byte, 37), digest, 8*37), "too short for the hash and the salt")
	d, _ := Lookup(ck.CKM_RSA_PKCS_PSS)
	public := &Key{Class: ck.CKO_PUBLIC_KEY, Type: ck.CKK_RSA, RSAPublic: &rsa.PublicKey{N: ofBits(2048), E: 65537}}
	p := ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA256, SLen: 32}
	for n, want := range map[int]ck.Error{31: ck.CKR_DATA_LEN_RANGE, 32: ck.CKR_SIGNATURE_INVALID} {
		verify, err := d.Verify(public, p)
		require.NoError(t, err)
		require.NoError(t, verify.Update(make([]byte, n)))
		require.Equal(t, want, ck.CodeOf(verify.Final(make([]byte, 256))), "%d bytes", n)
	}
	for salt, want := range map[uint64]ck.Error{256 - 32 - 2: ck.CKR_OK, 256 - 32 - 1: ck.CKR_MECHANISM_PARAM_INVALID} {
		p.SLen = salt
		_, err := d.Verify(public, p)
		require.Equal(t, want, ck.CodeOf(err), "a salt of %d bytes", salt)
	}
}

// OAEP takes a hash, a mask and a label that it knows.
func TestParametersOfOAEP(t *testing.T) {
	d, _ := Lookup(ck.CKM_RSA_PKCS_OAEP)
	public := &Key{Class: ck.CKO_PUBLIC_KEY, Type: ck.CKK_RSA, RSAPublic: &rsa.PublicKey{N: ofBits(2048), E: 65537}}
	good := ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA1, Source: ck.CKZ_DATA_SPECIFIED}
	for name, c := range map[string]struct {
		change func(*ck.RSAPkcsOaepParams)
		want   ck.Error
	}{
		"good": {func(*ck.RSAPkcsOaepParams) {}, ck.CKR_OK},
		"another hash": {func(p *ck.RSAPkcsOaepParams) { p.HashAlg = ck.CKM_MD5 },
			ck.CKR_MECHANISM_PARAM_INVALID},
		"another mask": {func(p *ck.RSAPkcsOaepParams) { p.MGF = 99 }, ck.CKR_MECHANISM_PARAM_INVALID},
		"no source":    {func(p *ck.RSAPkcsOaepParams) { p.Source = 0 }, ck.CKR_OK},
		"no source with a label": {func(p *ck.RSAPkcsOaepParams) { p.Source, p.SourceData = 0, []byte{1} },
			ck.CKR_MECHANISM_PARAM_INVALID},
		"another source": {func(p *ck.RSAPkcsOaepParams) { p.Source = 2 }, ck.CKR_MECHANISM_PARAM_INVALID},
		"a label":        {func(p *ck.RSAPkcsOaepParams) { p.SourceData = []byte{1} }, ck.CKR_OK},
	} {
		p := good
		c.change(&p)
		cipher, err := d.Encrypt(public, p)
		require.Equal(t, c.want, ck.CodeOf(err), name)
		if err == nil {
			_, err = cipher.Update(make([]byte, 256-2*32-2))
			require.NoError(t, err)
			_, err = cipher.Update([]byte{1})
			require.Equal(t, ck.CKR_DATA_LEN_RANGE, ck.CodeOf(err), name)
		}
	}
}

// A number that is not below the modulus is not encrypted by itself.
func TestRawEncryptionOfTooMuch(t *testing.T) {
	d, _ := Lookup(ck.CKM_RSA_X_509)
	n := ofBits(2048)
	public := &Key{Class: ck.CKO_PUBLIC_KEY, Type: ck.CKK_RSA, RSAPublic: &rsa.PublicKey{N: n, E: 65537}}
	for _, c := range []struct {
		in   *big.Int
		want ck.Error
	}{{new(big.Int).Sub(n, big.NewInt(1)), ck.CKR_OK}, {n, ck.CKR_DATA_INVALID}} {
		cipher, err := d.Encrypt(public, nil)
		require.NoError(t, err)
		_, err = cipher.Update(c.in.Bytes())
		require.NoError(t, err)
		_, err = cipher.Final()
		require.Equal(t, c.want, ck.CodeOf(err))
	}
}

// No mechanism is listed twice: the later one would hide the other.
func TestMechanismsAreListedOnce(t *testing.T) {
	require.Len(t, List(), len(all()))
	require.Len(t, registry.byType, len(all()))
}

// A pair of RSA keys is made of good numbers only.
func TestTemplatesOfRSAPairs(t *testing.T) {
	bits := func(n uint64) ck.Template { return ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, n)} }
	for name, c := range map[string]struct {
		p    ck.Parameter
		t    ck.Template
		want ck.Error
	}{
		"a parameter": {ck.MACGeneralParams(1), bits(2048), ck.CKR_MECHANISM_PARAM_INVALID},
		"no bits":     {nil, nil, ck.CKR_TEMPLATE_INCOMPLETE},
		"bits of 4 bytes": {nil, ck.Template{ck.Bytes(ck.CKA_MODULUS_BITS, make([]byte, 4))},
			ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"few bits":         {nil, bits(1016), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"many bits":        {nil, bits(8200), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"no whole bytes":   {nil, bits(2047), ck.CKR_OK},
		"another exponent": {nil, append(bits(1024), ck.Bytes(ck.CKA_PUBLIC_EXPONENT, []byte{3})), ck.CKR_OK},
		"an even exponent": {nil, append(bits(1024), ck.Bytes(ck.CKA_PUBLIC_EXPONENT, []byte{1, 0, 0})),
			ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"the good exponent": {nil, append(bits(1024), ck.Bytes(ck.CKA_PUBLIC_EXPONENT, []byte{0, 1, 0, 1})), ck.CKR_OK},
	} {
		_, _, err := generateRSA(c.p, c.t, nil, nil)
		require.Equal(t, c.want, ck.CodeOf(err), "%s: %v", name, err)
	}
	enough := errors.New("enough")
	_, _, err := generateRSA(nil, bits(1024), nil, func() error { return enough })
	require.ErrorIs(t, err, enough)
	require.Equal(t, ck.CKR_FUNCTION_FAILED, ck.CodeOf(err))
}

// Numbers that make no key are refused where they are prepared.
func TestNumbersThatAreNoModulus(t *testing.T) {
	one := big.NewInt(1)
	_, err := newRawPublic(&rsa.PublicKey{N: one, E: 65537})
	require.Equal(t, ck.CKR_KEY_SIZE_RANGE, ck.CodeOf(err))
	good, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for name, change := range map[string]func(*rsa.PrivateKey){
		"modulus":      func(k *rsa.PrivateKey) { k.N = one },
		"first prime":  func(k *rsa.PrivateKey) { k.Primes = []*big.Int{one, k.Primes[1]} },
		"second prime": func(k *rsa.PrivateKey) { k.Primes = []*big.Int{k.Primes[0], one} },
		"coefficient":  func(k *rsa.PrivateKey) { k.Precomputed.Qinv = k.Primes[0] },
	} {
		key := *good
		change(&key)
		_, err := newRawPrivate(&key)
		require.Equal(t, ck.CKR_KEY_SIZE_RANGE, ck.CodeOf(err), name)
		_, _, err = (&goRSA{key: &key}).Private([]byte{1})
		require.Equal(t, ck.CKR_KEY_SIZE_RANGE, ck.CodeOf(err), name)
	}
}

// muteHash cannot tell its state.
type muteHash struct{ hash.Hash }

func (muteHash) MarshalBinary() ([]byte, error) { return nil, errors.New("no") }

// What has no state to tell says so.
func TestStatesThatAreNotTold(t *testing.T) {
	_, err := SaveHash(muteHash{})
	require.Equal(t, ck.CKR_STATE_UNSAVEABLE, ck.CodeOf(err))
	require.ErrorIs(t, signTo(nil, nil, nil, false, nil), sign.ErrTypeMismatch)
}
