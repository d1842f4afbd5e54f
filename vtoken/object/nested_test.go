package object_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// A template for derived keys keeps them from being read if it demands sensitive keys, or ones that
// are not extractable. One that cannot be decoded does.
func TestKeepsResults(t *testing.T) {
	for _, c := range []struct {
		name string
		set  ck.Template
		want bool
	}{
		{"none", nil, false},
		{"empty", ck.Template{derive()}, false},
		{"sensitive", ck.Template{derive(on(ck.CKA_SENSITIVE))}, true},
		{"not sensitive", ck.Template{derive(off(ck.CKA_SENSITIVE))}, false},
		{"not extractable", ck.Template{derive(off(ck.CKA_EXTRACTABLE))}, true},
		{"extractable", ck.Template{derive(on(ck.CKA_EXTRACTABLE))}, false},
		{"sensitive and extractable", ck.Template{derive(on(ck.CKA_SENSITIVE), on(ck.CKA_EXTRACTABLE))}, true},
		{"no template", ck.Template{ck.Bytes(ck.CKA_DERIVE_TEMPLATE, []byte{1})}, true},
	} {
		attrs, err := object.NewSet(c.set)
		require.NoError(t, err)
		o := &object.Object{Attrs: attrs}
		require.Equal(t, c.want, o.KeepsResults(), c.name)
	}
}

// derive is CKA_DERIVE_TEMPLATE with attributes.
func derive(demanded ...ck.Attribute) ck.Attribute {
	return ck.Bytes(ck.CKA_DERIVE_TEMPLATE, ck.EncodeTemplate(demanded))
}

// What a key demands of derived ones is added where a template leaves it out, and refused where it
// says otherwise.
func TestApplyDerivedTemplate(t *testing.T) {
	attrs, err := object.NewSet(ck.Template{derive(on(ck.CKA_SENSITIVE), off(ck.CKA_EXTRACTABLE))})
	require.NoError(t, err)
	o := &object.Object{Attrs: attrs}

	got, err := o.ApplyDerivedTemplate(ck.CKA_DERIVE_TEMPLATE, ck.Template{on(ck.CKA_SENSITIVE), on(ck.CKA_TOKEN)})
	require.NoError(t, err)
	require.Equal(t, ck.Template{on(ck.CKA_SENSITIVE), on(ck.CKA_TOKEN), off(ck.CKA_EXTRACTABLE)}, got)

	_, err = o.ApplyDerivedTemplate(ck.CKA_DERIVE_TEMPLATE, ck.Template{off(ck.CKA_SENSITIVE)})
	require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err))

	given := ck.Template{on(ck.CKA_TOKEN)}
	got, err = (&object.Object{}).ApplyDerivedTemplate(ck.CKA_DERIVE_TEMPLATE, given)
	require.NoError(t, err)
	require.Equal(t, given, got)
}
