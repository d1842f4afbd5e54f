package mech_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
)

// moved saves an operation and takes it up with another one.
func moved[S mech.Saver](t testing.TB, from S, begin func() (S, error)) S {
	t.Helper()
	state, err := from.Save()
	require.NoError(t, err)
	to, err := begin()
	require.NoError(t, err)
	require.NoError(t, to.Restore(state))
	return to
}

// An operation that moves at every cut gives what one that stays gives.
func TestMovedOperations(t *testing.T) {
	for _, s := range stateSuites(t) {
		d, data := lookup(t, s.m), s.data()
		if s.m == ck.CKM_RSA_X_509 || s.m == ck.CKM_ECDSA {
			data = append(data[:max(len(data)-1, 0)], 1)
		}
		if d.Sign != nil {
			sig := moveSigner(t, func() (mech.Signer, error) { return d.Sign(s.priv, s.p) }, pieces(data))
			require.NoError(t, verify(t, s.m, s.pub, s.p, sig, data), "%v", s.m)
		}
		if d.Verify != nil && d.Sign != nil {
			begin := func() (mech.Verifier, error) { return d.Verify(s.pub, s.p) }
			v, err := begin()
			require.NoError(t, err)
			for _, part := range pieces(data) {
				require.NoError(t, v.Update(part))
				v = moved(t, v, begin)
			}
			require.NoError(t, v.Final(sign(t, s.m, s.priv, s.p, data)), "%v", s.m)
		}
	}
	for _, s := range cipherSuites(t) {
		d := lookup(t, s.m)
		for range 4 {
			data := s.data()
			enc := moveCipher(t, func() (mech.Cipher, error) { return d.Encrypt(s.pub, s.p) }, pieces(data))
			require.True(t, bytes.Equal(data, mustRun(t, d.Decrypt, s.priv, s.p, enc)), "%v", s.m)
			dec := moveCipher(t, func() (mech.Cipher, error) { return d.Decrypt(s.priv, s.p) }, pieces(enc))
			require.True(t, bytes.Equal(data, dec), "%v", s.m)
		}
	}
}

func stateSuites(t testing.TB) []suite {
	list := signSuites(t)
	slh, slhPub := slhdsaPair(t)
	des := secretKey(t, ck.CKK_DES3, oddParity(random(24)))
	return append(list,
		suite{m: ck.CKM_HASH_SLH_DSA_SHA256, priv: slh, pub: slhPub},
		suite{m: ck.CKM_HASH_SLH_DSA_SHAKE128, priv: slh, pub: slhPub},
		suite{m: ck.CKM_AES_GMAC, priv: secretKey(t, ck.CKK_AES, random(16)), p: ck.RawParameter(random(12))}.same(),
		suite{m: ck.CKM_MD5_HMAC, priv: secretKey(t, ck.CKK_GENERIC_SECRET, random(200))}.same(),
		suite{m: ck.CKM_DES3_CMAC, priv: des, pub: des})
}

// same is a suite of a secret key.
func (s suite) same() suite {
	s.pub = s.priv
	return s
}

// oddParity makes bytes a key of DES.
func oddParity(b []byte) []byte {
	for i, v := range b {
		b[i] = v&^1 | 1
		for n := v >> 1; n > 0; n &= n - 1 {
			b[i] ^= 1
		}
	}
	return b
}

func moveSigner(t testing.TB, begin func() (mech.Signer, error), parts [][]byte) []byte {
	t.Helper()
	s, err := begin()
	require.NoError(t, err)
	for _, part := range parts {
		require.NoError(t, s.Update(part))
		s = moved(t, s, begin)
	}
	sig, err := s.Final()
	require.NoError(t, err)
	return sig
}

func moveCipher(t testing.TB, begin func() (mech.Cipher, error), parts [][]byte) (out []byte) {
	t.Helper()
	c, err := begin()
	require.NoError(t, err)
	for _, part := range parts {
		want := c.UpdateLen(len(part))
		o, err := c.Update(part)
		require.NoError(t, err)
		require.Len(t, o, want)
		out = append(out, o...)
		c = moved(t, c, begin)
	}
	o, err := c.Final()
	require.NoError(t, err)
	return append(out, o...)
}

// A counter goes on where it was, over each of its carries, and ends where it would have.
func TestMovedCounters(t *testing.T) {
	d, k := lookup(t, ck.CKM_AES_CTR), secretKey(t, ck.CKK_AES, random(16))
	for _, p := range []ck.AESCtrParams{
		{CounterBits: 128, CB: [16]byte(bytes.Repeat([]byte{0xff}, 16))},
		{CounterBits: 128, CB: [16]byte(append(make([]byte, 8), bytes.Repeat([]byte{0xff}, 8)...))},
		{CounterBits: 8, CB: [16]byte(bytes.Repeat([]byte{0xf0}, 16))},
	} {
		begin := func() (mech.Cipher, error) { return d.Encrypt(k, p) }
		data := random(256)
		want := mustRun(t, d.Encrypt, k, p, data)
		require.Equal(t, want, moveCipher(t, begin, pieces(data)))
		if p.CounterBits == 8 {
			c, err := begin()
			require.NoError(t, err)
			_, err = c.Update(data)
			require.NoError(t, err)
			c = moved(t, c, begin)
			_, err = c.Update([]byte{1})
			wantCode(t, err, ck.CKR_DATA_LEN_RANGE)
		}
	}
}

// Of a HashSLH-DSA operation on much data nothing can be saved, and it says so and goes on.
func TestLongPreHash(t *testing.T) {
	priv, pub := slhdsaPair(t)
	d, part := lookup(t, ck.CKM_HASH_SLH_DSA_SHA256), random(1<<19)
	v, err := d.Verify(pub, nil)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, v.Update(part))
		_, err = v.Save()
		require.NoError(t, err)
	}
	require.NoError(t, v.Update([]byte{1}))
	_, err = v.Save()
	wantCode(t, err, ck.CKR_STATE_UNSAVEABLE)
	require.NoError(t, v.Final(sign(t, ck.CKM_HASH_SLH_DSA_SHA256, priv, nil, part, part, []byte{1})))
}

// Bytes that no operation saved are an error or the state of some other data, never a panic.
func TestForeignStates(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	try := func(s mech.Saver, finish func()) {
		state, err := s.Save()
		require.NoError(t, err)
		if len(state) > 0 && rng.IntN(2) == 0 {
			state = slices.Clone(state[:rng.IntN(len(state)+1)])
		} else {
			state = append(slices.Clone(state), random(rng.IntN(40))...)
		}
		if len(state) > 0 {
			state[rng.IntN(len(state))] ^= byte(1 + rng.IntN(255))
		}
		if s.Restore(state) == nil {
			finish()
		}
	}
	for _, s := range stateSuites(t) {
		if d := lookup(t, s.m); d.Verify != nil {
			for range 10 {
				v, err := d.Verify(s.pub, s.p)
				require.NoError(t, err)
				require.NoError(t, v.Update([]byte{1}))
				try(v, func() { _ = v.Update([]byte("more")); _ = v.Final(make([]byte, 64)) })
			}
		}
	}
	for _, s := range cipherSuites(t) {
		for range 10 {
			c, err := lookup(t, s.m).Decrypt(s.priv, s.p)
			require.NoError(t, err)
			_, err = c.Update(make([]byte, 7))
			require.NoError(t, err)
			try(c, func() { _, _ = c.Update(make([]byte, 33)); _, _ = c.Final() })
		}
	}
}

// What DES decrypts and verifies goes on, too, with the examples of des_test.go.
func TestMovedDES(t *testing.T) {
	k := secretKey(t, ck.CKK_DES3, unhex(t, "0123456789abcdef23456789abcdef01456789abcdef0123"))
	d, p := lookup(t, ck.CKM_DES3_CBC_PAD), ck.RawParameter(unhex(t, "1234567890abcdef"))
	enc := unhex(t, "843ca4e232a4d284b3b8fbfddd4d1fcd")
	got := moveCipher(t, func() (mech.Cipher, error) { return d.Decrypt(k, p) }, pieces(enc))
	require.Equal(t, "old data", string(got))

	k = secretKey(t, ck.CKK_DES3, unhex(t, "8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5"))
	begin := func() (mech.Verifier, error) { return lookup(t, ck.CKM_DES3_CMAC).Verify(k, nil) }
	for range 10 {
		v, err := begin()
		require.NoError(t, err)
		for _, part := range pieces(unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a57")) {
			require.NoError(t, v.Update(part))
			v = moved(t, v, begin)
		}
		require.NoError(t, v.Final(unhex(t, "743ddbe0ce2dc2ed")))
	}
}
