package mech

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"vtoken/vtoken/ck"

	"github.com/stretchr/testify/require"
)

// The encoding of PSS that is ours, against crypto/rsa, for keys whose encoded
// message has a bit less than whole bytes, and exactly whole bytes.
func TestPSSEncodingAgreesWithCryptoRSA(t *testing.T) {
	for _, bits := range []int{2048, 2049} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		require.NoError(t, err)
		raw, err := newRawPrivate(key)
		require.NoError(t, err)
		for _, h := range hashAlgs() {
			if h.mgf == 0 {
				continue
			}
			v := pss{h, h, 17}
			digest, salt := make([]byte, h.hash.Size()), make([]byte, 17)
			_, _ = rand.Read(digest)
			_, _ = rand.Read(salt)
			opts := &rsa.PSSOptions{SaltLength: 17}

			ours, _, err := raw.private(v.encode(digest, salt, bits-1))
			require.NoError(t, err)
			if err := rsa.VerifyPSS(&key.PublicKey, h.hash, digest, ours, opts); err != nil {
				t.Errorf("%v, %d bits: crypto/rsa refuses ours: %v", h.hash, bits, err)
			}
			theirs, err := rsa.SignPSS(rand.Reader, key, h.hash, digest, opts)
			require.NoError(t, err)
			em, _ := raw.public(theirs)
			if !v.matches(em, digest, bits-1) {
				t.Errorf("%v, %d bits: ours refuses crypto/rsa", h.hash, bits)
			}
			for i := range em {
				bad := bytes.Clone(em)
				bad[i] ^= 1
				require.False(t, v.matches(bad, digest, bits-1), "byte %d does not matter", i)
			}
		}
	}
}

func TestSignatureForms(t *testing.T) {
	for _, n := range []int{28, 32, 48, 66} {
		for _, fill := range []byte{0x00, 0x01, 0x7f, 0x80, 0xff} {
			raw := append(bytes.Repeat([]byte{fill}, n), bytes.Repeat([]byte{^fill}, n)...)
			back, ok := rawSignature(derSignature(raw), n)
			if !ok || !bytes.Equal(back, raw) {
				t.Errorf("%d bytes of %x come back as %x", n, fill, back)
			}
		}
	}
}

// FuzzRawSignature: any bytes give an answer, and what is accepted has one form.
func FuzzRawSignature(f *testing.F) {
	f.Add([]byte{0x30, 6, 2, 1, 1, 2, 1, 2})
	f.Add([]byte{0x30, 0x81, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, n := range []int{28, 66} {
			if raw, ok := rawSignature(der, n); ok && len(raw) != 2*n {
				t.Fatalf("%d bytes", len(raw))
			}
		}
	})
}

func TestFaultIsNotPutOut(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	raw, err := newRawPrivate(key)
	require.NoError(t, err)
	raw.dp[len(raw.dp)-1] ^= 2
	out, _, err := raw.private([]byte{2})
	require.Equal(t, ck.CKR_DEVICE_ERROR, ck.CodeOf(err), "a wrong result was put out: %v", err)
	require.Nil(t, out, "a wrong result was put out: %v", err)
}

// Ciphers must not keep what callers reuse, and not write to it.
func TestInputIsLeftAlone(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, 16)
	k := &Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_AES, Secret: secret}
	for m, p := range map[ck.MechanismType]ck.Parameter{
		ck.CKM_AES_ECB: nil, ck.CKM_AES_CBC_PAD: ck.RawParameter(make([]byte, 16)),
		ck.CKM_AES_GCM: ck.GCMParams{IV: make([]byte, 12), TagBits: 128}, ck.CKM_AES_CTR: ck.AESCtrParams{CounterBits: 128},
	} {
		d, _ := Lookup(m)
		var outs [][]byte
		for _, spoil := range []bool{false, true} {
			c, err := d.Encrypt(k, p)
			require.NoError(t, err)
			in := bytes.Repeat([]byte{1}, 32)
			a, err := c.Update(in)
			require.NoError(t, err)
			if !bytes.Equal(in, bytes.Repeat([]byte{1}, 32)) {
				t.Errorf("%v writes to its input", m)
			}
			if spoil {
				clear(in)
			}
			b, err := c.Final()
			require.NoError(t, err)
			outs = append(outs, append(bytes.Clone(a), b...))
		}
		if !bytes.Equal(outs[0], outs[1]) {
			t.Errorf("%v keeps its input", m)
		}
	}
}

func TestEveryHashIsWhole(t *testing.T) {
	for _, h := range hashAlgs() {
		if !h.hash.Available() || h.new().Size() != h.hash.Size() || h.hash == crypto.Hash(0) {
			t.Errorf("%v is not whole", h.digest)
		}
	}
}
