package mech

import (
	"bytes"
	"encoding/binary"
)

// encode is EMSA-PSS-ENCODE (RFC 8017 section 9.1.1) of a digest, to emBits
// bits. The salt is known to fit.
func (v pss) encode(digest, salt []byte, emBits int) []byte {
	em := make([]byte, (emBits+7)/8)
	h := v.seal(digest, salt)
	db := em[:len(em)-len(h)-1]
	copy(db[len(db)-len(salt):], salt)
	db[len(db)-len(salt)-1] = 1
	v.mgf.mask(db, h)
	db[0] &= 0xff >> (8*len(em) - emBits)
	copy(em[len(db):], h)
	em[len(em)-1] = 0xbc
	return em
}

// seal is the hash over digest and salt, which the encoding is built on.
func (v pss) seal(digest, salt []byte) []byte {
	h := v.hash.new()
	h.Write(make([]byte, 8))
	h.Write(digest)
	h.Write(salt)
	return h.Sum(nil)
}

// matches is EMSA-PSS-VERIFY (RFC 8017 section 9.1.2). em may have zeroes in
// front. Nothing here is secret.
func (v pss) matches(em, digest []byte, emBits int) bool {
	front := len(em) - (emBits+7)/8
	if front < 0 || len(bytes.TrimLeft(em[:front], "\x00")) > 0 {
		return false
	}
	em = em[front:]
	hLen := v.hash.hash.Size()
	if len(em) < hLen+v.saltLen+2 || em[len(em)-1] != 0xbc {
		return false
	}
	db := bytes.Clone(em[:len(em)-hLen-1])
	h := em[len(db) : len(em)-1]
	unused := byte(0xff) >> (8*len(em) - emBits)
	if db[0]&^unused != 0 {
		return false
	}
	v.mgf.mask(db, h)
	db[0] &= unused
	salt := db[len(db)-v.saltLen:]
	padding := db[:len(db)-v.saltLen-1]
	if len(bytes.TrimLeft(padding, "\x00")) > 0 || db[len(padding)] != 1 {
		return false
	}
	return bytes.Equal(h, v.seal(digest, salt))
}

// mask XORs MGF1 of the seed onto b (RFC 8017 appendix B.2.1).
func (h hashAlg) mask(b, seed []byte) {
	hash := h.new()
	var block []byte
	for counter := uint32(0); len(b) > 0; counter++ {
		hash.Reset()
		hash.Write(seed)
		hash.Write(binary.BigEndian.AppendUint32(nil, counter))
		block = hash.Sum(block[:0])
		for i := 0; i < len(block) && i < len(b); i++ {
			b[i] ^= block[i]
		}
		b = b[min(len(block), len(b)):]
	}
}
