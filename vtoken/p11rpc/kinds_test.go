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
