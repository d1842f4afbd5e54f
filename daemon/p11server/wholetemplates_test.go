package p11server

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// The engine has room for every template, and for other attributes what the caller has. The caller's
// queries stay.
func TestWholeTemplates(t *testing.T) {
	small := ck.Buffer{Len: 4}
	queries := []ck.AttributeQuery{
		{Type: ck.CKA_LABEL, Buffer: small},
		{Type: ck.CKA_WRAP_TEMPLATE, Buffer: small},
		{Type: ck.CKA_UNWRAP_TEMPLATE, Buffer: small},
	}
	before := slices.Clone(queries)
	got := wholeTemplates(queries)
	require.Equal(t, before, queries)
	whole := ck.Buffer{Len: p11rpc.MaxBody}
	require.Equal(t, []ck.Buffer{small, whole, whole}, []ck.Buffer{got[0].Buffer, got[1].Buffer, got[2].Buffer})

	// With one query alone, and with none.
	require.Equal(t, whole, wholeTemplates(queries[1:2])[0].Buffer)
	require.Equal(t, small, queries[1].Buffer)
	require.Equal(t, queries[:1], wholeTemplates(queries[:1]))
	require.Empty(t, wholeTemplates(nil))
}
