package tpm

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"vtoken/keystore/kek"
)

const (
	nameSize   = 2 + sha256.Size
	maxPrivate = 1024
)

// pcr is a PCR and the value that it had.
type pcr struct {
	index uint8
	value [sha256.Size]byte
}

// blob is a wrapped key.
type blob struct {
	auth    bool // auth-file is needed
	pcrs    []pcr
	primary [nameSize]byte
	unique  [sha256.Size]byte
	private []byte
	sealed  []byte // by the KEK; the rest is authenticated
}

// header is everything before the sealed part.
func (b *blob) header() []byte {
	out := []byte{'T', 1, 0, byte(len(b.pcrs))}
	if b.auth {
		out[2] = 1
	}
	for _, p := range b.pcrs {
		out = append(append(out, p.index), p.value[:]...)
	}
	out = append(append(out, b.primary[:]...), b.unique[:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(b.private)))
	return append(out, b.private...)
}

// parseBlob reads a wrapped key. It fails with [kek.ErrWrongKey].
func parseBlob(in []byte) (*blob, error) {
	bad := fmt.Errorf("%w: it was not wrapped by a TPM", kek.ErrWrongKey)
	if len(in) < 4 || len(in) > kek.MaxWrapped || in[0] != 'T' || in[1] != 1 || in[2] > 1 || in[3] > numPCRs {
		return nil, bad
	}
	b := &blob{auth: in[2] == 1}
	n := int(in[3])
	if in = in[4:]; len(in) < n*(1+sha256.Size)+nameSize+sha256.Size+2 {
		return nil, bad
	}
	for i := range n {
		p := pcr{index: in[0]}
		if p.index >= numPCRs || i > 0 && p.index <= b.pcrs[i-1].index {
			return nil, bad
		}
		in = in[1+copy(p.value[:], in[1:]):]
		b.pcrs = append(b.pcrs, p)
	}
	in = in[copy(b.primary[:], in):]
	in = in[copy(b.unique[:], in):]
	size := int(binary.BigEndian.Uint16(in))
	if in = in[2:]; size == 0 || size > maxPrivate || len(in) < size {
		return nil, bad
	}
	b.private, b.sealed = in[:size], in[size:]
	return b, nil
}
