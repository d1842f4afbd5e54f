package mech_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"

	"github.com/stretchr/testify/require"
)

// testRSA is one key for all tests: making one takes long.
var testRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

// parsed goes the whole way from a template to a key.
func parsed(t testing.TB, tpl ck.Template, err error) *mech.Key {
	t.Helper()
	require.NoError(t, err)
	o, err := object.Build(object.Source{}, tpl)
	require.NoError(t, err)
	k, err := mech.ParseKey(o, provider(t))
	require.NoError(t, err)
	return k
}

func privateKey(t testing.TB, key crypto.PrivateKey) *mech.Key {
	t.Helper()
	tpl, err := object.PrivateTemplate(key)
	return parsed(t, tpl, err)
}

func publicKey(t testing.TB, key crypto.PublicKey) *mech.Key {
	t.Helper()
	tpl, err := object.PublicTemplate(key)
	return parsed(t, tpl, err)
}

func secretKey(t testing.TB, kt ck.KeyType, value []byte) *mech.Key {
	t.Helper()
	return parsed(t, ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, kt), ck.Bytes(ck.CKA_VALUE, value),
	}, nil)
}

func ecKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	require.NoError(t, err)
	return key
}

// curves are those with keys of a type.
func curves(kt ck.KeyType) (list []object.Curve) {
	for _, c := range object.Curves() {
		if c.KeyType == kt {
			list = append(list, c)
		}
	}
	return list
}

// pairOn is a new key pair on a curve.
func pairOn(t testing.TB, c object.Curve) (priv, pub *mech.Key) {
	t.Helper()
	key, err := c.Generate()
	require.NoError(t, err)
	return privateKey(t, key), publicKey(t, c.Public(key))
}

func lookup(t testing.TB, m ck.MechanismType) *mech.Descriptor {
	t.Helper()
	d, ok := mech.Lookup(m)
	require.True(t, ok, "no mechanism %v", m)
	return d
}

// pieces cuts data at random places, empty pieces included.
func pieces(data []byte) (list [][]byte) {
	for len(data) > 0 {
		n := mathrand.IntN(min(len(data), 40) + 1)
		list, data = append(list, data[:n]), data[n:]
	}
	return append(list, nil)
}

func sign(t testing.TB, m ck.MechanismType, k *mech.Key, p ck.Parameter, parts ...[]byte) []byte {
	t.Helper()
	s, err := lookup(t, m).Sign(k, p)
	require.NoError(t, err)
	for _, part := range parts {
		require.NoError(t, s.Update(part))
	}
	sig, err := s.Final()
	require.NoError(t, err)
	require.Len(t, sig, s.Len(), "%v: signature has %d bytes, told %d", m, len(sig), s.Len())
	return sig
}

func verify(t testing.TB, m ck.MechanismType, k *mech.Key, p ck.Parameter, sig []byte, parts ...[]byte) error {
	t.Helper()
	v, err := lookup(t, m).Verify(k, p)
	require.NoError(t, err)
	for _, part := range parts {
		if err := v.Update(part); err != nil {
			return err
		}
	}
	return v.Final(sig)
}

type startFunc func(*mech.Key, ck.Parameter) (mech.Cipher, error)

// run puts parts through a cipher and checks the lengths that it tells.
func run(t testing.TB, start startFunc, k *mech.Key, p ck.Parameter, parts ...[]byte) ([]byte, error) {
	t.Helper()
	c, err := start(k, p)
	require.NoError(t, err)
	var out []byte
	for _, part := range parts {
		want := c.UpdateLen(len(part))
		o, err := c.Update(part)
		if err != nil {
			return nil, err
		}
		if len(o) != want {
			t.Errorf("Update puts out %d bytes, told %d", len(o), want)
		}
		out = append(out, o...)
	}
	most := c.FinalLen(0)
	o, err := c.Final()
	require.LessOrEqual(t, len(o), most, "Final puts out %d bytes, told at most %d", len(o), most)
	return append(out, o...), err
}

func mustRun(t testing.TB, start startFunc, k *mech.Key, p ck.Parameter, parts ...[]byte) []byte {
	t.Helper()
	out, err := run(t, start, k, p, parts...)
	require.NoError(t, err)
	return out
}

// suites are for every mechanism a key and parameter that it works with.
type suite struct {
	m         ck.MechanismType
	priv, pub *mech.Key
	p         ck.Parameter
	maxData   int // 0 where there is no bound
	unit      int // data is a multiple of it
}

type hashRow struct {
	digest, rsaPKCS, rsaPSS, ecdsa, hmac, general ck.MechanismType
	size                                          int
	mgf                                           uint64
}

func hashRows() []hashRow {
	return []hashRow{
		{ck.CKM_SHA_1, ck.CKM_SHA1_RSA_PKCS, ck.CKM_SHA1_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA1, ck.CKM_SHA_1_HMAC, ck.CKM_SHA_1_HMAC_GENERAL, 20, ck.CKG_MGF1_SHA1},
		{ck.CKM_SHA224, ck.CKM_SHA224_RSA_PKCS, ck.CKM_SHA224_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA224, ck.CKM_SHA224_HMAC, ck.CKM_SHA224_HMAC_GENERAL, 28, ck.CKG_MGF1_SHA224},
		{ck.CKM_SHA256, ck.CKM_SHA256_RSA_PKCS, ck.CKM_SHA256_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA256, ck.CKM_SHA256_HMAC, ck.CKM_SHA256_HMAC_GENERAL, 32, ck.CKG_MGF1_SHA256},
		{ck.CKM_SHA384, ck.CKM_SHA384_RSA_PKCS, ck.CKM_SHA384_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA384, ck.CKM_SHA384_HMAC, ck.CKM_SHA384_HMAC_GENERAL, 48, ck.CKG_MGF1_SHA384},
		{ck.CKM_SHA512, ck.CKM_SHA512_RSA_PKCS, ck.CKM_SHA512_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA512, ck.CKM_SHA512_HMAC, ck.CKM_SHA512_HMAC_GENERAL, 64, ck.CKG_MGF1_SHA512},
		{ck.CKM_SHA3_224, ck.CKM_SHA3_224_RSA_PKCS, ck.CKM_SHA3_224_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA3_224, ck.CKM_SHA3_224_HMAC, ck.CKM_SHA3_224_HMAC_GENERAL, 28, ck.CKG_MGF1_SHA3_224},
		{ck.CKM_SHA3_256, ck.CKM_SHA3_256_RSA_PKCS, ck.CKM_SHA3_256_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA3_256, ck.CKM_SHA3_256_HMAC, ck.CKM_SHA3_256_HMAC_GENERAL, 32, ck.CKG_MGF1_SHA3_256},
		{ck.CKM_SHA3_384, ck.CKM_SHA3_384_RSA_PKCS, ck.CKM_SHA3_384_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA3_384, ck.CKM_SHA3_384_HMAC, ck.CKM_SHA3_384_HMAC_GENERAL, 48, ck.CKG_MGF1_SHA3_384},
		{ck.CKM_SHA3_512, ck.CKM_SHA3_512_RSA_PKCS, ck.CKM_SHA3_512_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA3_512, ck.CKM_SHA3_512_HMAC, ck.CKM_SHA3_512_HMAC_GENERAL, 64, ck.CKG_MGF1_SHA3_512},
		{ck.CKM_SHA512_224, 0, 0, 0, ck.CKM_SHA512_224_HMAC, ck.CKM_SHA512_224_HMAC_GENERAL, 28, 0},
		{ck.CKM_SHA512_256, 0, 0, 0, ck.CKM_SHA512_256_HMAC, ck.CKM_SHA512_256_HMAC_GENERAL, 32, 0},
	}
}

func signSuites(t testing.TB) (list []suite) {
	r := testRSA()
	rsaPriv, rsaPub := privateKey(t, r), publicKey(t, &r.PublicKey)
	mac := secretKey(t, ck.CKK_GENERIC_SECRET, []byte("a secret of a few bytes"))
	aes := secretKey(t, ck.CKK_AES, random(24))
	list = append(list, suite{m: ck.CKM_AES_CMAC, priv: aes, pub: aes},
		suite{m: ck.CKM_AES_CMAC_GENERAL, priv: aes, pub: aes, p: ck.MACGeneralParams(8)})
	for _, h := range hashRows() {
		list = append(list, suite{m: h.hmac, priv: mac, pub: mac},
			suite{m: h.general, priv: mac, pub: mac, p: ck.MACGeneralParams(h.size / 2)})
		if h.rsaPKCS == 0 {
			continue
		}
		list = append(list, suite{m: h.rsaPKCS, priv: rsaPriv, pub: rsaPub})
		for _, mgf := range []uint64{h.mgf, ck.CKG_MGF1_SHA384} {
			for _, salt := range []int{0, 1, h.size} {
				list = append(list, suite{m: h.rsaPSS, priv: rsaPriv, pub: rsaPub,
					p: ck.RSAPkcsPssParams{HashAlg: h.digest, MGF: mgf, SLen: uint64(salt)}})
			}
		}
		for _, c := range curves(ck.CKK_EC) {
			priv, pub := pairOn(t, c)
			list = append(list, suite{m: h.ecdsa, priv: priv, pub: pub})
		}
	}
	for _, c := range curves(ck.CKK_EC) {
		priv, pub := pairOn(t, c)
		list = append(list, suite{m: ck.CKM_ECDSA, priv: priv, pub: pub, maxData: 1024})
	}
	mldsa, mldsaPub := pairOf(t, fromSeed(t, setNamed(t, "ML-DSA-44"), random(32)))
	list = append(list, suite{m: ck.CKM_ML_DSA, priv: mldsa, pub: mldsaPub, p: ck.SignContext{Context: []byte("c")}})
	slhdsa, slhdsaPub := slhdsaPair(t)
	list = append(list, suite{m: ck.CKM_SLH_DSA, priv: slhdsa, pub: slhdsaPub})
	for _, c := range curves(ck.CKK_EC_EDWARDS) {
		priv, pub := pairOn(t, c)
		list = append(list, suite{m: ck.CKM_EDDSA, priv: priv, pub: pub},
			suite{m: ck.CKM_EDDSA, priv: priv, pub: pub, p: ck.EdDSAParams{PhFlag: true, Context: []byte("c")}})
	}
	return append(list,
		suite{m: ck.CKM_RSA_PKCS, priv: rsaPriv, pub: rsaPub, maxData: 256 - 11},
		suite{m: ck.CKM_RSA_X_509, priv: rsaPriv, pub: rsaPub, maxData: 255})
}

func cipherSuites(t testing.TB) (list []suite) {
	r := testRSA()
	rsaPriv, rsaPub := privateKey(t, r), publicKey(t, &r.PublicKey)
	for _, size := range []int{16, 24, 32} {
		k := secretKey(t, ck.CKK_AES, random(size))
		iv := ck.RawParameter(random(16))
		list = append(list,
			suite{m: ck.CKM_AES_ECB, priv: k, pub: k, unit: 16},
			suite{m: ck.CKM_AES_CBC, priv: k, pub: k, p: iv, unit: 16},
			suite{m: ck.CKM_AES_CBC_PAD, priv: k, pub: k, p: iv},
			suite{m: ck.CKM_AES_CTR, priv: k, pub: k, p: ck.AESCtrParams{CounterBits: 128, CB: [16]byte(random(16))}})
		for _, tag := range []uint64{96, 104, 112, 120, 128} {
			for _, n := range []int{1, 12, 60} {
				list = append(list, suite{m: ck.CKM_AES_GCM, priv: k, pub: k,
					p: ck.GCMParams{IV: random(n), AAD: []byte("about"), TagBits: tag}})
			}
		}
	}
	chacha := secretKey(t, ck.CKK_CHACHA20, random(32))
	list = append(list, suite{m: ck.CKM_CHACHA20_POLY1305, priv: chacha, pub: chacha, p: ck.ChaCha20Poly1305Params{Nonce: random(12)}})
	for _, h := range hashRows() {
		if h.mgf == 0 {
			continue
		}
		for _, mgf := range []uint64{h.mgf, ck.CKG_MGF1_SHA1} {
			list = append(list, suite{m: ck.CKM_RSA_PKCS_OAEP, priv: rsaPriv, pub: rsaPub, maxData: 256 - 2*h.size - 2,
				p: ck.RSAPkcsOaepParams{HashAlg: h.digest, MGF: mgf, Source: ck.CKZ_DATA_SPECIFIED, SourceData: []byte("label")}})
		}
	}
	return append(list, suite{m: ck.CKM_RSA_PKCS, priv: rsaPriv, pub: rsaPub, maxData: 256 - 11})
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func (s suite) data() []byte {
	n := mathrand.IntN(300)
	if s.maxData > 0 {
		n = mathrand.IntN(s.maxData + 1)
	}
	if s.unit > 0 {
		n -= n % s.unit
	}
	return random(n)
}

func TestSignRoundTrip(t *testing.T) {
	for _, s := range signSuites(t) {
		data := s.data()
		if s.m == ck.CKM_RSA_X_509 || s.m == ck.CKM_ECDSA {
			data = append(data[:max(len(data)-1, 0)], 1) // an empty number and an empty digest are special
		}
		sig := sign(t, s.m, s.priv, s.p, pieces(data)...)
		if err := verify(t, s.m, s.pub, s.p, sig, pieces(data)...); err != nil {
			t.Errorf("%v: %v", s.m, err)
		}
		flipped := bytes.Clone(sig)
		flipped[mathrand.IntN(len(sig))] ^= 1 << mathrand.IntN(8)
		require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(verify(t, s.m, s.pub, s.p, flipped, data)))
		require.Equal(t, ck.CKR_SIGNATURE_LEN_RANGE, ck.CodeOf(verify(t, s.m, s.pub, s.p, sig[1:], data)))
		err := verify(t, s.m, s.pub, s.p, append(bytes.Clone(sig), 0), data)
		require.Equal(t, ck.CKR_SIGNATURE_LEN_RANGE, ck.CodeOf(err))
		require.Equal(t, ck.CKR_SIGNATURE_LEN_RANGE, ck.CodeOf(verify(t, s.m, s.pub, s.p, nil, data)))
	}
}

func TestPSSDigestRoundTrip(t *testing.T) {
	r := testRSA()
	for _, h := range hashRows() {
		for _, mgf := range []uint64{h.mgf, ck.CKG_MGF1_SHA256} {
			if mgf == 0 {
				continue
			}
			for _, salt := range []uint64{0, 7, uint64(256 - h.size - 2)} {
				p := ck.RSAPkcsPssParams{HashAlg: h.digest, MGF: mgf, SLen: salt}
				digest := random(h.size)
				sig := sign(t, ck.CKM_RSA_PKCS_PSS, privateKey(t, r), p, digest)
				if err := verify(t, ck.CKM_RSA_PKCS_PSS, publicKey(t, &r.PublicKey), p, sig, digest); err != nil {
					t.Errorf("%v salt %d: %v", h.digest, salt, err)
				}
				other := p
				other.SLen = salt ^ 1
				if other.SLen <= uint64(256-h.size-2) {
					err := verify(t, ck.CKM_RSA_PKCS_PSS, publicKey(t, &r.PublicKey), other, sig, digest)
					require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(err))
				}
			}
		}
	}
}

func TestCipherRoundTrip(t *testing.T) {
	for _, s := range cipherSuites(t) {
		d := lookup(t, s.m)
		for range 8 {
			data := s.data()
			enc := mustRun(t, d.Encrypt, s.pub, s.p, pieces(data)...)
			dec := mustRun(t, d.Decrypt, s.priv, s.p, pieces(enc)...)
			require.True(t, bytes.Equal(data, dec), "%v: %d bytes come back as %d others", s.m, len(data), len(dec))
			whole := mustRun(t, d.Decrypt, s.priv, s.p, enc)
			require.True(t, bytes.Equal(data, whole), "%v: one part differs from many", s.m)
		}
	}
}

func TestDigestRoundTrip(t *testing.T) {
	for _, h := range hashRows() {
		d, err := lookup(t, h.digest).Digest(nil)
		require.NoError(t, err)
		if d.Size() != h.size {
			t.Errorf("%v has %d bytes", h.digest, d.Size())
		}
		_, err = lookup(t, h.digest).Digest(ck.RawParameter{1})
		require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
	}
}
