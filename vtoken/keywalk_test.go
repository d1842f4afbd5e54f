package vtoken_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// A thief walks at random through the calls that concern keys, with real cryptography,
// as the holder of the token. He keeps every value that he brings or that comes out, and
// undoes every wrapping by all that his keys do: decryption, encryption where that is the
// same, raw signatures, and what he computes himself. He is not to learn the value of a
// key that was made sensitive. The model test in package object covers every sequence
// of calls; this one shows that the calls are as the model has them.
type thief struct {
	*world
	c       *vtoken.Client
	h       ck.SessionHandle
	rng     *mathrand.Rand
	secrets []ck.ObjectHandle // AES keys
	publics []ck.ObjectHandle
	private []ck.ObjectHandle // of RSA
	others  []ck.ObjectHandle // EC private keys
	values  [][]byte          // that he knows, of 16 bytes
	outside *rsa.PrivateKey
	pairs   []*rsa.PublicKey // of the token
	blobs   []stolen

	checks   map[string]string // check values of sensitive AES keys, and how they were made
	points   map[string]string // public halves of sensitive EC keys
	learnt   string            // how a sensitive key was made that he learnt
	wrapped  int               // sensitive keys that were wrapped
	digested int
}

// stolen is a wrapped key.
type stolen struct {
	m    ck.Mechanism
	data []byte
}

func (w *world) thief(seed uint64) *thief {
	t := &thief{world: w, rng: mathrand.New(mathrand.NewPCG(seed, 1)), checks: map[string]string{}, points: map[string]string{}}
	t.c, t.h = w.loggedIn(rw)
	var err error
	t.outside, err = rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(w.t, err)
	t.stepPair()
	return t
}

func (t *thief) flags(of ...ck.AttributeType) (list ck.Template) {
	for _, f := range of {
		list = append(list, flag(f, t.rng.IntN(2) == 0))
	}
	return list
}

// leaving are the attributes that let a key leave, mostly set.
func (t *thief) leaving() ck.Template {
	return ck.Template{
		flag(ck.CKA_EXTRACTABLE, t.rng.IntN(4) != 0), flag(ck.CKA_WRAP_WITH_TRUSTED, t.rng.IntN(4) == 0), flag(ck.CKA_SENSITIVE, t.rng.IntN(4) != 0),
	}
}

func (t *thief) uses() ck.Template {
	return t.flags(ck.CKA_WRAP, ck.CKA_UNWRAP, ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_SIGN)
}

func pick[T any](t *thief, list []T) (v T) {
	if len(list) > 0 {
		v = list[t.rng.IntN(len(list))]
	}
	return v
}

func (t *thief) keys() []ck.ObjectHandle {
	return append(append(append([]ck.ObjectHandle{}, t.secrets...), t.private...), t.others...)
}

func keep(list *[]ck.ObjectHandle, h ck.ObjectHandle, err error) bool {
	if err == nil {
		*list = append(*list, h)
	}
	return err == nil
}

func (t *thief) stepGenerate() {
	tpl := append(t.leaving(), t.uses()...)
	k, err := t.c.GenerateKey(t.h, ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, append(tpl, ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))))
	if keep(&t.secrets, k, err) && bytes.Equal(t.bytes(t.c, t.h, k, ck.CKA_SENSITIVE), []byte{1}) {
		t.checks[string(t.bytes(t.c, t.h, k, ck.CKA_CHECK_VALUE))] = fmt.Sprint(tpl)
	}
	tpl = append(t.leaving(), flag(ck.CKA_DERIVE, true))
	pub, priv, err := t.c.GenerateKeyPair(t.h, ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, p256)}, tpl)
	if keep(&t.others, priv, err) && bytes.Equal(t.bytes(t.c, t.h, priv, ck.CKA_SENSITIVE), []byte{1}) {
		t.points[string(t.bytes(t.c, t.h, pub, ck.CKA_PUBLIC_KEY_INFO))] = fmt.Sprint(tpl)
	}
}

func (t *thief) stepPair() {
	pub, priv := t.rsaPair(t.c, t.h, t.flags(ck.CKA_WRAP, ck.CKA_VERIFY),
		append(t.leaving(), t.flags(ck.CKA_UNWRAP, ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_SIGN_RECOVER)...))
	t.publics, t.private = append(t.publics, pub), append(t.private, priv)
	key, err := x509.ParsePKIXPublicKey(t.bytes(t.c, t.h, pub, ck.CKA_PUBLIC_KEY_INFO))
	require.NoError(t.t, err)
	t.pairs = append(t.pairs, key.(*rsa.PublicKey))
}

func (t *thief) stepCreate() {
	value := make([]byte, 16)
	_, _ = rand.Read(value)
	if t.rng.IntN(2) == 0 && len(t.values) > 0 {
		value = pick(t, t.values)
	}
	t.values = append(t.values, value)
	k, err := t.c.CreateObject(t.h, append(append(with(aesTemplate, ck.Bytes(ck.CKA_VALUE, value)), t.leaving()...), t.uses()...))
	keep(&t.secrets, k, err)
	of := pick(t, append(t.pairs, &t.outside.PublicKey))
	tpl, err := object.PublicTemplate(of)
	require.NoError(t.t, err)
	k, err = t.c.CreateObject(t.h, append(tpl, flag(ck.CKA_WRAP, true)))
	keep(&t.publics, k, err)
}

// stepChange changes or copies any key.
func (t *thief) stepChange() {
	list := pick(t, []*[]ck.ObjectHandle{&t.secrets, &t.private, &t.others, &t.publics})
	if len(*list) == 0 {
		return
	}
	k := pick(t, *list)
	tpl := t.flags(pick(t, []ck.AttributeType{ck.CKA_SENSITIVE, ck.CKA_EXTRACTABLE, ck.CKA_WRAP_WITH_TRUSTED, ck.CKA_WRAP, ck.CKA_UNWRAP,
		ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_SIGN_RECOVER, ck.CKA_TRUSTED}))
	if t.rng.IntN(2) == 0 {
		_ = t.c.SetAttributeValue(t.h, k, tpl)
		return
	}
	copied, err := t.c.CopyObject(t.h, k, tpl)
	keep(list, copied, err)
}

func (t *thief) stepWrap() {
	key, m, with := pick(t, t.keys()), oaepMech, pick(t, t.publics)
	if t.rng.IntN(4) != 0 {
		with = pick(t, t.secrets)
		m = pick(t, []ck.Mechanism{kwp, {Type: ck.CKM_AES_KEY_WRAP}, {Type: ck.CKM_AES_KEY_WRAP_PAD},
			{Type: ck.CKM_AES_GCM, Parameter: sealParams(ck.CKM_AES_GCM)}, {Type: ck.CKM_AES_CCM, Parameter: sealParams(ck.CKM_AES_CCM)}})
	}
	out, err := t.c.WrapKey(t.h, m, with, key, ck.Buffer{Len: 4096})
	if err != nil {
		return
	}
	if bytes.Equal(t.bytes(t.c, t.h, key, ck.CKA_SENSITIVE), []byte{1}) {
		t.wrapped++
	}
	t.blobs = append(t.blobs, stolen{m, bytes.Clone(out.Data)})
}

// stepForge wraps a value that he knows under a key that he does not.
func (t *thief) stepForge() {
	value := pick(t, t.values)
	if value == nil {
		return
	}
	if t.rng.IntN(2) == 0 {
		data, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, pick(t, t.pairs), value, nil)
		require.NoError(t.t, err)
		t.blobs = append(t.blobs, stolen{oaepMech, data})
		return
	}
	if with := pick(t, t.secrets); t.c.EncryptInit(t.h, ck.Mechanism{Type: ck.CKM_AES_ECB}, with) == nil {
		require.NoError(t.t, t.c.SessionCancel(t.h, ck.CKF_ENCRYPT))
		t.blobs = append(t.blobs, stolen{ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, sealedBy(t.ecb(with, true), value)})
	}
}

func (t *thief) stepUnwrap() {
	if len(t.blobs) == 0 {
		return
	}
	b, with := pick(t, t.blobs), pick(t, append(t.secrets, t.private...))
	m := b.m
	if p, ok := m.Parameter.(*ck.WrapParams); ok {
		m.Parameter = p.Plain()
	}
	k, err := t.c.UnwrapKey(t.h, m, with, b.data, append(append(aesTemplate[:2:2], t.leaving()...), t.uses()...))
	keep(&t.secrets, k, err)
}

func (t *thief) stepDigest() {
	k := pick(t, t.secrets)
	require.NoError(t.t, t.c.DigestInit(t.h, ck.Mechanism{Type: ck.CKM_SHA256}))
	if t.c.DigestKey(t.h, k) == nil {
		t.digested++
		require.NotContains(t.t, t.checks, string(t.bytes(t.c, t.h, k, ck.CKA_CHECK_VALUE)), "a sensitive key was digested")
	}
	_ = t.c.SessionCancel(t.h, ck.CKF_DIGEST)
}

// stepRead reads what can be read.
func (t *thief) stepRead() {
	for _, k := range append(append([]ck.ObjectHandle{}, t.secrets...), t.others...) {
		r, err := t.c.GetAttributeValue(t.h, k, []ck.AttributeQuery{{Type: ck.CKA_VALUE, Buffer: big1K}})
		if err != nil {
			continue
		}
		t.learn(r[0].Value)
		point, _ := t.c.GetAttributeValue(t.h, k, []ck.AttributeQuery{{Type: ck.CKA_PUBLIC_KEY_INFO, Buffer: big1K}})
		if how, ok := t.points[string(point[0].Value)]; ok {
			t.learnt = how
		}
	}
}

// ecb is a key of the token as a function that works on a block; nil where it does not.
func (t *thief) ecb(key ck.ObjectHandle, encrypt bool) func([]byte) bool {
	return func(block []byte) bool {
		init, run := t.c.DecryptInit, t.c.Decrypt
		if encrypt {
			init, run = t.c.EncryptInit, t.c.Encrypt
		}
		if init(t.h, ck.Mechanism{Type: ck.CKM_AES_ECB}, key) != nil {
			return false
		}
		out, err := run(t.h, bytes.Clone(block), ck.Buffer{Len: 16})
		if err == nil {
			copy(block, out.Data)
		}
		return err == nil
	}
}

// sealedBy is CKM_AES_KEY_WRAP of a value.
func sealedBy(encrypt func([]byte) bool, value []byte) []byte {
	head, out := bytes.Repeat([]byte{0xa6}, 8), bytes.Clone(value)
	n := len(out) / 8
	for i := 1; i <= 6*n; i++ {
		r := out[(i-1)%n*8:][:8]
		block := append(head, r...)
		encrypt(block)
		head = binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(block)^uint64(i))
		copy(r, block[8:])
	}
	return append(head, out...)
}

// openedBy undoes the mechanisms of AES key wrapping; nil where it is another key's.
func openedBy(decrypt func([]byte) bool, data []byte) []byte {
	head, out := bytes.Clone(data[:8]), bytes.Clone(data[8:])
	n := len(out) / 8
	for i := 6 * n; i >= 1; i-- {
		r := out[(i-1)%n*8:][:8]
		block := append(binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(head)^uint64(i)), r...)
		if !decrypt(block) {
			return nil
		}
		head = block[:8]
		copy(r, block[8:])
	}
	switch {
	case bytes.Equal(head, bytes.Repeat([]byte{0xa6}, 8)):
		return out
	case bytes.Equal(head[:4], []byte{0xa6, 0x59, 0x59, 0xa6}):
		return out[:min(len(out), int(binary.BigEndian.Uint32(head[4:])))]
	}
	return nil
}

// streamedBy undoes a counter mode by encryption of its blocks.
func streamedBy(encrypt func([]byte) bool, b stolen) []byte {
	p := b.m.Parameter.(*ck.WrapParams)
	out := bytes.Clone(b.data[:len(b.data)-16])
	for i := range (len(out) + 15) / 16 {
		block := append(bytes.Clone(p.Nonce), 0, 0, 0, byte(i+2))
		if b.m.Type == ck.CKM_AES_CCM {
			block = append(append([]byte{2}, p.Nonce...), 0, 0, byte(i+1))
		}
		if !encrypt(block) {
			return nil
		}
		for j := 16 * i; j < min(len(out), 16*i+16); j++ {
			out[j] ^= block[j-16*i]
		}
	}
	return out
}

// open tries everything on a wrapped key.
func (t *thief) open(b stolen) {
	if b.m.Type == ck.CKM_RSA_PKCS_OAEP {
		t.openOAEP(b.data)
		return
	}
	var decrypts, encrypts []func([]byte) bool
	for _, k := range t.secrets {
		decrypts, encrypts = append(decrypts, t.ecb(k, false)), append(encrypts, t.ecb(k, true))
	}
	for _, v := range t.values {
		block, err := aes.NewCipher(v)
		require.NoError(t.t, err)
		decrypts = append(decrypts, func(b []byte) bool { block.Decrypt(b, b); return true })
		encrypts = append(encrypts, func(b []byte) bool { block.Encrypt(b, b); return true })
	}
	_, counter := b.m.Parameter.(*ck.WrapParams)
	for i := range decrypts {
		if counter {
			t.learn(streamedBy(encrypts[i], b))
		} else {
			t.learn(openedBy(decrypts[i], b.data))
		}
	}
	if !counter {
		return
	}
	for _, k := range t.secrets {
		if t.c.DecryptInit(t.h, ck.Mechanism{Type: b.m.Type, Parameter: b.m.Parameter.(*ck.WrapParams).Plain()}, k) == nil {
			if out, err := t.c.Decrypt(t.h, b.data, ck.Buffer{Len: 4096}); err == nil {
				t.learn(out.Data)
			}
		}
	}
}

func (t *thief) openOAEP(data []byte) {
	if v, err := rsa.DecryptOAEP(sha256.New(), nil, t.outside, data, nil); err == nil {
		t.learn(v)
	}
	raw := ck.Mechanism{Type: ck.CKM_RSA_X_509}
	for _, k := range t.private {
		if t.c.DecryptInit(t.h, oaepMech, k) == nil {
			if out, err := t.c.Decrypt(t.h, data, big1K); err == nil {
				t.learn(out.Data)
			}
		}
		if t.c.SignInit(t.h, raw, k) == nil {
			if out, err := t.c.Sign(t.h, data, big1K); err == nil {
				t.learn(unpadded(out.Data))
			}
		}
		if t.c.SignRecoverInit(t.h, raw, k) == nil {
			if out, err := t.c.SignRecover(t.h, data, big1K); err == nil {
				t.learn(unpadded(out.Data))
			}
		}
	}
}

// unpadded takes off the padding of OAEP with SHA-256.
func unpadded(em []byte) []byte {
	mask := func(to, seed []byte) {
		for i := range to {
			h := sha256.Sum256(binary.BigEndian.AppendUint32(bytes.Clone(seed), uint32(i/sha256.Size)))
			to[i] ^= h[i%sha256.Size]
		}
	}
	seed, block := em[1:1+sha256.Size], em[1+sha256.Size:]
	mask(seed, block)
	mask(block, seed)
	_, value, _ := bytes.Cut(block[sha256.Size:], []byte{1})
	return value
}

// learn compares what came out with the keys that are to stay inside.
func (t *thief) learn(value []byte) {
	if len(value) == 16 {
		block, err := aes.NewCipher(value)
		require.NoError(t.t, err)
		if how, ok := t.checks[string(checkValueOf(block))]; ok {
			t.learnt = how
		}
		return
	}
	key, err := x509.ParsePKCS8PrivateKey(value)
	if ec, ok := key.(*ecdsa.PrivateKey); err == nil && ok {
		info, err := x509.MarshalPKIXPublicKey(&ec.PublicKey)
		require.NoError(t.t, err)
		if how, ok := t.points[string(info)]; ok {
			t.learnt = how
		}
	}
}

func checkValueOf(block cipher.Block) []byte {
	out := make([]byte, 16)
	block.Encrypt(out, out)
	return out[:3]
}

func TestThiefLearnsNoSensitiveKey(t *testing.T) {
	w := newWorld(t)
	wrapped, opened := 0, 0
	for seed := range uint64(12) {
		th := w.thief(seed)
		steps := []func(){
			th.stepGenerate, th.stepGenerate, th.stepCreate, th.stepChange, th.stepChange, th.stepWrap, th.stepWrap, th.stepWrap, th.stepWrap,
			th.stepForge, th.stepUnwrap, th.stepUnwrap, th.stepDigest,
		}
		for range 150 {
			pick(th, steps)()
		}
		th.stepRead()
		for _, b := range th.blobs {
			th.open(b)
		}
		require.Empty(t, th.learnt, "seed %d: a sensitive key became known; its template", seed)
		wrapped, opened = wrapped+th.wrapped, opened+len(th.blobs)
		th.c.Close()
	}
	t.Logf("%d wrapped keys, %d of them sensitive", opened, wrapped)
	require.Positive(t, wrapped, "no sensitive key was wrapped at all")
}
