package object

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// A default is a value of the attribute's kind: what package ck takes for bytes would
// reach a host in the wrong byte order, or with any length.
func TestDefaultsAreOfTheirKind(t *testing.T) {
	seen := map[ck.ValueKind]int{}
	for _, row := range kinds {
		for _, table := range row.tables {
			for _, r := range table {
				kind := ck.KindOf(r.typ)
				switch {
				case r.def == nil:
					continue
				case bytes.Equal(r.def, boolFalse), bytes.Equal(r.def, boolTrue):
					require.Equal(t, ck.KindBool, kind, "%v has a CK_BBOOL as its default", r.typ)
				case bytes.Equal(r.def, ulongZero):
					require.Equal(t, ck.KindUlong, kind, "%v has a CK_ULONG as its default", r.typ)
				default:
					require.Empty(t, r.def, "%v has a default of no known kind", r.typ)
					require.Contains(t, []ck.ValueKind{ck.KindBytes, ck.KindDate, ck.KindMechanisms, ck.KindTemplate}, kind, "%v has an empty default", r.typ)
				}
				seen[kind]++
			}
		}
	}
	require.NotZero(t, seen[ck.KindBool])
	require.NotZero(t, seen[ck.KindUlong])
}
