package vtoken_test

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

// aead is a published encryption: GCM's specification, test case 4 and 5; SP
// 800-38C, examples 1 and 2; RFC 8439, section 2.8.2.
type aead struct {
	m                                ck.MechanismType
	key, nonce, aad, plain, enc, tag string
}

var aeads = []aead{
	{ck.CKM_AES_GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
		"5bc94fbc3221a5db94fae95ae7121a47"},
	{ck.CKM_AES_GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbad", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		"61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598",
		"3612d2e79e3b0785561be14aaca2fccb"},
	{ck.CKM_AES_CCM, "404142434445464748494a4b4c4d4e4f", "10111213141516", "0001020304050607", "20212223", "7162015b", "4dac255d"},
	{ck.CKM_AES_CCM, "404142434445464748494a4b4c4d4e4f", "1011121314151617", "000102030405060708090a0b0c0d0e0f",
		"202122232425262728292a2b2c2d2e2f", "d2a1f0e051ea5f62081a7792073d593d", "1fc64fbfaccd"},
	{ck.CKM_CHACHA20_POLY1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
		hex.EncodeToString([]byte("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.")),
		"d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116",
		"1ae10b594f09e26a7e902ecbd0600691"},
}

func (w *world) unhex(digits string) []byte {
	w.t.Helper()
	b, err := hex.DecodeString(digits)
	require.NoError(w.t, err)
	return b
}

// importTo makes a key for the mechanism that has both uses, or those given.
func (a aead) importTo(w *world, c *vtoken.Client, h ck.SessionHandle, uses ...ck.Attribute) ck.ObjectHandle {
	w.t.Helper()
	typ := ck.CKK_AES
	if a.m == ck.CKM_CHACHA20_POLY1305 {
		typ = ck.CKK_CHACHA20
	}
	if uses == nil {
		uses = ck.Template{flag(ck.CKA_ENCRYPT, true), flag(ck.CKA_DECRYPT, true)}
	}
	key, err := c.CreateObject(h, append(ck.Template{
		ck.Ulong(ck.CKA_CLASS, uint64(ck.CKO_SECRET_KEY)), ck.Ulong(ck.CKA_KEY_TYPE, uint64(typ)),
		{Type: ck.CKA_VALUE, Value: w.unhex(a.key)}}, uses...))
	require.NoError(w.t, err)
	return key
}

// parameter is that of the message, with an empty place for the tag.
func (a aead) parameter(w *world) *ck.MessageParams {
	p := &ck.MessageParams{Mechanism: a.m, TagBits: uint64(len(a.tag)) * 4, Nonce: w.unhex(a.nonce), Tag: make([]byte, len(a.tag)/2)}
	if a.m == ck.CKM_AES_CCM {
		p.DataLen = uint64(len(a.plain) / 2)
	}
	return p
}

func same(t testing.TB, what string, got []byte, want string) {
	t.Helper()
	require.Equal(t, want, hex.EncodeToString(got), "%s is %x, want %s", what, got, want)
}

// Whole messages and messages in parts are what was published, both ways, and
// nothing comes out where the tag is wrong.
func TestMessageCipherVectors(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	for _, a := range aeads {
		key := a.importTo(w, c, h)
		plain, enc, aad := w.unhex(a.plain), w.unhex(a.enc), w.unhex(a.aad)
		require.NoError(w.t, c.MessageEncryptInit(h, ck.Mechanism{Type: a.m}, key))
		require.NoError(w.t, c.MessageDecryptInit(h, ck.Mechanism{Type: a.m}, key))
		for range 2 {
			p := a.parameter(w)
			out, err := c.EncryptMessage(h, p, aad, plain, query)
			require.NoError(w.t, err)
			if out.Len != uint64(len(plain)) || !bytes.Equal(p.Tag, make([]byte, len(p.Tag))) {
				t.Errorf("%v: a query answers %d bytes and the tag %x", a.m, out.Len, p.Tag)
			}
			_, err = c.EncryptMessage(h, p, aad, plain, ck.Buffer{Len: out.Len - 1})
			require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
			out, err = c.EncryptMessage(h, p, aad, plain, ck.Buffer{Len: out.Len})
			require.NoError(w.t, err)
			same(t, "a message", out.Data, a.enc)
			same(t, "its tag", p.Tag, a.tag)

			w.inParts(c.EncryptMessageBegin, c.EncryptMessageNext, h, a, plain, a.enc, a.tag)
			w.inParts(c.DecryptMessageBegin, c.DecryptMessageNext, h, a, enc, a.plain, a.tag)
			for i := range p.Tag {
				bad := *p
				bad.Tag = bytes.Clone(p.Tag)
				bad.Tag[i] ^= 1
				out, err := c.DecryptMessage(h, &bad, aad, enc, big1K)
				require.Equal(t, ck.CKR_AEAD_DECRYPT_FAILED, ck.CodeOf(err))
				require.Nil(t, out.Data, "%v: something comes out with a wrong tag", a.m)
			}
			out, err = c.DecryptMessage(h, p, aad, enc, ck.Buffer{Len: uint64(len(enc))})
			require.NoError(w.t, err)
			same(t, "a decrypted message", out.Data, a.plain)
			_, err = c.DecryptMessage(h, p, aad[1:], enc, big1K)
			require.Equal(t, ck.CKR_AEAD_DECRYPT_FAILED, ck.CodeOf(err))
		}
		require.NoError(w.t, c.MessageEncryptFinal(h))
		require.NoError(w.t, c.MessageDecryptFinal(h))
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.MessageDecryptFinal(h)))
	}
}

// inParts runs a message in parts; nothing comes out before the last.
func (w *world) inParts(begin func(ck.SessionHandle, *ck.MessageParams, []byte) error,
	next func(ck.SessionHandle, *ck.MessageParams, []byte, ck.Buffer, ck.Flags) (ck.Output, error),
	h ck.SessionHandle, a aead, in []byte, result, tag string) {
	w.t.Helper()
	p := a.parameter(w)
	require.NoError(w.t, begin(h, p, w.unhex(a.aad)))
	require.Equal(w.t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(begin(h, p, nil)))
	for i := range 3 {
		out, err := next(h, p, in[i:i+1], big1K, 0)
		require.NoError(w.t, err)
		require.EqualValues(w.t, 0, out.Len, "%v: %d bytes come out before the last part", a.m, out.Len)
	}
	p.Tag = w.unhex(tag)
	out, err := next(h, p, in[3:], query, ck.CKF_END_OF_MESSAGE)
	require.NoError(w.t, err)
	_, err = next(h, p, in[3:], ck.Buffer{Len: out.Len - 1}, ck.CKF_END_OF_MESSAGE)
	require.Equal(w.t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	out, err = next(h, p, in[3:], ck.Buffer{Len: out.Len}, ck.CKF_END_OF_MESSAGE)
	require.NoError(w.t, err)
	same(w.t, "a message in parts", out.Data, result)
	same(w.t, "its tag", p.Tag, tag)
	_, err = next(h, p, nil, big1K, ck.CKF_END_OF_MESSAGE)
	require.Equal(w.t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
}

// A wrong tag after parts ends the message, and the operation goes on.
func TestMessageInPartsWithAWrongTag(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	a := aeads[0]
	require.NoError(w.t, c.MessageDecryptInit(h, ck.Mechanism{Type: a.m}, a.importTo(w, c, h)))
	require.NoError(w.t, c.DecryptMessageBegin(h, a.parameter(w), w.unhex(a.aad)))
	out, err := c.DecryptMessageNext(h, a.parameter(w), w.unhex(a.enc), big1K, ck.CKF_END_OF_MESSAGE)
	require.Equal(t, ck.CKR_AEAD_DECRYPT_FAILED, ck.CodeOf(err))
	require.Nil(t, out.Data, "something comes out with a wrong tag")
	w.inParts(c.DecryptMessageBegin, c.DecryptMessageNext, h, a, w.unhex(a.enc), a.plain, a.tag)
}

// The generators make what the standard says of them, once each.
func TestGeneratedNonces(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	a := aeads[0]
	key := a.importTo(w, c, h)
	for _, tc := range []struct {
		name        string
		generator   uint64
		fixed       uint64
		first, then string // of the nonces; empty for random ones
	}{
		{"counter", ck.CKG_GENERATE_COUNTER, 32, "cafebabe0000000000000000", "cafebabe0000000000000001"},
		{"counter within a byte", ck.CKG_GENERATE_COUNTER, 90, "cafebabefacedbaddecaf880", "cafebabefacedbaddecaf881"},
		{"any, few free bits", ck.CKG_GENERATE, 32, "cafebabe0000000000000000", "cafebabe0000000000000001"},
		{"counter xor", ck.CKG_GENERATE_COUNTER_XOR, 0, "cafebabefacedbaddecaf888", "cafebabefacedbaddecaf889"},
		{"random", ck.CKG_GENERATE_RANDOM, 0, "", ""},
		{"any", ck.CKG_GENERATE, 0, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.NoError(w.t, c.MessageEncryptInit(h, ck.Mechanism{Type: a.m}, key))
			require.NoError(w.t, c.MessageDecryptInit(h, ck.Mechanism{Type: a.m}, key))
			p := a.parameter(w)
			p.Generator, p.FixedBits = tc.generator, tc.fixed
			var seen []string
			for range 20 {
				out, err := c.EncryptMessage(h, p, nil, []byte("text"), big1K)
				require.NoError(w.t, err)
				require.False(t, slices.Contains(seen, string(p.Nonce)), "the nonce %x comes twice", p.Nonce)
				seen = append(seen, string(p.Nonce))
				back, err := c.DecryptMessage(h, p, nil, out.Data, big1K)
				require.NoError(w.t, err)
				require.Equal(t, "text", string(back.Data), "decrypted to %q", back.Data)
				require.NoError(w.t, c.EncryptMessageBegin(h, p, nil))
				seen = append(seen, string(p.Nonce))
				_, err = c.EncryptMessageNext(h, p, []byte("x"), big1K, ck.CKF_END_OF_MESSAGE)
				require.NoError(w.t, err)
			}
			if tc.first != "" {
				same(t, "the first nonce", []byte(seen[0]), tc.first)
				same(t, "the second nonce", []byte(seen[1]), tc.then)
			}
			require.NoError(w.t, c.MessageEncryptFinal(h))
			require.NoError(w.t, c.MessageDecryptFinal(h))
		})
	}
}

func TestNoncesRunOut(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	a := aeads[0]
	require.NoError(w.t, c.MessageEncryptInit(h, ck.Mechanism{Type: a.m}, a.importTo(w, c, h)))
	p := a.parameter(w)
	p.Generator, p.FixedBits = ck.CKG_GENERATE_COUNTER_XOR, 94
	for range 4 {
		_, err := c.EncryptMessage(h, p, nil, nil, big1K)
		require.NoError(w.t, err)
	}
	_, err := c.EncryptMessage(h, p, nil, nil, big1K)
	require.Equal(t, ck.CKR_TOKEN_RESOURCE_EXCEEDED, ck.CodeOf(err))
}

// What is wrong with one message is said of that message, and the next is well.
func TestMessageCiphersRefuse(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	a := aeads[0]
	key := a.importTo(w, c, h)
	m := ck.Mechanism{Type: a.m}
	_, err := c.EncryptMessage(h, a.parameter(w), nil, nil, big1K)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(c.MessageEncryptInit(h, ck.Mechanism{Type: ck.CKM_AES_CBC_PAD}, key)))
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID,
		ck.CodeOf(c.MessageEncryptInit(h, ck.Mechanism{Type: a.m, Parameter: ck.GCMParams{}}, key)))
	require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT,
		ck.CodeOf(c.MessageEncryptInit(h, ck.Mechanism{Type: ck.CKM_CHACHA20_POLY1305}, key)))
	require.NoError(w.t, c.MessageEncryptInit(h, m, key))
	require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(c.MessageEncryptInit(h, m, key)))
	require.NoError(w.t, c.MessageDecryptInit(h, m, key))
	for name, spoil := range map[string]func(p *ck.MessageParams){
		"another mechanism": func(p *ck.MessageParams) { p.Mechanism = ck.CKM_AES_CCM },
		"generator":         func(p *ck.MessageParams) { p.Generator = 5 },
		"no nonce":          func(p *ck.MessageParams) { p.Nonce = nil },
		"all bits fixed":    func(p *ck.MessageParams) { p.Generator, p.FixedBits = ck.CKG_GENERATE_COUNTER, 96 },
		"few random bits":   func(p *ck.MessageParams) { p.Generator, p.FixedBits = ck.CKG_GENERATE_RANDOM, 1 },
		"half a byte":       func(p *ck.MessageParams) { p.TagBits = 124 },
		"a long tag":        func(p *ck.MessageParams) { p.TagBits, p.Tag = 136, make([]byte, 17) },
		"no place for tag":  func(p *ck.MessageParams) { p.Tag = nil },
	} {
		p := a.parameter(w)
		spoil(p)
		if _, err := c.EncryptMessage(h, p, nil, nil, big1K); ck.CodeOf(err) != ck.CKR_MECHANISM_PARAM_INVALID {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = c.EncryptMessageNext(h, a.parameter(w), nil, big1K, 0)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	require.NoError(w.t, c.EncryptMessageBegin(h, a.parameter(w), nil))
	_, err = c.EncryptMessage(h, a.parameter(w), nil, nil, big1K)
	require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(err))
	require.NoError(w.t, c.EncryptMessageBegin(h, a.parameter(w), nil), "the error has ended the message")
	_, err = c.EncryptMessageNext(h, a.parameter(w), nil, big1K, 2)
	require.Equal(t, ck.CKR_ARGUMENTS_BAD, ck.CodeOf(err))
	_, err = c.EncryptMessageNext(h, a.parameter(w), nil, big1K, 0)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err), "the error has ended the message")
	require.NoError(w.t, c.SessionCancel(h, ck.CKF_MESSAGE_ENCRYPT))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.MessageEncryptFinal(h)))
	require.NoError(w.t, c.MessageDecryptFinal(h)) // was not cancelled
}

// One generator for an operation: a nonce that the caller gives could be one
// that was generated.
func TestOneGeneratorForAnOperation(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	a := aeads[0]
	require.NoError(w.t, c.MessageEncryptInit(h, ck.Mechanism{Type: a.m}, a.importTo(w, c, h)))
	p := a.parameter(w)
	p.Generator, p.FixedBits = ck.CKG_GENERATE_COUNTER, 32
	_, err := c.EncryptMessage(h, p, nil, nil, big1K)
	require.NoError(w.t, err)
	for _, spoil := range []func(p *ck.MessageParams){
		func(p *ck.MessageParams) { p.Generator = ck.CKG_NO_GENERATE },
		func(p *ck.MessageParams) { p.FixedBits = 40 },
		func(p *ck.MessageParams) { p.Nonce = p.Nonce[:11] },
	} {
		other := *p
		spoil(&other)
		_, err := c.EncryptMessage(h, &other, nil, nil, big1K)
		require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
	}
	_, err = c.EncryptMessage(h, p, nil, nil, big1K)
	require.NoError(w.t, err)
	same(t, "the second nonce", p.Nonce, "cafebabe0000000000000001")
}

// The uses and mechanisms of a key, its CKA_ALWAYS_AUTHENTICATE, and the login
// hold for messages as for everything.
func TestMessageCiphersKeepTheRules(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	a := aeads[0]
	m := ck.Mechanism{Type: a.m}
	require.Equal(t, ck.CKR_KEY_FUNCTION_NOT_PERMITTED,
		ck.CodeOf(c.MessageEncryptInit(h, m, a.importTo(w, c, h, flag(ck.CKA_ENCRYPT, false)))))
	require.Equal(t, ck.CKR_KEY_FUNCTION_NOT_PERMITTED,
		ck.CodeOf(c.MessageDecryptInit(h, m, a.importTo(w, c, h, flag(ck.CKA_DECRYPT, false)))))
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(c.MessageEncryptInit(h, m, a.importTo(w, c, h, flag(ck.CKA_ENCRYPT, true),
		ck.Mechanisms(ck.CKA_ALLOWED_MECHANISMS, ck.CKM_AES_CCM)))))
	key := a.importTo(w, c, h, flag(ck.CKA_ENCRYPT, true), flag(ck.CKA_PRIVATE, true))
	require.NoError(w.t, c.MessageEncryptInit(h, m, key))
	_, err := c.EncryptMessage(h, a.parameter(w), nil, nil, big1K)
	require.NoError(w.t, err)
	require.NoError(w.t, c.Logout(h))
	_, err = c.EncryptMessage(h, a.parameter(w), nil, nil, big1K)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	for _, m := range []ck.MechanismType{ck.CKM_AES_GCM, ck.CKM_AES_CCM, ck.CKM_CHACHA20_POLY1305, ck.CKM_AES_CBC} {
		info, err := c.GetMechanismInfo(w.alice.Slot, m)
		require.NoError(w.t, err)
		require.Equal(t, m != ck.CKM_AES_CBC, info.Flags.Has(ck.CKF_MESSAGE_ENCRYPT|ck.CKF_MESSAGE_DECRYPT),
			"%v has the flags %#x", m, info.Flags)
	}
}
