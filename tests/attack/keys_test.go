package attack

import (
	"bytes"
	"crypto/aes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
)

// keyThief is the holder of a token, or a program that runs as the holder, and wants to
// read a key of the token that is sensitive.
type keyThief struct {
	*remote.Client
	session ck.SessionHandle
	victim  ck.ObjectHandle // an AES key of 16 bytes
	check   []byte          // its check value
}

// theft is one way to the value of a key: what was learnt of it, or what was in the way.
type theft struct {
	name string
	try  func(*keyThief) ([]byte, error)
}

// errNothing says that no call failed and nothing was learnt.
var errNothing = errors.New("nothing was learnt")

var thefts = []theft{
	{"a pair that wraps and decrypts", func(k *keyThief) ([]byte, error) {
		return k.byPair(ck.Template{on(ck.CKA_WRAP)}, ck.Template{on(ck.CKA_DECRYPT)}, k.decryptOAEP)
	}},
	{"a pair that wraps and signs", func(k *keyThief) ([]byte, error) {
		return k.byPair(ck.Template{on(ck.CKA_WRAP)}, ck.Template{on(ck.CKA_SIGN)}, k.signOAEP)
	}},
	{"a pair that decrypts later", func(k *keyThief) ([]byte, error) {
		return k.byPair(ck.Template{on(ck.CKA_WRAP)}, ck.Template{on(ck.CKA_UNWRAP)}, func(private ck.ObjectHandle, blob []byte) ([]byte, error) {
			if err := k.SetAttributeValue(k.session, private, ck.Template{on(ck.CKA_DECRYPT)}); err != nil {
				return nil, err
			}
			return k.decryptOAEP(private, blob)
		})
	}},
	{"a pair whose copy decrypts", func(k *keyThief) ([]byte, error) {
		return k.byPair(ck.Template{on(ck.CKA_WRAP)}, ck.Template{on(ck.CKA_UNWRAP)}, func(private ck.ObjectHandle, blob []byte) ([]byte, error) {
			copied, err := k.CopyObject(k.session, private, ck.Template{on(ck.CKA_DECRYPT)})
			if err != nil {
				return nil, err
			}
			return k.decryptOAEP(copied, blob)
		})
	}},
	{"a public key made from that of a pair that decrypts", (*keyThief).bySecondPublicKey},
	{"a public key whose private half is elsewhere", (*keyThief).byOutsidePair},
	{"an AES key of a known value", (*keyThief).byKnownKey},
	{"an AES key that decrypts", func(k *keyThief) ([]byte, error) {
		return k.byOwnKey(ck.Template{on(ck.CKA_DECRYPT)}, func(key ck.ObjectHandle) (ck.ObjectHandle, error) { return key, nil })
	}},
	{"an AES key that decrypts later", func(k *keyThief) ([]byte, error) {
		return k.byOwnKey(nil, func(key ck.ObjectHandle) (ck.ObjectHandle, error) {
			return key, k.SetAttributeValue(k.session, key, ck.Template{on(ck.CKA_DECRYPT)})
		})
	}},
	{"an AES key whose copy decrypts", func(k *keyThief) ([]byte, error) {
		return k.byOwnKey(nil, func(key ck.ObjectHandle) (ck.ObjectHandle, error) {
			return k.CopyObject(k.session, key, ck.Template{on(ck.CKA_DECRYPT)})
		})
	}},
}

// derivations are ways to what is derived of a key whose CKA_DERIVE_TEMPLATE keeps that
// sensitive.
var derivations = []theft{
	{"the same secret at every length", (*keyThief).byLengths},
	{"HKDF as data", (*keyThief).byData},
	{"HMAC as HKDF", (*keyThief).byMAC},
}

// loosenings are ways to use a key of the token with less than it asks for.
var loosenings = []theft{
	{"a key that asks for its PIN each time, wrapped and unwrapped as one that does not", (*keyThief).byUnwrapping},
}

func on(t ck.AttributeType) ck.Attribute  { return ck.Bool(t, true) }
func off(t ck.AttributeType) ck.Attribute { return ck.Bool(t, false) }

func oaep() *ck.Mechanism {
	return &ck.Mechanism{Type: ck.CKM_RSA_PKCS_OAEP, Parameter: ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA_1, MGF: ck.CKG_MGF1_SHA1, Source: ck.CKZ_DATA_SPECIFIED}}
}

// keysAttacker logs in and tries every way to a key as its template, that says the
// argument, lets it be wrapped.
func keysAttacker(args []string) error {
	c, err := client()
	if err != nil {
		return err
	}
	defer c.Close()
	slots, err := c.GetSlotList(true)
	if err != nil || len(slots) == 0 {
		return fmt.Errorf("%d slots: %w", len(slots), err)
	}
	k := &keyThief{Client: c}
	if k.session, err = c.OpenSession(slots[0], ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION); err != nil {
		return err
	}
	if err := c.Login(k.session, ck.CKU_USER, []byte(args[0])); err != nil {
		return err
	}
	t := ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16)), on(ck.CKA_SENSITIVE), on(ck.CKA_EXTRACTABLE)}
	if args[1] == "freely" {
		t = append(t, off(ck.CKA_WRAP_WITH_TRUSTED))
	}
	if k.victim, err = c.GenerateKey(k.session, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, t); err != nil {
		return err
	}
	if k.check, err = k.attribute(k.victim, ck.CKA_CHECK_VALUE); err != nil {
		return err
	}
	for _, way := range thefts {
		value, err := way.try(k)
		if err == nil && len(value) == 16 && bytes.Equal(checkValue(value), k.check) {
			fmt.Println("LEARNT:", way.name)
			continue
		}
		fmt.Printf("%v: %s\n", ck.CodeOf(err), way.name)
	}
	for _, way := range slices.Concat(derivations, loosenings) {
		if value, err := way.try(k); err == nil {
			fmt.Printf("LEARNT: %s: %d bytes\n", way.name, len(value))
		} else if errors.Is(err, errNothing) {
			fmt.Println("nothing:", way.name)
		} else {
			fmt.Printf("%v: %s\n", ck.CodeOf(err), way.name)
		}
	}
	return nil
}

// checkValue is the check value of an AES key.
func checkValue(key []byte) []byte {
	out := make([]byte, aes.BlockSize)
	if b, err := aes.NewCipher(key); err == nil {
		b.Encrypt(out, out)
	}
	return out[:3]
}

func (k *keyThief) attribute(o ck.ObjectHandle, t ck.AttributeType) (value []byte, err error) {
	err = k.GetAttributeValue(k.session, o, []ck.AttributeQuery{{Type: t, Buffer: ck.Buffer{Len: 1024}}},
		func(_ int, r ck.AttributeResult) { value = bytes.Clone(r.Value) })
	return value, err
}

// wrapped is the victim under a key.
func (k *keyThief) wrapped(m *ck.Mechanism, wrapping ck.ObjectHandle) ([]byte, error) {
	out := make([]byte, 1024)
	n, err := k.WrapKey(k.session, m, wrapping, k.victim, remote.Out{To: out})
	return out[:n], err
}

// byPair wraps the victim with the public half of a pair of the token and opens it with
// the private one.
func (k *keyThief) byPair(public, private ck.Template, open func(private ck.ObjectHandle, blob []byte) ([]byte, error)) ([]byte, error) {
	pub, priv, err := k.GenerateKeyPair(k.session, &ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN},
		append(public, ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048))), private)
	if err != nil {
		return nil, err
	}
	blob, err := k.wrapped(oaep(), pub)
	if err != nil {
		return nil, err
	}
	return open(priv, blob)
}

func (k *keyThief) decryptOAEP(private ck.ObjectHandle, blob []byte) ([]byte, error) {
	if err := k.DecryptInit(k.session, oaep(), private); err != nil {
		return nil, err
	}
	out := make([]byte, 1024)
	n, err := k.Decrypt(k.session, blob, remote.Out{To: out})
	return out[:n], err
}

// signOAEP has a raw signature made of the blob, which decrypts it, and takes the padding
// off.
func (k *keyThief) signOAEP(private ck.ObjectHandle, blob []byte) ([]byte, error) {
	if err := k.SignInit(k.session, &ck.Mechanism{Type: ck.CKM_RSA_X_509}, private); err != nil {
		return nil, err
	}
	out := make([]byte, len(blob))
	if _, err := k.Sign(k.session, blob, remote.Out{To: out}); err != nil {
		return nil, err
	}
	seed, block := out[1:1+sha1.Size], out[1+sha1.Size:]
	mask(seed, block)
	mask(block, seed)
	_, value, _ := bytes.Cut(block[sha1.Size:], []byte{1})
	return value, nil
}

// mask is MGF1 with SHA-1.
func mask(to, seed []byte) {
	for i := range to {
		h := sha1.Sum(binary.BigEndian.AppendUint32(bytes.Clone(seed), uint32(i/sha1.Size)))
		to[i] ^= h[i%sha1.Size]
	}
}

func publicKey(n, e []byte) ck.Template {
	return ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA),
		ck.Bytes(ck.CKA_MODULUS, n), ck.Bytes(ck.CKA_PUBLIC_EXPONENT, e), on(ck.CKA_WRAP)}
}

func (k *keyThief) bySecondPublicKey() ([]byte, error) {
	pub, priv, err := k.GenerateKeyPair(k.session, &ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN},
		ck.Template{on(ck.CKA_VERIFY), ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048))}, ck.Template{on(ck.CKA_DECRYPT)})
	if err != nil {
		return nil, err
	}
	n, err := k.attribute(pub, ck.CKA_MODULUS)
	if err != nil {
		return nil, err
	}
	again, err := k.CreateObject(k.session, publicKey(n, []byte{1, 0, 1}))
	if err != nil {
		return nil, err
	}
	blob, err := k.wrapped(oaep(), again)
	if err != nil {
		return nil, err
	}
	return k.decryptOAEP(priv, blob)
}

func (k *keyThief) byOutsidePair() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	pub, err := k.CreateObject(k.session, publicKey(key.N.Bytes(), []byte{1, 0, 1}))
	if err != nil {
		return nil, err
	}
	blob, err := k.wrapped(oaep(), pub)
	if err != nil {
		return nil, err
	}
	return rsa.DecryptOAEP(sha1.New(), nil, key, blob, nil)
}

func (k *keyThief) byKnownKey() ([]byte, error) {
	value := bytes.Repeat([]byte{7}, 16)
	key, err := k.CreateObject(k.session, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES),
		ck.Bytes(ck.CKA_VALUE, value), on(ck.CKA_WRAP)})
	if err != nil {
		return nil, err
	}
	blob, err := k.wrapped(&ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, key)
	if err != nil {
		return nil, err
	}
	b, err := aes.NewCipher(value)
	if err != nil {
		return nil, err
	}
	return opened(blob, func(block []byte) error { b.Decrypt(block, block); return nil })
}

// byOwnKey wraps the victim with an AES key that the token makes, and opens it block by
// block with what decrypting turns that key into.
func (k *keyThief) byOwnKey(uses ck.Template, decrypting func(ck.ObjectHandle) (ck.ObjectHandle, error)) ([]byte, error) {
	key, err := k.GenerateKey(k.session, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, append(uses, ck.Ulong(ck.CKA_VALUE_LEN, uint64(16)), on(ck.CKA_WRAP)))
	if err != nil {
		return nil, err
	}
	blob, err := k.wrapped(&ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, key)
	if err != nil {
		return nil, err
	}
	if key, err = decrypting(key); err != nil {
		return nil, err
	}
	return opened(blob, func(block []byte) error {
		if err := k.DecryptInit(k.session, &ck.Mechanism{Type: ck.CKM_AES_ECB}, key); err != nil {
			return err
		}
		_, err := k.Decrypt(k.session, bytes.Clone(block), remote.Out{To: block})
		return err
	})
}

// opened undoes CKM_AES_KEY_WRAP (RFC 3394) with a function that decrypts a block.
func opened(blob []byte, decrypt func(block []byte) error) ([]byte, error) {
	head, rest := bytes.Clone(blob[:8]), bytes.Clone(blob[8:])
	n := len(rest) / 8
	for t := 6 * n; t >= 1; t-- {
		r := rest[(t-1)%n*8:][:8]
		binary.BigEndian.PutUint64(head, binary.BigEndian.Uint64(head)^uint64(t))
		block := append(head, r...)
		if err := decrypt(block); err != nil {
			return nil, err
		}
		head = block[:8:8]
		copy(r, block[8:])
	}
	return rest, nil
}

// kept is a secret whose CKA_DERIVE_TEMPLATE keeps what is derived sensitive.
func (k *keyThief) kept() (ck.ObjectHandle, error) {
	return k.GenerateKey(k.session, &ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32)),
		on(ck.CKA_DERIVE), on(ck.CKA_SIGN), ck.Bytes(ck.CKA_DERIVE_TEMPLATE, ck.EncodeTemplate(ck.Template{on(ck.CKA_SENSITIVE)}))})
}

func expansion(m ck.MechanismType) *ck.Mechanism {
	return &ck.Mechanism{Type: m, Parameter: ck.HKDFParams{Expand: true, PRF: ck.CKM_SHA256, Info: []byte("key")}}
}

func (k *keyThief) mac(key ck.ObjectHandle, data string) ([]byte, error) {
	if err := k.SignInit(k.session, &ck.Mechanism{Type: ck.CKM_SHA256_HMAC}, key); err != nil {
		return nil, err
	}
	out := make([]byte, sha256.Size)
	_, err := k.Sign(k.session, []byte(data), remote.Out{To: out})
	return out, err
}

// byLengths derives a secret at one length after the other. Of each it guesses the last
// byte from a MAC.
func (k *keyThief) byLengths() (known []byte, err error) {
	base, err := k.kept()
	if err != nil {
		return nil, err
	}
	for n := uint64(1); n <= 32; n++ {
		key, failed := k.DeriveKey(k.session, expansion(ck.CKM_HKDF_DERIVE), base, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY),
			ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), ck.Ulong(ck.CKA_VALUE_LEN, n), on(ck.CKA_SIGN)})
		if failed != nil {
			err = failed
			continue
		}
		made, failed := k.mac(key, "data")
		if failed != nil {
			return known, failed
		}
		for b := range 256 {
			m := hmac.New(sha256.New, append(known[:len(known):len(known)], byte(b)))
			m.Write([]byte("data"))
			if bytes.Equal(m.Sum(nil), made) {
				known = append(known, byte(b))
				break
			}
		}
	}
	if len(known) > 0 {
		return known, nil
	}
	return nil, errors.Join(err, errNothing)
}

func (k *keyThief) byData() ([]byte, error) {
	base, err := k.kept()
	if err != nil {
		return nil, err
	}
	o, err := k.DeriveKey(k.session, expansion(ck.CKM_HKDF_DATA), base, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))})
	if err != nil {
		return nil, err
	}
	return k.attribute(o, ck.CKA_VALUE)
}

// byMAC computes HKDF by its definition: the expansion is a MAC with the base key.
func (k *keyThief) byMAC() ([]byte, error) {
	base, err := k.kept()
	if err != nil {
		return nil, err
	}
	return k.mac(base, "key\x01")
}

// byUnwrapping wraps a key with CKA_ALWAYS_AUTHENTICATE, brings it back without it, and
// signs twice after one login.
func (k *keyThief) byUnwrapping() (signature []byte, err error) {
	m := &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP_KWP}
	wrapping, err := k.GenerateKey(k.session, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN},
		ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16)), on(ck.CKA_WRAP), on(ck.CKA_UNWRAP)})
	if err != nil {
		return nil, err
	}
	_, careful, err := k.GenerateKeyPair(k.session, &ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN},
		ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, []byte("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"))},
		ck.Template{on(ck.CKA_ALWAYS_AUTHENTICATE), on(ck.CKA_EXTRACTABLE), off(ck.CKA_WRAP_WITH_TRUSTED)})
	if err != nil {
		return nil, err
	}
	blob := make([]byte, 1024)
	n, err := k.WrapKey(k.session, m, wrapping, careful, remote.Out{To: blob})
	if err != nil {
		return nil, err
	}
	key, err := k.UnwrapKey(k.session, m, wrapping, blob[:n], ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_EC), on(ck.CKA_SIGN),
	})
	if err != nil {
		return nil, err
	}
	signature = make([]byte, 64)
	for range 2 {
		if err := k.SignInit(k.session, &ck.Mechanism{Type: ck.CKM_ECDSA}, key); err != nil {
			return nil, err
		}
		if _, err := k.Sign(k.session, make([]byte, 32), remote.Out{To: signature}); err != nil {
			return nil, err
		}
	}
	return signature, nil
}

// TestSensitiveKeysStayInside: the holder herself does not read a key that is sensitive,
// whatever its template says of who may wrap it.
func TestSensitiveKeysStayInside(t *testing.T) {
	t.Parallel()
	d := start(t)
	newToken(t, d, "alice", alice, "card-of-alice")
	for _, wrapping := range []string{"silent", "freely"} {
		out, err := run(t, d, alice, "keys", harness.PIN, wrapping)
		require.NoError(t, err)
		t.Logf("%s:\n%s", wrapping, out)
		require.NotContains(t, out, "LEARNT")
		for _, way := range slices.Concat(thefts, derivations, loosenings) {
			require.Contains(t, out, ": "+way.name)
		}
		require.NotContains(t, out, ck.CKR_OK.Error()+":")
	}
}
