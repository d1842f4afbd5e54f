package keystore

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"vtoken/vtoken/secret"
)

// sum is a hash of a set of keys and values that does not depend on their
// order: the sum mod 2^256 of a pseudorandom function of each (a keyed variant
// of MSet-Add-Hash, Clarke et al., ASIACRYPT 2003). It is kept sealed.
type sum [4]uint64

const sumSize = 32

// element is the pseudorandom function of one key and its value.
func element(prf secret.Bytes, key, value []byte) sum {
	mac := hmac.New(sha256.New, prf)
	var length [2]byte // keys have at most kv.MaxKey bytes
	binary.BigEndian.PutUint16(length[:], uint16(len(key)))
	mac.Write(length[:])
	mac.Write(key)
	mac.Write(value)
	var out [sumSize]byte
	return parseSum(mac.Sum(out[:0]))
}

func parseSum(b []byte) (s sum) {
	for i := range s {
		s[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return s
}

func (s sum) append(b []byte) []byte {
	for _, v := range s {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

func (s sum) plus(t sum) (out sum) {
	var carry uint64
	for i := range s {
		out[i], carry = bits.Add64(s[i], t[i], carry)
	}
	return out
}

func (s sum) minus(t sum) (out sum) {
	var borrow uint64
	for i := range s {
		out[i], borrow = bits.Sub64(s[i], t[i], borrow)
	}
	return out
}
