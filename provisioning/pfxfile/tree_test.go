package pfxfile

import (
	"bytes"
	"crypto/cipher"
	"crypto/hmac"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"vtoken/provisioning/work"
	"vtoken/vtoken/secret"
)

const testPassword = "correct-horse"

// node is an element of DER that can be changed and written again, with everything
// around it: lengths, what it is encrypted in, and the MAC.
type node struct {
	tag     byte
	raw     []byte // the content, where it has no kids
	kids    []*node
	crypt   *scheme // the kids are encrypted
	length  []byte  // written instead of the right length
	isShell bool    // an octet string with DER in it
}

// parse reads elements; ok is false where it is no DER.
func parse(data []byte) (list []*node, ok bool) {
	in := cryptobyte.String(data)
	for !in.Empty() {
		var body cryptobyte.String
		var tag cbasn1.Tag
		if !in.ReadAnyASN1(&body, &tag) {
			return nil, false
		}
		n := &node{tag: byte(tag), raw: bytes.Clone(body)}
		if byte(tag)&0x20 != 0 {
			if n.kids, ok = parse(body); !ok {
				return nil, false
			}
		} else if tag == cbasn1.OCTET_STRING && len(body) > 2 && body[0] == 0x30 {
			if kids, ok := parse(body); ok {
				n.kids, n.isShell = kids, true
			}
		}
		list = append(list, n)
	}
	return list, true
}

// open decrypts everything in the tree with the password.
func (n *node) open(t testing.TB) {
	for _, k := range n.kids {
		k.open(t)
	}
	last := len(n.kids) - 1
	if n.tag != 0x30 || last < 1 {
		return
	}
	data := n.kids[last]
	var a algorithm
	var der []byte
	for _, k := range n.kids[:last] {
		if k.tag == 0x30 {
			der = k.encode()
		}
	}
	in := cryptobyte.String(der)
	if der == nil || (data.tag != 0x04 && data.tag != 0x80) || !a.read(&in) {
		return
	}
	s, err := encryption(a)
	if err != nil {
		return
	}
	plain, err := s.decrypt(work.New(t.Context(), math.MaxInt64), pw(), data.raw)
	require.NoError(t, err)
	kids, ok := parse(plain)
	require.True(t, ok)
	s.keepKeys(t)
	data.kids, data.crypt, data.isShell = kids, &s, false
	for _, k := range kids {
		k.open(t)
	}
}

// keepKeys derives the keys once.
func (s *scheme) keepKeys(t testing.TB) {
	key, iv, err := s.keys(work.New(t.Context(), math.MaxInt64), pw())
	require.NoError(t, err)
	s.keys = func(*work.Budget, *passwords) (secret.Bytes, secret.Bytes, error) {
		return key.Clone(), iv.Clone(), nil
	}
}

func pw() *passwords {
	return &passwords{bmp: bmpString([]byte(testPassword)), utf8: secret.Bytes(testPassword)}
}

// encode writes the element.
func (n *node) encode() []byte {
	content := n.raw
	if n.kids != nil {
		content = nil
		for _, k := range n.kids {
			content = append(content, k.encode()...)
		}
		if n.crypt != nil {
			content = n.crypt.encrypt(content)
		}
	}
	out := []byte{n.tag}
	switch size := len(content); {
	case n.length != nil:
		out = append(out, n.length...)
	case size < 0x80:
		out = append(out, byte(size))
	case size < 0x100:
		out = append(out, 0x81, byte(size))
	case size < 0x10000:
		out = append(out, 0x82, byte(size>>8), byte(size))
	default:
		out = append(out, 0x83, byte(size>>16), byte(size>>8), byte(size))
	}
	return append(out, content...)
}

func (s scheme) encrypt(plain []byte) []byte {
	key, iv, err := s.keys(work.New(neverEnds{}, math.MaxInt64), pw())
	if err != nil {
		panic(err)
	}
	block, err := s.block(key)
	if err != nil {
		panic(err)
	}
	n := block.BlockSize()
	pad := n - len(plain)%n
	plain = append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	if k, ok := block.(*rc2); ok { // which is decrypted only
		return k.encryptCBC(iv, plain)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(plain, plain)
	return plain
}

// encryptCBC is the inverse of decrypting.
func (k *rc2) encryptCBC(iv, plain []byte) []byte {
	out := make([]byte, 0, len(plain))
	for ; len(plain) > 0; plain = plain[8:] {
		block := make([]byte, 8)
		for i := range block {
			block[i] = plain[i] ^ iv[i]
		}
		k.encrypt(block)
		out, iv = append(out, block...), block
	}
	return out
}

// tree is a file, opened.
type tree struct {
	root *node
	mac  scheme
}

func newTree(t testing.TB, file []byte) *tree {
	t.Helper()
	list, ok := parse(file)
	require.True(t, ok)
	require.Len(t, list, 1)
	f := &tree{root: list[0]}
	in := cryptobyte.String(f.root.kids[2].encode())
	var err error
	f.mac, _, err = macData(&in)
	require.NoError(t, err)
	f.mac.keepKeys(t)
	f.root.open(t)
	require.Equal(t, file, f.encode(t), "the tree is written as it was read")
	return f
}

// encode writes the file with a right MAC.
func (f *tree) encode(t testing.TB) []byte {
	content := f.root.kids[1].kids[1].kids[0]
	var data []byte
	for _, k := range content.kids {
		data = append(data, k.encode()...)
	}
	key, _, err := f.mac.keys(work.New(neverEnds{t.Context()}, math.MaxInt64), pw())
	require.NoError(t, err)
	m := hmac.New(f.mac.mac, key)
	m.Write(data)
	digest := f.root.kids[2].kids[0].kids[1]
	digest.raw, digest.kids = m.Sum(nil), nil
	return f.root.encode()
}

// all are all elements of the tree.
func (n *node) all() []*node {
	list := []*node{n}
	for _, k := range n.kids {
		list = append(list, k.all()...)
	}
	return list
}

func toString(b []byte) cryptobyte.String { return b }
