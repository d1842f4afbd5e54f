package object

import (
	"encoding/binary"
	"errors"
	"fmt"

	"vtoken/vtoken/ck"
)

// The bounds of one object. A template beyond them is refused when the object
// is made, and an encoded set beyond them when it is parsed.
const (
	// MaxAttributes is the most attributes that one set holds.
	MaxAttributes = 256
	// MaxValue is the most bytes of one attribute value.
	MaxValue = 1 << 20
)

// ErrEncoding is what [ParseSet] returns, wrapped, for bytes that
// [Set.AppendBinary] did not write.
var ErrEncoding = errors.New("bad attribute set")

// AppendBinary appends the one binary form of the set: the number of attributes
// (4 bytes), and for each, in the order of types, its type (8 bytes), the
// length of its value (4 bytes) and the value; integers are big endian. Equal
// sets have equal forms. The keystore seals this form.
func (s Set) AppendBinary(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	for _, a := range s {
		b = binary.BigEndian.AppendUint64(b, uint64(a.Type))
		b = binary.BigEndian.AppendUint32(b, uint32(len(a.Value)))
		b = append(b, a.Value...)
	}
	return b
}

// ParseSet reads what [Set.AppendBinary] wrote, and nothing else: types that
// are out of order or doubled, values that are cut off or longer than
// [MaxValue], more than [MaxAttributes] and trailing bytes are errors. The
// values share memory with b. An empty set is not nil.
func ParseSet(b []byte) (Set, error) {
	if len(b) < 4 {
		return nil, fmt.Errorf("%w: no count in %d bytes", ErrEncoding, len(b))
	}
	n := binary.BigEndian.Uint32(b)
	b = b[4:]
	if n > MaxAttributes || uint64(n)*12 > uint64(len(b)) {
		return nil, fmt.Errorf("%w: %d attributes in %d bytes", ErrEncoding, n, len(b))
	}
	s := make(Set, 0, n)
	for range n {
		a, rest, err := parseAttribute(b)
		if err != nil {
			return nil, err
		}
		if len(s) > 0 && a.Type <= s[len(s)-1].Type {
			return nil, fmt.Errorf("%w: %v is out of order", ErrEncoding, a.Type)
		}
		s, b = append(s, a), rest
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%w: %d bytes after the end", ErrEncoding, len(b))
	}
	return s, nil
}

func parseAttribute(b []byte) (a ck.Attribute, rest []byte, err error) {
	if len(b) < 12 {
		return a, nil, fmt.Errorf("%w: cut off in a header", ErrEncoding)
	}
	a.Type = ck.AttributeType(binary.BigEndian.Uint64(b))
	n := binary.BigEndian.Uint32(b[8:])
	b = b[12:]
	if n > MaxValue || uint64(n) > uint64(len(b)) {
		return a, nil, fmt.Errorf("%w: %v has %d bytes of %d", ErrEncoding, a.Type, len(b), n)
	}
	a.Value = b[:n:n]
	return a, b[n:], nil
}
