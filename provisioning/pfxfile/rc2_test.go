package pfxfile

import (
	"encoding/binary"
	"math/bits"
)

// encrypt encrypts a block in place (RFC 2268, section 3), to make files of.
func (k *rc2) encrypt(block []byte) {
	var r [4]uint16
	for i := range r {
		r[i] = binary.LittleEndian.Uint16(block[2*i:])
	}
	next := 0
	for group, rounds := range [...]int{5, 6, 5} {
		if group > 0 {
			for i := range r {
				r[i] += k[r[(i+3)%4]&63]
			}
		}
		for range rounds {
			for i := range r {
				a, b, c := r[(i+3)%4], r[(i+2)%4], r[(i+1)%4]
				r[i] = bits.RotateLeft16(r[i]+k[next]+a&b+^a&c, rc2Shifts[i])
				next++
			}
		}
	}
	for i := range r {
		binary.LittleEndian.PutUint16(block[2*i:], r[i])
	}
}
