//go:build cgo

package libcrypto_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

// bothOn is a new key on a curve as libcrypto has it, as Go has it, and its public half.
func bothOn(t *testing.T, c object.Curve) (ours, theirs mech.ECPrivate, public crypto.PublicKey) {
	t.Helper()
	key, err := c.Generate()
	require.NoError(t, err)
	tpl, err := object.PrivateTemplate(key)
	require.NoError(t, err)
	value := tpl[3].Value
	ours, err = open(t).EC(c, value)
	require.NoError(t, err)
	theirs, err = mech.Go{}.EC(c, value)
	require.NoError(t, err)
	return ours, theirs, c.Public(key)
}

// Keys on every curve agree on the secret that Go computes, and sign what Go verifies.
func TestCurvesAgreeWithGo(t *testing.T) {
	for _, c := range object.Curves() {
		if c.KeyType != ck.CKK_EC {
			continue
		}
		ours, theirs, public := bothOn(t, c)
		_, _, peer := bothOn(t, c)
		require.Equal(t, c.Name, ours.Curve().Name)
		a, err := ours.Agree(peer)
		require.NoError(t, err, c.Name)
		b, err := theirs.Agree(peer)
		require.NoError(t, err, c.Name)
		require.Equal(t, b, a, c.Name)
		require.Len(t, a, c.NumberSize(), c.Name)
		digest := sha256.Sum256([]byte("text"))
		s, err := ours.Sign(digest[:])
		require.NoError(t, err)
		require.Len(t, s, 2*c.NumberSize())
		info, err := object.MarshalPublic(public)
		require.NoError(t, err)
		v := verifier(t, ck.CKM_ECDSA, info, c.KeyType)
		require.NoError(t, v.Update(digest[:]))
		require.NoError(t, v.Final(s), c.Name)

		for _, other := range object.Curves() {
			if other.Name == c.Name || other.KeyType != ck.CKK_EC {
				continue
			}
			_, _, foreign := bothOn(t, other)
			_, err := ours.Agree(foreign)
			require.Error(t, err, "%s with %s", c.Name, other.Name)
		}
		_, err = ours.Agree(ed25519.PublicKey(make([]byte, 32)))
		require.Error(t, err)
		ours.Wipe()
		if c.Name == "P-384" {
			continue // a key of Go's
		}
		_, err = ours.Sign(digest[:])
		require.Error(t, err, "a wiped key on %s signs", c.Name)
		_, err = ours.Agree(peer)
		require.Error(t, err, "a wiped key on %s agrees", c.Name)
	}
}

// verifier verifies with the key that the structure holds.
func verifier(t *testing.T, m ck.MechanismType, info []byte, kt ck.KeyType) mech.Verifier {
	t.Helper()
	attrs, err := object.NewSet(ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ck.Ulong(ck.CKA_KEY_TYPE, kt), ck.Bytes(ck.CKA_PUBLIC_KEY_INFO, info),
	})
	require.NoError(t, err)
	key, err := mech.ParseKey(&object.Object{Attrs: attrs}, nil)
	require.NoError(t, err)
	d, ok := mech.Lookup(m)
	require.True(t, ok)
	v, err := d.Verify(key, nil)
	require.NoError(t, err)
	return v
}

// Keys of RSA compute what Go computes, for every hash and number.
func TestRSAAgreesWithGo(t *testing.T) {
	key := newRSA(t)
	ours, err := open(t).RSA(numbers(key))
	require.NoError(t, err)
	theirs, err := mech.Go{}.RSA(numbers(key))
	require.NoError(t, err)
	require.Equal(t, &key.PublicKey, ours.Public())
	require.Equal(t, theirs.RejectionSeed(), ours.RejectionSeed())
	for _, in := range [][]byte{{2}, bytes.Repeat([]byte{1}, 255), key.N.Bytes(), bytes.Repeat([]byte{0xff}, 256), {}} {
		a, okA, err := ours.Private(in)
		require.NoError(t, err)
		b, okB, err := theirs.Private(in)
		require.NoError(t, err)
		require.Equal(t, okB, okA, "%d bytes", len(in))
		require.Equal(t, b, a, "%d bytes", len(in))
	}
	largest := key.N.Bytes()
	largest[255]--
	_, ok, err := ours.Private(largest)
	require.NoError(t, err)
	require.True(t, ok, "one below the modulus is taken")

	for _, h := range []crypto.Hash{
		0, crypto.MD5, crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA512_224,
		crypto.SHA512_256, crypto.SHA3_224, crypto.SHA3_256, crypto.SHA3_384, crypto.SHA3_512,
	} {
		digest := []byte("what is signed as it stands")
		if h != 0 {
			digest = bytes.Repeat([]byte{3}, h.Size())
		}
		a, err := ours.SignPKCS1v15(h, digest)
		require.NoError(t, err, "%v", h)
		b, err := theirs.SignPKCS1v15(h, digest)
		require.NoError(t, err)
		require.Equal(t, b, a, "%v", h)
		if h == 0 || h == crypto.MD5 {
			continue
		}
		_, err = ours.SignPKCS1v15(h, digest[1:])
		require.Error(t, err, "a digest of another length")
		s, err := ours.SignPSS(h, h, h.Size(), digest)
		require.NoError(t, err)
		require.NoError(t, rsa.VerifyPSS(&key.PublicKey, h, digest, s, &rsa.PSSOptions{SaltLength: h.Size()}), "%v", h)
	}
	_, err = ours.SignPKCS1v15(crypto.RIPEMD160, make([]byte, 20))
	require.Error(t, err, "a hash that is not known")
	_, err = ours.SignPKCS1v15(0, make([]byte, 246))
	require.Error(t, err, "more than the padding leaves")
	_, err = ours.SignPSS(crypto.SHA256, crypto.SHA256, 256, make([]byte, 32))
	require.Error(t, err, "a salt that does not fit")
}

// OAEP uses the hash for the mask where no other is named.
func TestOAEPMasks(t *testing.T) {
	key := newRSA(t)
	ours, err := open(t).RSA(numbers(key))
	require.NoError(t, err)
	same, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, []byte("text"), nil)
	require.NoError(t, err)
	other, err := rsa.EncryptOAEPWithOptions(rand.Reader, &key.PublicKey, []byte("text"),
		&rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1})
	require.NoError(t, err)
	for _, c := range []struct {
		in  []byte
		mgf crypto.Hash
		ok  bool
	}{
		{same, 0, true}, {same, crypto.SHA256, true}, {same, crypto.SHA1, false},
		{other, crypto.SHA1, true}, {other, 0, false}, {same[1:], 0, false}, {append(same[:256:256], 0), 0,
			false}, {nil, 0, false},
	} {
		out, err := ours.DecryptOAEP(c.in, &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: c.mgf})
		require.Equal(t, c.ok, err == nil, "%d bytes with %v", len(c.in), c.mgf)
		if c.ok {
			require.Equal(t, "text", string(out))
		}
	}
}

// The heap of private numbers is locked if the provider says so, and has the size that Linux lets
// a process lock.
func TestHeapIsLocked(t *testing.T) {
	p := open(t)
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	locked := regexp.MustCompile(`VmLck:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, locked)
	if p.Locked() {
		require.Equal(t, "4096", string(locked[1]))
	} else {
		require.Equal(t, "0", string(locked[1]))
	}
	again := open(t)
	require.Equal(t, p.Locked(), again.Locked())
}
