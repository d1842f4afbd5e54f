//go:build cgo

package libcrypto_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"sync"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/mech/libcrypto"
	"vtoken/vtoken/object"

	"github.com/stretchr/testify/require"
)

func open(t testing.TB) *libcrypto.Provider {
	t.Helper()
	p, err := libcrypto.Open()
	require.NoError(t, err)
	require.True(t, p.Wipes(), "libcrypto's memory is not wiped when it is freed")
	return p
}

func numbers(key *rsa.PrivateKey) object.RSANumbers {
	crt := key.Precomputed
	return object.RSANumbers{
		Public: &key.PublicKey, D: key.D.Bytes(), P: key.Primes[0].Bytes(), Q: key.Primes[1].Bytes(),
		Dp: crt.Dp.Bytes(), Dq: crt.Dq.Bytes(), QInv: crt.Qinv.Bytes(),
	}
}

func newRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func TestNumbersThatAreNoKey(t *testing.T) {
	p, key := open(t), newRSA(t)
	for name, change := range map[string]func(*object.RSANumbers){
		"no prime":      func(n *object.RSANumbers) { n.P = nil },
		"another prime": func(n *object.RSANumbers) { n.P = n.Q },
		"a long number": func(n *object.RSANumbers) { n.D = make([]byte, 257) },
	} {
		n := numbers(key)
		change(&n)
		if _, err := p.RSA(n); ck.CodeOf(err) != ck.CKR_DEVICE_ERROR {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range object.Curves() {
		if c.NumberSize() == 0 {
			continue
		}
		for _, value := range [][]byte{nil, {0}, bytes.Repeat([]byte{0xff}, c.NumberSize()), make([]byte, 100)} {
			if _, err := p.EC(c, value); ck.CodeOf(err) != ck.CKR_ATTRIBUTE_VALUE_INVALID {
				t.Errorf("%d bytes on %s: %v", len(value), c.Name, err)
			}
		}
	}
}

// A CRT number that is wrong would reveal the primes, were the result put out:
// libcrypto computes again without it.
func TestFaultIsNotPutOut(t *testing.T) {
	key := newRSA(t)
	n := numbers(key)
	n.Dp = new(big.Int).Xor(key.Precomputed.Dp, big.NewInt(2)).Bytes()
	k, err := open(t).RSA(n)
	require.NoError(t, err)
	defer k.Wipe()
	digest := sha256.Sum256([]byte("text"))
	s, err := k.SignPKCS1v15(crypto.SHA256, digest[:])
	if err == nil && rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], s) != nil {
		t.Errorf("a wrong result was put out: %x", s)
	}
}

// A modulus of other than whole bytes, and a key that was wiped.
func TestOddSizeAndWiped(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2049)
	require.NoError(t, err)
	k, err := open(t).RSA(numbers(key))
	require.NoError(t, err)
	digest := sha256.Sum256([]byte("text"))
	for _, salt := range []int{0, 32} {
		s, err := k.SignPSS(crypto.SHA256, crypto.SHA256, salt, digest[:])
		opts := &rsa.PSSOptions{SaltLength: salt}
		if salt == 0 {
			opts.SaltLength = rsa.PSSSaltLengthAuto
		}
		if err != nil || rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest[:], s, opts) != nil {
			t.Errorf("salt of %d bytes: %v", salt, err)
		}
	}
	c, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, []byte("text"), []byte("label"))
	require.NoError(t, err)
	opts := &rsa.OAEPOptions{Hash: crypto.SHA256, Label: []byte("label")}
	out, err := k.DecryptOAEP(c, opts)
	require.NoError(t, err, "OAEP: %q", out)
	require.Equal(t, "text", string(out), "OAEP: %q", out)
	k.Wipe()
	k.Wipe()
	_, err = k.SignPKCS1v15(crypto.SHA256, digest[:])
	require.Error(t, err, "a wiped key signs")
	_, err = k.SignPSS(crypto.SHA256, crypto.SHA256, 32, digest[:])
	require.Error(t, err, "a wiped key signs")
	_, _, err = k.Private([]byte{1})
	require.Error(t, err, "a wiped key works")
	_, err = k.DecryptOAEP(c, opts)
	require.Error(t, err, "a wiped key decrypts")
}

// Keys are used by many threads at once.
func TestConcurrentUse(t *testing.T) {
	p, r := open(t), newRSA(t)
	rsaKey, err := p.RSA(numbers(r))
	require.NoError(t, err)
	defer rsaKey.Wipe()
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ecKey := onP256(t, p, e)
	defer ecKey.Wipe()
	digest := sha256.Sum256([]byte("text"))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				s, err := rsaKey.SignPKCS1v15(crypto.SHA256, digest[:])
				if err != nil || rsa.VerifyPKCS1v15(&r.PublicKey, crypto.SHA256, digest[:], s) != nil {
					t.Errorf("RSA: %v", err)
				}
				s, err = ecKey.Sign(digest[:])
				if err != nil || !ecdsa.Verify(&e.PublicKey, digest[:], new(big.Int).SetBytes(s[:32]), new(big.Int).SetBytes(s[32:])) {
					t.Errorf("ECDSA: %v", err)
				}
			}
		})
	}
	all.Wait()
}

func onP256(t testing.TB, p mech.Provider, key *ecdsa.PrivateKey) mech.ECPrivate {
	t.Helper()
	value, err := key.Bytes()
	require.NoError(t, err)
	c, ok := object.CurveOfKey(key)
	require.True(t, ok, "no curve")
	k, err := p.EC(c, value)
	require.NoError(t, err)
	return k
}

// More keys than the secure heap has room for are loaded, too.
func TestMoreKeysThanTheSecureHeapHolds(t *testing.T) {
	p, n := open(t), numbers(newRSA(t))
	digest := sha256.Sum256([]byte("text"))
	var loaded []mech.RSAPrivate
	for range 4000 {
		k, err := p.RSA(n)
		require.NoError(t, err)
		loaded = append(loaded, k)
	}
	_, err := loaded[len(loaded)-1].SignPKCS1v15(crypto.SHA256, digest[:])
	require.NoError(t, err)
	for _, k := range loaded {
		k.Wipe()
	}
}
