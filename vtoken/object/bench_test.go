package object_test

import (
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"

	"github.com/stretchr/testify/require"
)

func BenchmarkBuild(b *testing.B) {
	for _, c := range []struct {
		name string
		t    ck.Template
	}{
		{"data", data(on(ck.CKA_TOKEN), ck.String(ck.CKA_LABEL, "x"), ck.Bytes(ck.CKA_VALUE, make([]byte, 512)))},
		{"AES", aesTemplate(on(ck.CKA_TOKEN), ck.String(ck.CKA_LABEL, "x"))},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := object.Build(object.Source{}, c.t)
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkRead is what C_GetAttributeValue does for each attribute.
func BenchmarkRead(b *testing.B) {
	o, err := object.Build(object.Source{}, aesTemplate())
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, err := o.Read(ck.CKA_LABEL)
		require.NoError(b, err)
	}
}
