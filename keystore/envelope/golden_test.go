package envelope

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A blob is laid out as here, by which the blobs of existing stores open: the format, the version of
// the contents where it is not the first, the key, the version of the record, the nonce, and what
// XAES-256-GCM makes of the plain text with the header and the place.
func TestLayout(t *testing.T) {
	raw := bytes.Repeat([]byte{9}, KeySize)
	k, err := NewKey(raw)
	require.NoError(t, err)
	id := k.ID()
	nonce := bytes.Repeat([]byte{5}, 24)
	for schema, head := range map[uint16][]byte{1: {1}, 2: {2, 0, 2}, 0x1234: {2, 0x12, 0x34}} {
		p := place
		p.Schema = schema
		header := binary.BigEndian.AppendUint64(slices.Concat(head, id[:]), 77)
		ad := binary.BigEndian.AppendUint32(slices.Clone(header), uint32(schema))
		ad = slices.Concat(ad, p.Tenant[:], p.Record[:])
		ad = append(binary.BigEndian.AppendUint64(ad, p.Object), byte(p.Field))
		blob := slices.Concat(header, nonce, xaesSeal(t, raw, nonce, []byte("plain"), ad))

		plain, version, err := k.Open(p, blob)
		require.NoError(t, err)
		require.Equal(t, "plain", string(plain))
		require.Equal(t, uint64(77), version)
	}
}
