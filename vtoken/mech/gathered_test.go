package mech_test

import (
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rsa"
	"hash"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

// Digests are saved, and states that are none are refused.
func TestSavedDigestsGoOn(t *testing.T) {
	for _, h := range hashRows() {
		d := lookup(t, h.digest)
		start := func() hash.Hash {
			h, err := d.Digest(nil)
			require.NoError(t, err)
			return h
		}
		whole, first, second := start(), start(), start()
		whole.Write([]byte("one two"))
		first.Write([]byte("one "))
		state, err := mech.SaveHash(first)
		require.NoError(t, err)
		second.Write([]byte("forgotten"))
		require.NoError(t, mech.RestoreHash(second, state))
		second.Write([]byte("two"))
		require.Equal(t, whole.Sum(nil), second.Sum(nil), "%v", h.digest)
		wantCode(t, mech.RestoreHash(second, []byte("nonsense")), ck.CKR_SAVED_STATE_INVALID)
	}
	_, err := mech.SaveHash(stateless{md5.New()})
	wantCode(t, err, ck.CKR_STATE_UNSAVEABLE)
	wantCode(t, mech.RestoreHash(stateless{md5.New()}, nil), ck.CKR_STATE_UNSAVEABLE)
}

// stateless is a hash whose state nobody sees.
type stateless struct{ hash.Hash }

// The operations that gather data report and reserve what they hold; those of a hash hold nothing.
func TestOperationsThatGather(t *testing.T) {
	k := secretKey(t, ck.CKK_AES, make([]byte, 16))
	gmac := lookup(t, ck.CKM_AES_GMAC)
	p := ck.RawParameter(make([]byte, 12))
	s, err := gmac.Sign(k, p)
	require.NoError(t, err)
	v, err := gmac.Verify(k, p)
	require.NoError(t, err)
	c, err := lookup(t, ck.CKM_AES_GCM).Decrypt(k, ck.GCMParams{IV: make([]byte, 12), TagBits: 128})
	require.NoError(t, err)
	for name, update := range map[string]func([]byte) error{
		"signer": s.Update, "verifier": v.Update, "cipher": func(in []byte) error { _, err := c.Update(in); return err },
	} {
		g := map[string]any{"signer": s, "verifier": v, "cipher": c}[name].(mech.Gatherer)
		m := &account{limit: 1000}
		g.Meter(m)
		require.Zero(t, g.Held(), name)
		require.NoError(t, update(make([]byte, 100)), name)
		require.Equal(t, m.taken, g.Held(), name)
		require.GreaterOrEqual(t, g.Held(), 100, name)
		held := g.Held()
		require.Equal(t, ck.CKR_HOST_MEMORY, ck.CodeOf(update(make([]byte, 1000))), name)
		require.Equal(t, held, g.Held(), name)
		require.NoError(t, update(make([]byte, 10)), name)
	}
	hmac, err := lookup(t, ck.CKM_SHA256_HMAC).Sign(secretKey(t, ck.CKK_GENERIC_SECRET, []byte("k")), nil)
	require.NoError(t, err)
	hmac.(mech.Gatherer).Meter(&account{})
	require.NoError(t, hmac.Update(make([]byte, 100)))
	require.Zero(t, hmac.(mech.Gatherer).Held())
}

// account reserves up to a limit.
type account struct{ taken, limit int }

func (a *account) Reserve(n int) error {
	if a.taken+n > a.limit {
		return ck.Errorf(ck.CKR_HOST_MEMORY, "no more than %d bytes", a.limit)
	}
	a.taken += n
	return nil
}

// A counter mode lasts until its counter has been through all its values, over all parts of the
// data.
func TestCounterLasts(t *testing.T) {
	k := secretKey(t, ck.CKK_AES, make([]byte, 16))
	d := lookup(t, ck.CKM_AES_CTR)
	for _, c := range []struct {
		bits  uint64
		first byte
		bytes int
	}{{1, 0, 32}, {1, 1, 16}, {2, 0, 64}, {2, 3, 16}, {2, 5, 48}, {8, 0, 4096}, {8, 255, 16}} {
		p := ck.AESCtrParams{CounterBits: c.bits, CB: [16]byte{0: 9, 8: 9, 15: c.first}}
		for name, start := range map[string]startFunc{"encrypt": d.Encrypt, "decrypt": d.Decrypt} {
			code := map[string]ck.Error{"encrypt": ck.CKR_DATA_LEN_RANGE, "decrypt": ck.CKR_ENCRYPTED_DATA_LEN_RANGE}[name]
			_, err := run(t, start, k, p, make([]byte, c.bytes))
			require.NoError(t, err)
			_, err = run(t, start, k, p, make([]byte, c.bytes-1), make([]byte, 1))
			require.NoError(t, err)
			_, err = run(t, start, k, p, make([]byte, c.bytes), make([]byte, 1))
			wantCode(t, err, code)
			_, err = run(t, start, k, p, make([]byte, c.bytes+1))
			wantCode(t, err, code)
		}
	}
	long := make([]byte, 1<<20)
	for _, bits := range []uint64{59, 60, 64, 128} {
		_, err := run(t, d.Encrypt, k, ck.AESCtrParams{CounterBits: bits}, long, long)
		require.NoError(t, err)
	}
}

// The parameter of one message becomes that of a whole encryption.
func TestParametersOfMessages(t *testing.T) {
	m := ck.MessageParams{DataLen: 5, TagBits: 96, Nonce: []byte("nonce of 12!"), Tag: []byte("unused")}
	aad := []byte("about")
	for typ, want := range map[ck.MechanismType]ck.Parameter{
		ck.CKM_AES_GCM:           ck.GCMParams{IV: m.Nonce, IVBits: 96, AAD: aad, TagBits: 96},
		ck.CKM_AES_CCM:           ck.CCMParams{DataLen: 5, Nonce: m.Nonce, AAD: aad, MACLen: 12},
		ck.CKM_CHACHA20_POLY1305: ck.ChaCha20Poly1305Params{Nonce: m.Nonce, AAD: aad},
	} {
		require.Equal(t, want, lookup(t, typ).Message(m, aad))
		require.True(t, lookup(t, typ).Info().Flags.Has(ck.CKF_MESSAGE_ENCRYPT|ck.CKF_MESSAGE_DECRYPT|ck.CKF_MULTI_MESSAGE))
	}
}

// Keys that take a processor for long are known as such.
func TestHeavyKeys(t *testing.T) {
	r := testRSA()
	require.False(t, privateKey(t, r).Heavy(), "2048 bits are not")
	require.False(t, publicKey(t, &r.PublicKey).Heavy())
	require.False(t, privateKey(t, ecKey(t, elliptic.P521())).Heavy())
	require.True(t, (&mech.Key{RSA: sizedRSA{bits: 2049}}).Heavy())
	require.False(t, (&mech.Key{RSA: sizedRSA{bits: 2048}}).Heavy())
	priv, pub := slhdsaPair(t)
	require.True(t, priv.Heavy())
	require.True(t, pub.Heavy())
	require.True(t, priv.IsPrivate())
	require.False(t, pub.IsPrivate())
	require.False(t, secretKey(t, ck.CKK_AES, make([]byte, 16)).IsPrivate())
}

// sizedRSA is a key of a size and nothing else.
type sizedRSA struct {
	mech.RSAPrivate
	bits int
}

func (k sizedRSA) Public() *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int), k.bits-1, 1), E: 65537}
}

// A key that is wiped has no secret any more.
func TestKeysAreWiped(t *testing.T) {
	secret := secretKey(t, ck.CKK_AES, []byte("0123456789abcdef"))
	secret.Wipe()
	require.Equal(t, make([]byte, 16), []byte(secret.Secret))
	wiped := 0
	count := func() { wiped++ }
	(&mech.Key{RSA: wipedRSA{tinyRSA{}, count}, EC: wipedEC{nil, count}}).Wipe()
	require.Equal(t, 2, wiped)
	key, err := curves(ck.CKK_EC)[4].Generate()
	require.NoError(t, err)
	tpl, err := object.PrivateTemplate(key)
	require.NoError(t, err)
	o, err := object.Build(object.Source{}, tpl)
	require.NoError(t, err)
	k, err := mech.ParseKey(o, mech.Go{})
	require.NoError(t, err)
	peer := curves(ck.CKK_EC)[4].Public(key)
	before, err := k.EC.Agree(peer)
	require.NoError(t, err)
	k.Wipe()
	after, err := k.EC.Agree(peer)
	require.NoError(t, err)
	require.NotEqual(t, before, after)
}

type wipedRSA struct {
	tinyRSA
	wiped func()
}

func (k wipedRSA) Wipe() { k.wiped() }

type wipedEC struct {
	mech.ECPrivate
	wiped func()
}

func (k wipedEC) Wipe() { k.wiped() }

// The provider in Go takes keys of CKK_EC, and agrees with keys on the same curve only.
func TestKeysOfOtherCurves(t *testing.T) {
	for _, c := range object.Curves() {
		key, err := c.Generate()
		require.NoError(t, err)
		tpl, err := object.PrivateTemplate(key)
		require.NoError(t, err)
		private, err := mech.Go{}.EC(c, tpl[3].Value)
		if c.KeyType != ck.CKK_EC {
			wantCode(t, err, ck.CKR_CURVE_NOT_SUPPORTED)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.Name, private.Curve().Name)
		_, err = mech.Go{}.EC(c, make([]byte, 32))
		wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
		for _, other := range object.Curves() {
			key, err := other.Generate()
			require.NoError(t, err)
			_, err = private.Agree(other.Public(key))
			require.Equal(t, other.Name == c.Name, err == nil, "%s with %s", c.Name, other.Name)
		}
	}
}

// Objects whose stored values are damaged make no key.
func TestDamagedObjects(t *testing.T) {
	for _, key := range []any{testRSA(), ecKey(t, elliptic.P256())} {
		tpl, err := object.PrivateTemplate(key)
		require.NoError(t, err)
		o, err := object.Build(object.Source{}, tpl)
		require.NoError(t, err)
		_, err = mech.ParseKey(o, provider(t))
		require.NoError(t, err)
		for _, a := range []ck.Attribute{
			ck.Bytes(ck.CKA_MODULUS, []byte{4}), ck.Bytes(ck.CKA_EC_PARAMS, []byte{5, 0}),
		} {
			if !o.Attrs.Has(a.Type) {
				continue
			}
			_, err = mech.ParseKey(&object.Object{Attrs: o.Attrs.With(a), Secret: o.Secret}, provider(t))
			require.Error(t, err, "%v", a.Type)
		}
		for _, typ := range []ck.AttributeType{ck.CKA_VALUE, ck.CKA_PRIME_1} {
			if o.Secret.Has(typ) {
				_, err = mech.ParseKey(o.WithSecret(o.Secret.With(ck.Bytes(typ, nil))), provider(t))
				require.Error(t, err, "%v", typ)
			}
		}
		_, err = mech.ParseKey(&object.Object{Attrs: o.Attrs.With(
			ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ck.Bytes(ck.CKA_PUBLIC_KEY_INFO, []byte{1}))}, nil)
		require.Error(t, err)
	}
	cert, err := object.NewSet(ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES)})
	require.NoError(t, err)
	_, err = mech.ParseKey(&object.Object{Attrs: cert}, nil)
	wantCode(t, err, ck.CKR_KEY_TYPE_INCONSISTENT)
}
