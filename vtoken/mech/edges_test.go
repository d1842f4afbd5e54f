package mech_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

// keysOfAllKinds is one key of each kind that there is.
func keysOfAllKinds(t testing.TB) []*mech.Key {
	r, ec := testRSA(), ecKey(t, elliptic.P256())
	list := []*mech.Key{
		privateKey(t, r), publicKey(t, &r.PublicKey), privateKey(t, ec), publicKey(t, &ec.PublicKey),
		secretKey(t, ck.CKK_AES, random(16)), secretKey(t, ck.CKK_GENERIC_SECRET, random(16)),
		secretKey(t, ck.CKK_CHACHA20, random(32)),
	}
	for _, s := range seededSets() {
		priv, pub := pairOf(t, fromSeed(t, s, random(map[ck.KeyType]int{ck.CKK_ML_DSA: 32, ck.CKK_ML_KEM: 64}[s.KeyType])))
		list = append(list, priv, pub)
	}
	for _, c := range object.Curves() {
		priv, pub := pairOn(t, c)
		list = append(list, priv, pub)
	}
	priv, pub := slhdsaPair(t)
	list = append(list, priv, pub)
	for _, kt := range object.HMACKeyTypes() {
		list = append(list, secretKey(t, kt, random(20)))
	}
	return list
}

// parametersOfAllKinds has good and bad ones, zero values included.
func parametersOfAllKinds() []ck.Parameter {
	return []ck.Parameter{
		nil, ck.RawParameter(nil), ck.RawParameter(make([]byte, 16)), ck.RawParameter(make([]byte, 15)),
		ck.RSAPkcsPssParams{}, ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA256, SLen: 32},
		ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA256, SLen: 1 << 63},
		ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: 99},
		ck.RSAPkcsOaepParams{}, ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA_1, MGF: ck.CKG_MGF1_SHA1, Source: 7},
		ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA_1, MGF: ck.CKG_MGF1_SHA1},
		ck.AESCtrParams{}, ck.AESCtrParams{CounterBits: 129}, ck.AESCtrParams{CounterBits: 32},
		ck.GCMParams{}, ck.GCMParams{IV: make([]byte, 12), TagBits: 32}, ck.GCMParams{IV: make([]byte, 12), TagBits: 128},
		ck.GCMParams{IV: make([]byte, 12), IVBits: 95, TagBits: 128}, ck.GCMParams{IV: make([]byte, 257), TagBits: 128},
		ck.MACGeneralParams(0), ck.MACGeneralParams(1), ck.MACGeneralParams(1 << 63), ck.ECDH1DeriveParams{},
		ck.EdDSAParams{}, ck.EdDSAParams{PhFlag: true, Context: []byte("c")}, ck.CCMParams{}, ck.CCMParams{Nonce: make([]byte, 12), MACLen: 8},
		ck.SignContext{}, ck.ChaCha20Poly1305Params{}, ck.ChaCha20Poly1305Params{Nonce: make([]byte, 12)},
	}
}

// Every mechanism with every kind of key and parameter: an answer, never a
// panic, and a key of a type that the mechanism does not list is always
// CKR_KEY_TYPE_INCONSISTENT, or its parameter is refused before.
func TestCrossProduct(t *testing.T) {
	keys := keysOfAllKinds(t)
	starts := 0
	for _, m := range mech.List() {
		d := lookup(t, m)
		for _, k := range keys {
			for _, p := range parametersOfAllKinds() {
				for _, err := range startAll(d, k, p) {
					switch ck.CodeOf(err) {
					case ck.CKR_OK:
						starts++
						require.Contains(t, d.KeyTypes, k.Type, "%v works with a key of type %v", m, k.Type)
					case ck.CKR_KEY_TYPE_INCONSISTENT, ck.CKR_MECHANISM_PARAM_INVALID:
					default:
						t.Errorf("%v, key %v, parameter %#v: %v", m, k.Type, p, err)
					}
				}
			}
		}
	}
	require.GreaterOrEqual(t, starts, 100, "only %d operations start", starts)
}

// startAll starts each operation that the mechanism has and, where it starts,
// runs it to its end on a few bytes.
func startAll(d *mech.Descriptor, k *mech.Key, p ck.Parameter) (errs []error) {
	if d.Sign != nil {
		s, err := d.Sign(k, p)
		errs = append(errs, err)
		if err == nil {
			_ = s.Update([]byte("data"))
			_, _ = s.Final()
		}
	}
	if d.Verify != nil {
		v, err := d.Verify(k, p)
		errs = append(errs, err)
		if err == nil {
			_ = v.Update([]byte("data"))
			_ = v.Final(make([]byte, 64))
		}
	}
	for _, start := range []startFunc{d.Encrypt, d.Decrypt} {
		if start == nil {
			continue
		}
		c, err := start(k, p)
		errs = append(errs, err)
		if err == nil {
			_, _ = c.Update([]byte("data"))
			_, _ = c.Final()
		}
	}
	return errs
}

func TestInfoFollowsFromFunctions(t *testing.T) {
	for _, m := range mech.List() {
		d := lookup(t, m)
		i := d.Info()
		for flag, can := range map[ck.Flags]bool{
			ck.CKF_SIGN: d.Sign != nil, ck.CKF_VERIFY: d.Verify != nil, ck.CKF_ENCRYPT: d.Encrypt != nil,
			ck.CKF_DECRYPT: d.Decrypt != nil, ck.CKF_DIGEST: d.Digest != nil, ck.CKF_GENERATE: d.GenerateKey != nil,
			ck.CKF_GENERATE_KEY_PAIR: d.GenerateKeyPair != nil, ck.CKF_WRAP: d.Wrap != nil,
			ck.CKF_UNWRAP: d.Unwrap != nil, ck.CKF_DERIVE: d.Derive != nil,
			ck.CKF_SIGN_RECOVER: d.SignRecover != nil, ck.CKF_VERIFY_RECOVER: d.VerifyRecover != nil,
			ck.CKF_ENCAPSULATE: d.Encapsulate != nil, ck.CKF_DECAPSULATE: d.Decapsulate != nil,
			ck.CKF_MESSAGE_SIGN:   d.Sign != nil && !d.Stateful && !d.OneMessage,
			ck.CKF_MESSAGE_VERIFY: d.Verify != nil && !d.Stateful && !d.OneMessage,
		} {
			require.Equal(t, can, i.Flags.Has(flag), "%v: flag 0x%x is %t", m, flag, !can)
		}
		if len(d.KeyTypes) > 0 && (i.MinKeySize == 0 || i.MaxKeySize < i.MinKeySize) {
			t.Errorf("%v: key sizes %d to %d", m, i.MinKeySize, i.MaxKeySize)
		}
	}
	require.True(t, slices.IsSorted(mech.List()), "the list is not sorted")
}

// Keys of 1024 bits work: what they may be used for is the token's policy.
func TestSmallRSAKeys(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	pub := publicKey(t, &small.PublicKey)
	digest := sha256.Sum256([]byte("old"))
	sig, err := rsa.SignPKCS1v15(nil, small, crypto.SHA256, digest[:])
	require.NoError(t, err)
	require.NoError(t, verify(t, ck.CKM_SHA256_RSA_PKCS, pub, nil, sig, []byte("old")))
	again := sign(t, ck.CKM_SHA256_RSA_PKCS, &mech.Key{Class: ck.CKO_PRIVATE_KEY, Type: ck.CKK_RSA, RSA: loaded(t, small)}, nil, []byte("old"))
	require.Equal(t, sig, again, "%x, want %x", again, sig)
	for hash, code := range map[ck.MechanismType]ck.Error{ck.CKM_SHA256: ck.CKR_OK, ck.CKM_SHA512: ck.CKR_KEY_SIZE_RANGE} {
		p := ck.RSAPkcsOaepParams{HashAlg: hash, MGF: ck.CKG_MGF1_SHA256, Source: ck.CKZ_DATA_SPECIFIED}
		_, err := lookup(t, ck.CKM_RSA_PKCS_OAEP).Encrypt(pub, p)
		wantCode(t, err, code)
	}
	// A key that came in by no template.
	tiny := tinyRSA{}
	_, err = lookup(t, ck.CKM_RSA_PKCS).Sign(&mech.Key{Class: ck.CKO_PRIVATE_KEY, Type: ck.CKK_RSA, RSA: tiny}, nil)
	wantCode(t, err, ck.CKR_KEY_SIZE_RANGE)
}

// loaded is a key as the provider has it, that no template would bring in.
func loaded(t testing.TB, key *rsa.PrivateKey) mech.RSAPrivate {
	t.Helper()
	crt := key.Precomputed
	k, err := provider(t).RSA(object.RSANumbers{
		Public: &key.PublicKey, D: key.D.Bytes(), P: key.Primes[0].Bytes(), Q: key.Primes[1].Bytes(),
		Dp: crt.Dp.Bytes(), Dq: crt.Dq.Bytes(), QInv: crt.Qinv.Bytes(),
	})
	require.NoError(t, err)
	return k
}

// tinyRSA is a key of 1023 bits.
type tinyRSA struct{ mech.RSAPrivate }

func (tinyRSA) Public() *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1022, 1), E: 65537}
}

func TestDataLengths(t *testing.T) {
	r := testRSA()
	priv, pub := privateKey(t, r), publicKey(t, &r.PublicKey)
	pss := ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA256, SLen: 32}
	oaep := ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA_1, MGF: ck.CKG_MGF1_SHA1}
	aes := secretKey(t, ck.CKK_AES, random(16))
	iv := ck.RawParameter(random(16))
	gcm := ck.GCMParams{IV: random(12), TagBits: 128}
	ctr := ck.AESCtrParams{CounterBits: 4, CB: [16]byte{15: 0xfd}} // 3 blocks are left

	signing := func(m ck.MechanismType, p ck.Parameter, n int) error {
		s, err := lookup(t, m).Sign(priv, p)
		require.NoError(t, err)
		if err := s.Update(make([]byte, n)); err != nil {
			return err
		}
		_, err = s.Final()
		return err
	}
	ciphering := func(start startFunc, k *mech.Key, p ck.Parameter, n int) error {
		_, err := run(t, start, k, p, make([]byte, n))
		return err
	}
	get := func(m ck.MechanismType) *mech.Descriptor { return lookup(t, m) }
	for _, c := range []struct {
		name string
		err  error
		want ck.Error
	}{
		{"PKCS1 sign 245", signing(ck.CKM_RSA_PKCS, nil, 245), ck.CKR_OK},
		{"PKCS1 sign 0", signing(ck.CKM_RSA_PKCS, nil, 0), ck.CKR_OK},
		{"PKCS1 sign 246", signing(ck.CKM_RSA_PKCS, nil, 246), ck.CKR_DATA_LEN_RANGE},
		{"raw sign 257", signing(ck.CKM_RSA_X_509, nil, 257), ck.CKR_DATA_LEN_RANGE},
		{"PSS sign 31", signing(ck.CKM_RSA_PKCS_PSS, pss, 31), ck.CKR_DATA_LEN_RANGE},
		{"PSS sign 33", signing(ck.CKM_RSA_PKCS_PSS, pss, 33), ck.CKR_DATA_LEN_RANGE},
		{"PKCS1 encrypt 246", ciphering(get(ck.CKM_RSA_PKCS).Encrypt, pub, nil, 246), ck.CKR_DATA_LEN_RANGE},
		{"PKCS1 decrypt 255", ciphering(get(ck.CKM_RSA_PKCS).Decrypt, priv, nil, 255), ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
		{"PKCS1 decrypt 257", ciphering(get(ck.CKM_RSA_PKCS).Decrypt, priv, nil, 257), ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
		{"OAEP encrypt 215", ciphering(get(ck.CKM_RSA_PKCS_OAEP).Encrypt, pub, oaep, 215), ck.CKR_DATA_LEN_RANGE},
		{"OAEP encrypt 214", ciphering(get(ck.CKM_RSA_PKCS_OAEP).Encrypt, pub, oaep, 214), ck.CKR_OK},
		{"OAEP decrypt 255", ciphering(get(ck.CKM_RSA_PKCS_OAEP).Decrypt, priv, oaep, 255), ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
		{"OAEP decrypt zeroes", ciphering(get(ck.CKM_RSA_PKCS_OAEP).Decrypt, priv, oaep, 256), ck.CKR_ENCRYPTED_DATA_INVALID},
		{"ECB encrypt 17", ciphering(get(ck.CKM_AES_ECB).Encrypt, aes, nil, 17), ck.CKR_DATA_LEN_RANGE},
		{"ECB decrypt 17", ciphering(get(ck.CKM_AES_ECB).Decrypt, aes, nil, 17), ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
		{"CBC encrypt 1", ciphering(get(ck.CKM_AES_CBC).Encrypt, aes, iv, 1), ck.CKR_DATA_LEN_RANGE},
		{"CBC decrypt 31", ciphering(get(ck.CKM_AES_CBC).Decrypt, aes, iv, 31), ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
		{"CBC_PAD decrypt 0", ciphering(get(ck.CKM_AES_CBC_PAD).Decrypt, aes, iv, 0), ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
		{"CBC_PAD decrypt 20", ciphering(get(ck.CKM_AES_CBC_PAD).Decrypt, aes, iv, 20), ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
		{"GCM decrypt 15", ciphering(get(ck.CKM_AES_GCM).Decrypt, aes, gcm, 15), ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
		{"GCM decrypt zeroes", ciphering(get(ck.CKM_AES_GCM).Decrypt, aes, gcm, 16), ck.CKR_ENCRYPTED_DATA_INVALID},
		{"CTR 48", ciphering(get(ck.CKM_AES_CTR).Encrypt, aes, ctr, 48), ck.CKR_OK},
		{"CTR 49", ciphering(get(ck.CKM_AES_CTR).Encrypt, aes, ctr, 49), ck.CKR_DATA_LEN_RANGE},
		{"CTR decrypt 49", ciphering(get(ck.CKM_AES_CTR).Decrypt, aes, ctr, 49), ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
	} {
		require.Equal(t, c.want, ck.CodeOf(c.err), "%s: %v, want %v", c.name, c.err, c.want)
	}
}

func TestNumbersAboveTheModulus(t *testing.T) {
	r := testRSA()
	n := r.N.FillBytes(make([]byte, 256))
	s, err := lookup(t, ck.CKM_RSA_X_509).Sign(privateKey(t, r), nil)
	require.NoError(t, err)
	require.NoError(t, s.Update(n))
	_, err = s.Final()
	wantCode(t, err, ck.CKR_DATA_INVALID)
	for _, m := range []ck.MechanismType{ck.CKM_RSA_X_509, ck.CKM_RSA_PKCS} {
		_, err = run(t, lookup(t, m).Decrypt, privateKey(t, r), nil, n)
		wantCode(t, err, ck.CKR_ENCRYPTED_DATA_INVALID)
	}
	wantCode(t, verify(t, ck.CKM_RSA_X_509, publicKey(t, &r.PublicKey), nil, n, []byte{1}), ck.CKR_SIGNATURE_INVALID)
}

func TestRawRSAIsThePowerModuloN(t *testing.T) {
	r := testRSA()
	priv, pub := privateKey(t, r), publicKey(t, &r.PublicKey)
	for range 20 {
		x, err := rand.Int(rand.Reader, r.N)
		require.NoError(t, err)
		in := x.Bytes()
		want := new(big.Int).Exp(x, r.D, r.N).FillBytes(make([]byte, 256))
		if got := sign(t, ck.CKM_RSA_X_509, priv, nil, in); !bytes.Equal(got, want) {
			t.Fatal("the private operation is not the power")
		}
		back := mustRun(t, lookup(t, ck.CKM_RSA_X_509).Encrypt, pub, nil, want)
		require.Equal(t, 0, new(big.Int).SetBytes(back).Cmp(x), "the public operation does not undo the private one")
	}
}

// Whatever is inside a ciphertext of PKCS #1 v1.5, decrypting it gives no error,
// and the same bytes each time.
func TestPKCS1DecryptionNeverRefuses(t *testing.T) {
	r := testRSA()
	priv, pub := privateKey(t, r), publicKey(t, &r.PublicKey)
	bad := func(change func(em []byte)) []byte {
		em := append([]byte{0, 2}, bytes.Repeat([]byte{0x55}, 254)...)
		em[200] = 0
		change(em)
		return mustRun(t, lookup(t, ck.CKM_RSA_X_509).Encrypt, pub, nil, em)
	}
	for name, c := range map[string][]byte{
		"first byte":     bad(func(em []byte) { em[0] = 1 }),
		"block type 1":   bad(func(em []byte) { em[1] = 1 }),
		"block type 0":   bad(func(em []byte) { em[1] = 0 }),
		"no zero":        bad(func(em []byte) { em[200] = 1 }),
		"early zero":     bad(func(em []byte) { em[9] = 0 }),
		"zero in second": bad(func(em []byte) { em[2] = 0 }),
	} {
		a := mustRun(t, lookup(t, ck.CKM_RSA_PKCS).Decrypt, priv, nil, c)
		b := mustRun(t, lookup(t, ck.CKM_RSA_PKCS).Decrypt, priv, nil, c)
		require.Equal(t, b, a, "%s: two decryptions differ", name)
		if len(a) > 245 || bytes.Contains(a, bytes.Repeat([]byte{0x55}, 16)) {
			t.Errorf("%s: the message is real, or too long", name)
		}
	}
	// The shortest padding that counts, and the empty message.
	for _, zero := range []int{10, 255} {
		c := bad(func(em []byte) { em[200], em[zero] = 0x55, 0 })
		if got := mustRun(t, lookup(t, ck.CKM_RSA_PKCS).Decrypt, priv, nil, c); len(got) != 255-zero {
			t.Errorf("zero at %d: message of %d bytes", zero, len(got))
		}
	}
}

// Every last byte of a CBC_PAD plaintext: good padding is taken off, bad padding
// is one code.
func TestCBCPadding(t *testing.T) {
	k := secretKey(t, ck.CKK_AES, random(32))
	iv := ck.RawParameter(random(16))
	for last := range 256 {
		for _, spoil := range []int{-1, 0, 8, 14} {
			block := bytes.Repeat([]byte{byte(last)}, 16)
			want := ck.CKR_OK
			if last == 0 || last > 16 {
				want = ck.CKR_ENCRYPTED_DATA_INVALID
			}
			if spoil >= 0 {
				block[spoil] ^= 0x80
				if spoil >= 16-last {
					want = ck.CKR_ENCRYPTED_DATA_INVALID
				}
			}
			enc := mustRun(t, lookup(t, ck.CKM_AES_CBC).Encrypt, k, iv, block)
			out, err := run(t, lookup(t, ck.CKM_AES_CBC_PAD).Decrypt, k, iv, enc)
			require.Equal(t, want, ck.CodeOf(err), "padding %d, byte %d spoiled: %v", last, spoil, err)
			if err == nil && len(out) != 16-last {
				t.Errorf("padding %d: %d bytes", last, len(out))
			}
		}
	}
}

func TestGCMReleasesNothingUnverified(t *testing.T) {
	k := secretKey(t, ck.CKK_AES, random(32))
	for _, tag := range []uint64{96, 128} {
		p := ck.GCMParams{IV: random(12), AAD: random(5), TagBits: tag}
		enc := mustRun(t, lookup(t, ck.CKM_AES_GCM).Encrypt, k, p, random(100))
		for range 50 {
			bad := bytes.Clone(enc)
			bad[mathrand.IntN(len(bad))] ^= 1 << mathrand.IntN(8)
			out, err := run(t, lookup(t, ck.CKM_AES_GCM).Decrypt, k, p, pieces(bad)...)
			wantCode(t, err, ck.CKR_ENCRYPTED_DATA_INVALID)
			require.LessOrEqual(t, len(out), 0, "%d bytes were put out", len(out))
		}
		other := p
		other.AAD = nil
		_, err := run(t, lookup(t, ck.CKM_AES_GCM).Decrypt, k, other, enc)
		wantCode(t, err, ck.CKR_ENCRYPTED_DATA_INVALID)
	}
}

// What comes out at the end is bounded, by what one answer holds; the update that passes the
// bound is refused.
func TestWholeOutputsAreBounded(t *testing.T) {
	aes, chacha := secretKey(t, ck.CKK_AES, random(16)), secretKey(t, ck.CKK_CHACHA20, random(32))
	gcm := ck.GCMParams{IV: random(12), TagBits: 128}
	poly := ck.ChaCha20Poly1305Params{Nonce: random(12)}
	for name, c := range map[string]struct {
		start func(*mech.Key, ck.Parameter) (mech.Cipher, error)
		k     *mech.Key
		p     ck.Parameter
		most  int
		code  ck.Error
	}{
		"GCM decrypt":    {lookup(t, ck.CKM_AES_GCM).Decrypt, aes, gcm, mech.MaxGCM + 16, ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
		"GCM message":    {lookup(t, ck.CKM_AES_GCM).EncryptMessage, aes, gcm, mech.MaxGCM, ck.CKR_DATA_LEN_RANGE},
		"ChaCha encrypt": {lookup(t, ck.CKM_CHACHA20_POLY1305).Encrypt, chacha, poly, mech.MaxGCM, ck.CKR_DATA_LEN_RANGE},
		"ChaCha decrypt": {lookup(t, ck.CKM_CHACHA20_POLY1305).Decrypt, chacha, poly, mech.MaxGCM + 16, ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
	} {
		running, err := c.start(c.k, c.p)
		require.NoError(t, err, name)
		_, err = running.Update(make([]byte, c.most))
		require.NoError(t, err, name)
		_, err = running.Update([]byte{1})
		wantCode(t, err, c.code)
	}
}

// A long stream through the modes that have no bound: what comes out is what one
// call on the same data gives, and no more memory than a piece is held.
func TestStreams(t *testing.T) {
	k := secretKey(t, ck.CKK_AES, random(16))
	piece := random(1 << 20)
	for m, p := range map[ck.MechanismType]ck.Parameter{
		ck.CKM_AES_CBC: ck.RawParameter(random(16)), ck.CKM_AES_CBC_PAD: ck.RawParameter(random(16)),
		ck.CKM_AES_CTR: ck.AESCtrParams{CounterBits: 128},
	} {
		enc, err := lookup(t, m).Encrypt(k, p)
		require.NoError(t, err)
		dec, err := lookup(t, m).Decrypt(k, p)
		require.NoError(t, err)
		in, out := sha256.New(), sha256.New()
		for range 32 {
			in.Write(piece)
			c, err := enc.Update(piece)
			require.NoError(t, err)
			d, err := dec.Update(c)
			require.NoError(t, err)
			out.Write(d)
		}
		c, err := enc.Final()
		require.NoError(t, err)
		for _, step := range []func() ([]byte, error){func() ([]byte, error) { return dec.Update(c) }, dec.Final} {
			d, err := step()
			require.NoError(t, err)
			out.Write(d)
		}
		require.Equal(t, out.Sum(nil), in.Sum(nil), "%v: the stream comes back as another", m)
	}
}

func TestParseKeyRefuses(t *testing.T) {
	o, err := object.Build(object.Source{}, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA)})
	require.NoError(t, err)
	_, err = mech.ParseKey(o, provider(t))
	wantCode(t, err, ck.CKR_KEY_TYPE_INCONSISTENT)
	tpl, err := object.PrivateTemplate(testRSA())
	require.NoError(t, err)
	o, err = object.Build(object.Source{}, tpl)
	require.NoError(t, err)
	if _, err = mech.ParseKey(o.WithoutSecret(), provider(t)); err != object.ErrSealed {
		t.Errorf("a sealed key: %v", err)
	}
}

// Data of no bytes, and digests longer than the order: each signs and verifies,
// and of a long digest the leftmost bits count (FIPS 186-5 section 6.4.1).
func TestECDSADigestLengths(t *testing.T) {
	for _, c := range curves(ck.CKK_EC) {
		priv, pub := pairOn(t, c)
		for _, n := range []int{0, 1, 20, 64, 66, 67, 1024} {
			digest := random(n)
			sig := sign(t, ck.CKM_ECDSA, priv, nil, digest)
			if err := verify(t, ck.CKM_ECDSA, pub, nil, sig, digest); err != nil {
				t.Errorf("%s, %d bytes: %v", c.Name, n, err)
			}
			if n > 66 {
				if err := verify(t, ck.CKM_ECDSA, pub, nil, sig, digest[:66]); err != nil {
					t.Errorf("%s: the rightmost bytes count: %v", c.Name, err)
				}
			}
		}
		s, err := lookup(t, ck.CKM_ECDSA).Sign(priv, nil)
		require.NoError(t, err)
		wantCode(t, s.Update(make([]byte, 1025)), ck.CKR_DATA_LEN_RANGE)
	}
}

// An empty number is 0, whose power is 0: no key is told anything by it.
func TestRawRSAOfNothing(t *testing.T) {
	sig := sign(t, ck.CKM_RSA_X_509, privateKey(t, testRSA()), nil)
	require.Equal(t, make([]byte, 256), sig, "the signature is %x", sig)
}
