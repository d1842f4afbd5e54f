package vtoken_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

var (
	decrypts  = flag(ck.CKA_DECRYPT, true)
	encrypts  = flag(ck.CKA_ENCRYPT, true)
	sensitive = flag(ck.CKA_SENSITIVE, true)
	derives   = flag(ck.CKA_DERIVE, true)
	everyUse  = append(wraps[:2:2], decrypts, encrypts)
	oaepMech  = ck.Mechanism{Type: ck.CKM_RSA_PKCS_OAEP, Parameter: ck.RSAPkcsOaepParams{
		HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA256, Source: ck.CKZ_DATA_SPECIFIED}}
)

// rsaPair generates an RSA pair with these templates.
func (w *world) rsaPair(c *vtoken.Client, h ck.SessionHandle, pub, priv ck.Template) (public, private ck.ObjectHandle) {
	w.t.Helper()
	public, private, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN},
		with(pub, ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048))), priv)
	require.NoError(w.t, err)
	return public, private
}

// created makes a key with C_CreateObject.
func (w *world) created(c *vtoken.Client, h ck.SessionHandle, t ck.Template, attrs ...ck.Attribute) ck.ObjectHandle {
	w.t.Helper()
	o, err := c.CreateObject(h, with(t, attrs...))
	require.NoError(w.t, err)
	return o
}

// hides asks whether a key wraps a sensitive key that any key may wrap.
func (w *world) hides(c *vtoken.Client, h ck.SessionHandle, m ck.Mechanism, wrapping ck.ObjectHandle) error {
	w.t.Helper()
	_, err := c.WrapKey(h, m, wrapping, w.aes(c, h, extractable, freely), big1K)
	return err
}

// What wraps a sensitive key and what does not, also in another session, as a copy, with
// changed attributes, and after a restart.
func TestWhatWrapsSensitiveKeys(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	outside, err := object.PublicTemplate(&key.PublicKey)
	require.NoError(t, err)
	known := with(aesTemplate, ck.Bytes(ck.CKA_VALUE, make([]byte, 16)))
	public := func(priv ...ck.Attribute) ck.ObjectHandle {
		pub, _ := w.rsaPair(c, h, ck.Template{wraps[0], onToken}, append(ck.Template{onToken}, priv...))
		return pub
	}
	clean := public(wraps[1])
	twin, err := c.CreateObject(h, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA), wraps[0], onToken,
		ck.Bytes(ck.CKA_MODULUS, w.bytes(c, h, clean, ck.CKA_MODULUS)), ck.Bytes(ck.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1})})
	require.NoError(w.t, err)
	inner := w.aes(c, h, wraps...)
	unwrapped, err := c.UnwrapKey(h, kwp, inner, w.wrapped(c, h, kwp, inner, w.aes(c, h, extractable, freely)), with(aesTemplate, wraps[0], onToken))
	require.NoError(w.t, err)
	readable := flag(ck.CKA_SENSITIVE, false)
	const no = ck.CKR_KEY_NOT_WRAPPABLE
	keys := map[string]struct {
		m    ck.Mechanism
		key  ck.ObjectHandle
		code ck.Error
	}{
		"a wrapping key":                      {kwp, w.aes(c, h, onToken, wraps[0], wraps[1]), ck.CKR_OK},
		"one that encrypts":                   {kwp, w.aes(c, h, onToken, wraps[0], encrypts), ck.CKR_OK},
		"one with every use":                  {kwp, w.aes(c, h, append(everyUse, onToken)...), no},
		"one that decrypts":                   {kwp, w.aes(c, h, onToken, wraps[0], decrypts), no},
		"one of a known value":                {kwp, w.created(c, h, known, wraps[0], onToken), no},
		"one that is readable":                {kwp, w.aes(c, h, onToken, wraps[0], readable, extractable), no},
		"an unwrapped one":                    {kwp, unwrapped, no},
		"a pair that unwraps":                 {oaepMech, clean, ck.CKR_OK},
		"a pair that decrypts":                {oaepMech, public(wraps[1], decrypts), no},
		"a pair that makes raw signatures":    {oaepMech, public(wraps[1], flag(ck.CKA_SIGN, true)), no},
		"a pair that is readable":             {oaepMech, public(wraps[1], readable, extractable), no},
		"a public key of a known pair":        {oaepMech, w.created(c, h, outside, wraps[0], onToken), no},
		"a public key of a pair of the token": {oaepMech, twin, no},
	}
	for name, k := range keys {
		require.Equal(t, k.code, ck.CodeOf(w.hides(c, h, k.m, k.key)), name)
		copied, err := c.CopyObject(h, k.key, nil)
		require.NoError(t, err, name)
		require.Equal(t, k.code, ck.CodeOf(w.hides(c, h, k.m, copied)), "a copy of %s", name)
		_, err = c.WrapKey(h, k.m, k.key, w.aes(c, h, extractable, readable), big1K)
		require.NoError(t, err, "%s wraps what may be read", name)
		if k.code != ck.CKR_OK { // what it gives up does not help
			if k.m.Type == kwp.Type {
				require.NoError(w.t, c.SetAttributeValue(h, k.key, ck.Template{flag(ck.CKA_DECRYPT, false), flag(ck.CKA_ENCRYPT, false), flag(ck.CKA_SENSITIVE, true), flag(ck.CKA_EXTRACTABLE, false)}))
			}
			require.Equal(t, k.code, ck.CodeOf(w.hides(c, h, k.m, k.key)), name)
		}
	}
	w.restart()
	c, h = w.loggedIn(rw)
	for name, k := range keys {
		require.Equal(t, k.code, ck.CodeOf(w.hides(c, h, k.m, k.key)), "%s after a restart", name)
	}
}

// What hides sensitive keys does not gain what opens them, and does not leave.
func TestWrappingKeysStayShut(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	wrapping := w.aes(c, h, append(wraps, extractable, freely)...)
	_, private := w.rsaPair(c, h, ck.Template{wraps[0]}, ck.Template{wraps[1], extractable, freely})
	other := w.aes(c, h, wraps...)
	for key, gains := range map[ck.ObjectHandle][]ck.AttributeType{
		wrapping: {ck.CKA_DECRYPT, ck.CKA_ENCRYPT},
		private:  {ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_SIGN_RECOVER},
	} {
		_, err := c.WrapKey(h, kwp, other, key, ck.Buffer{Len: 4096})
		require.Equal(t, ck.CKR_KEY_NOT_WRAPPABLE, ck.CodeOf(err))
		for _, gain := range gains {
			require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(c.SetAttributeValue(h, key, ck.Template{flag(gain, true)})))
			_, err := c.CopyObject(h, key, ck.Template{flag(gain, true)})
			require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err))
		}
	}
	// A pair that wraps no sensitive key is free.
	_, private = w.rsaPair(c, h, ck.Template{wraps[0]}, ck.Template{wraps[1], decrypts, extractable, freely})
	require.NoError(w.t, c.SetAttributeValue(h, private, ck.Template{flag(ck.CKA_SIGN, true)}))
	_, err := c.WrapKey(h, kwp, other, private, ck.Buffer{Len: 4096})
	require.NoError(w.t, err)
	everything := w.aes(c, h, append(everyUse, extractable, freely)...)
	w.wrapped(c, h, kwp, other, everything)
}

// The security officer marks a public key whose private half is elsewhere, and a secret
// key that she brings; what the user brought she cannot mark, nor does the mark help a
// key that decrypts.
func TestTheSecurityOfficersWord(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	outside, err := object.PublicTemplate(&key.PublicKey)
	require.NoError(t, err)
	known := with(aesTemplate, ck.Bytes(ck.CKA_VALUE, make([]byte, 16)), onToken, public)
	escrow := w.created(c, h, outside, wraps[0], onToken)
	brought := w.created(c, h, known, wraps[0])
	opens := w.aes(c, h, append(everyUse, onToken, public)...)
	require.NoError(w.t, c.Logout(h))
	require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf(soPIN)))
	trusted := flag(ck.CKA_TRUSTED, true)
	require.NoError(w.t, c.SetAttributeValue(h, escrow, ck.Template{trusted}))
	require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(c.SetAttributeValue(h, brought, ck.Template{trusted})))
	_, err = c.CopyObject(h, brought, ck.Template{trusted})
	require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err))
	require.NoError(w.t, c.SetAttributeValue(h, opens, ck.Template{trusted}))
	hers := w.created(c, h, known, wraps[0], trusted)
	herOther := w.created(c, h, known, wraps[0], decrypts, trusted)
	require.NoError(w.t, c.Logout(h))
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
	for _, k := range []struct {
		m    ck.Mechanism
		key  ck.ObjectHandle
		code ck.Error
	}{
		{oaepMech, escrow, ck.CKR_OK}, {kwp, hers, ck.CKR_OK},
		{kwp, brought, ck.CKR_KEY_NOT_WRAPPABLE}, {kwp, opens, ck.CKR_KEY_NOT_WRAPPABLE}, {kwp, herOther, ck.CKR_KEY_NOT_WRAPPABLE},
	} {
		require.Equal(t, k.code, ck.CodeOf(w.hides(c, h, k.m, k.key)))
		_, err := c.WrapKey(h, k.m, k.key, w.aes(c, h, extractable), big1K) // one for trusted keys
		require.Equal(t, k.code, ck.CodeOf(err))
	}
}

// A key that asks for the PIN at each use would come back as one that does not.
func TestAlwaysAuthenticateIsNotWrapped(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	asks := flag(ck.CKA_ALWAYS_AUTHENTICATE, true)
	for _, sensitive := range []ck.Attribute{sensitive, flag(ck.CKA_SENSITIVE, false)} {
		_, key := w.ecPair(c, h, false, asks, extractable, freely, sensitive)
		_, err := c.WrapKey(h, kwp, w.aes(c, h, wraps...), key, big1K)
		require.Equal(t, ck.CKR_KEY_NOT_WRAPPABLE, ck.CodeOf(err))
	}
}

// keeping is a CKA_DERIVE_TEMPLATE that keeps results sensitive.
var keeping = ck.Bytes(ck.CKA_DERIVE_TEMPLATE, ck.EncodeTemplate(ck.Template{flag(ck.CKA_SENSITIVE, true)}))

func ofLength(n int) ck.Template {
	return ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), ck.Ulong(ck.CKA_VALUE_LEN, uint64(n))}
}

// derivations are every mechanism that derives, with a base key whose results stay
// sensitive.
func (w *world) derivations(c *vtoken.Client, h ck.SessionHandle) map[string]struct {
	m    ck.Mechanism
	base ck.ObjectHandle
} {
	type row = struct {
		m    ck.Mechanism
		base ck.ObjectHandle
	}
	pub, _ := w.ecPair(c, h, false, derives)
	_, ec := w.ecPair(c, h, false, derives, keeping)
	hashed := w.ecdh(c, h, pub)
	p := hashed.Parameter.(ck.ECDH1DeriveParams)
	p.KDF = ck.CKD_SHA256_KDF
	hashed.Parameter = p
	generic, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32)), derives, keeping})
	require.NoError(w.t, err)
	counter := func(prf ck.MechanismType) ck.Mechanism {
		return ck.Mechanism{Type: ck.CKM_SP800_108_COUNTER_KDF, Parameter: ck.SP800108Params{PRF: prf,
			Data: []ck.PRFData{{Type: ck.SP800108IterationVariable, WidthBits: 32}, {Type: ck.SP800108ByteArray, Value: []byte("label")}}}}
	}
	return map[string]row{
		"ECDH":              {w.ecdh(c, h, pub), ec},
		"ECDH and a hash":   {hashed, ec},
		"HKDF":              {ck.Mechanism{Type: ck.CKM_HKDF_DERIVE, Parameter: hkdfOf("label")}, generic},
		"counter with HMAC": {counter(ck.CKM_SHA256_HMAC), generic},
		"counter with CMAC": {counter(ck.CKM_AES_CMAC), w.aes(c, h, derives, keeping)},
	}
}

func hkdfOf(info string) ck.HKDFParams {
	return ck.HKDFParams{Extract: true, Expand: true, PRF: ck.CKM_SHA256, SaltType: uint64(ck.CKF_HKDF_SALT_NULL), Info: []byte(info)}
}

// mac is HMAC with a key object.
func (w *world) mac(c *vtoken.Client, h ck.SessionHandle, key ck.ObjectHandle, data string) []byte {
	w.t.Helper()
	require.NoError(w.t, c.SignInit(h, ck.Mechanism{Type: ck.CKM_SHA256_HMAC}, key))
	out, err := c.Sign(h, []byte(data), big1K)
	require.NoError(w.t, err)
	return out.Data
}

// guess extends what is known of a secret by a byte, in front or behind, so that it makes
// the MAC; nil where no byte does.
func guess(known, mac []byte) []byte {
	for b := range 256 {
		for _, g := range [][]byte{append([]byte{byte(b)}, known...), append(bytes.Clone(known), byte(b))} {
			m := hmac.New(sha256.New, g)
			m.Write([]byte("data"))
			if bytes.Equal(m.Sum(nil), mac) {
				return g
			}
		}
	}
	return nil
}

// The attack that derives one secret at every length and guesses it byte by byte finds
// no byte, with any mechanism that derives.
func TestLengthsTellNothing(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	for name, d := range w.derivations(c, h) {
		var known []byte
		for n := 1; n <= 32; n++ {
			key, err := c.DeriveKey(h, d.m, d.base, ofLength(n))
			if n < 16 {
				require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err), "%s, %d bytes", name, n)
				continue
			}
			require.NoError(t, err, name)
			if g := guess(known, w.mac(c, h, key, "data")); g != nil {
				known = g
			}
		}
		require.Empty(t, known, "%s: the bytes that were guessed", name)
		_, err := c.DeriveKey(h, d.m, d.base, with(ofLength(32), flag(ck.CKA_SENSITIVE, false)))
		require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err))
	}
}

// A short derived key can be read and says so; one that is asked to be otherwise is
// refused.
func TestShortDerivedKeys(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	base, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32)), derives})
	require.NoError(w.t, err)
	m := ck.Mechanism{Type: ck.CKM_HKDF_DERIVE, Parameter: hkdfOf("iv")}
	no := func(a ck.AttributeType) ck.Attribute { return flag(a, false) }
	for name, r := range map[string]struct {
		n    int
		more []ck.Attribute
		code ck.Error
	}{
		"a nonce":                         {12, nil, ck.CKR_OK},
		"a nonce that says so":            {12, []ck.Attribute{no(ck.CKA_SENSITIVE), extractable}, ck.CKR_OK},
		"a nonce that is not sensitive":   {12, []ck.Attribute{no(ck.CKA_SENSITIVE)}, ck.CKR_OK},
		"a short sensitive key":           {15, []ck.Attribute{sensitive}, ck.CKR_TEMPLATE_INCONSISTENT},
		"a short one that does not leave": {15, []ck.Attribute{no(ck.CKA_EXTRACTABLE)}, ck.CKR_TEMPLATE_INCONSISTENT},
	} {
		key, err := c.DeriveKey(h, m, base, with(ofLength(r.n), r.more...))
		require.Equal(t, r.code, ck.CodeOf(err), name)
		if err == nil {
			require.Len(t, w.bytes(c, h, key, ck.CKA_VALUE), r.n, name)
			require.Equal(t, []byte{0}, w.bytes(c, h, key, ck.CKA_SENSITIVE), name)
		}
	}
	key, err := c.DeriveKey(h, m, base, ofLength(16))
	require.NoError(w.t, err)
	require.Equal(t, []byte{1}, w.bytes(c, h, key, ck.CKA_SENSITIVE))
}

// A key that keeps what is derived of it sensitive gives nothing of that in clear: not as
// data, not as a MAC, not as a salt, and not after it went through a wrapping.
func TestKeptResultsAreNotInClear(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	value := bytes.Repeat([]byte{7}, 32)
	secret := with(ofLength(32), ck.Bytes(ck.CKA_VALUE, value), derives)
	kept := w.created(c, h, secret, keeping, flag(ck.CKA_SIGN, true), flag(ck.CKA_VERIFY, true), extractable, freely)
	free := w.created(c, h, secret)
	dataOf := func(base ck.ObjectHandle, p ck.HKDFParams) error {
		_, err := c.DeriveKey(h, ck.Mechanism{Type: ck.CKM_HKDF_DATA, Parameter: p}, base, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))})
		return err
	}
	require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(dataOf(kept, hkdfOf("label"))))
	require.NoError(w.t, dataOf(free, hkdfOf("label")))
	salted := hkdfOf("label")
	salted.SaltType, salted.SaltKey = uint64(ck.CKF_HKDF_SALT_KEY), kept
	require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(dataOf(free, salted)))
	_, err := c.DeriveKey(h, ck.Mechanism{Type: ck.CKM_HKDF_DERIVE, Parameter: salted}, free, readableSecret)
	require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err))
	made, err := c.DeriveKey(h, ck.Mechanism{Type: ck.CKM_HKDF_DERIVE, Parameter: salted}, free, ofLength(32))
	require.NoError(w.t, err)
	require.Equal(t, []byte{1}, w.bytes(c, h, made, ck.CKA_SENSITIVE))
	listed := w.created(c, h, secret, ck.Bytes(ck.CKA_ALLOWED_MECHANISMS, ck.Ulong(0, ck.CKM_SHA256_HMAC).Value))
	salted.SaltKey = listed
	_, err = c.DeriveKey(h, ck.Mechanism{Type: ck.CKM_HKDF_DERIVE, Parameter: salted}, free, ofLength(32))
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(err))

	// HMAC with a key is the expansion of HKDF with it.
	expanded, err := hkdf.Expand(sha256.New, value, "label", 32)
	require.NoError(w.t, err)
	m := hmac.New(sha256.New, value)
	m.Write([]byte("label\x01"))
	require.Equal(t, expanded, m.Sum(nil))
	require.Equal(t, ck.CKR_KEY_FUNCTION_NOT_PERMITTED, ck.CodeOf(c.SignInit(h, ck.Mechanism{Type: ck.CKM_SHA256_HMAC}, kept)))
	require.Equal(t, ck.CKR_KEY_FUNCTION_NOT_PERMITTED, ck.CodeOf(c.VerifyInit(h, ck.Mechanism{Type: ck.CKM_SHA256_HMAC}, kept)))
	_, err = c.WrapKey(h, kwp, w.aes(c, h, wraps...), kept, big1K)
	require.Equal(t, ck.CKR_KEY_NOT_WRAPPABLE, ck.CodeOf(err))
}
