package p11rpc

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// The two lists of kinds agree on each attribute that both have. Package ck leaves out
// those that nothing here reads: attributes that PKCS#11 dropped, and IBM's.
func TestKindsOfAttributesAgree(t *testing.T) {
	leftOut := []ck.AttributeType{ck.CKA_SECONDARY_AUTH, ck.CKA_AUTH_PIN_FLAGS}
	for typ, kind := range wireKinds {
		if typ >= ck.CKA_VENDOR_DEFINED || slices.Contains(leftOut, typ) {
			continue
		}
		require.Equal(t, kind, ck.KindOf(typ), "%v", typ)
	}
}

// A number that p11-kit passes on as bytes has the host's order on the wire, which is little
// endian. A value of another length is none, and stays what it is.
func TestNumbersThatTravelAsBytes(t *testing.T) {
	for _, c := range []struct{ value, wire string }{
		{"\x00\x00\x00\x00\x00\x00\x00\x06", "\x06\x00\x00\x00\x00\x00\x00\x00"}, {"\x01\x02\x03", "\x01\x02\x03"},
	} {
		var e Encoder
		e.BeginRequest(1, CallFindObjectsInit)
		e.Ulong(5)
		e.Template(ck.Template{ck.String(ck.CKA_OTP_LENGTH, c.value)})
		require.NoError(t, e.End())
		require.Equal(t, c.wire, string(e.Bytes()[len(e.Bytes())-len(c.wire):]))
		var d Decoder
		_, err := d.Request(frameOf(t, e.Bytes()).Body)
		require.NoError(t, err)
		d.Session()
		require.Equal(t, ck.Template{ck.String(ck.CKA_OTP_LENGTH, c.value)}, d.Template())
	}
}
