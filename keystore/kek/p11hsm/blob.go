package p11hsm

import (
	"encoding/binary"
	"fmt"

	"vtoken/keystore/kek"
)

const (
	headerSize = 2 + 1 + 2
	maxWrapped = 2048 // of a KEK in the HSM's way, in bytes
)

// blob is a wrapped key.
type blob struct {
	way     byte
	wrapped []byte // the KEK, by the HSM
	sealed  []byte // by the KEK; the rest is authenticated
}

func (b *blob) header() []byte {
	out := []byte{'H', 1, b.way}
	out = binary.BigEndian.AppendUint16(out, uint16(len(b.wrapped)))
	return append(out, b.wrapped...)
}

// parseBlob reads a wrapped key. It fails with [kek.ErrWrongKey].
func parseBlob(in []byte) (*blob, error) {
	bad := fmt.Errorf("%w: it was not wrapped by an HSM", kek.ErrWrongKey)
	if len(in) < headerSize || len(in) > kek.MaxWrapped || in[0] != 'H' || in[1] != 1 {
		return nil, bad
	}
	n := int(binary.BigEndian.Uint16(in[3:]))
	if n == 0 || n > maxWrapped || len(in) < headerSize+n {
		return nil, bad
	}
	return &blob{way: in[2], wrapped: in[headerSize : headerSize+n], sealed: in[headerSize+n:]}, nil
}
