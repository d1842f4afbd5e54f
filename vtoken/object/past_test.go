package object

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// stored is an AES key, or one of another class and type, as an earlier version has it.
func stored(class ck.ObjectClass, t ck.KeyType, gaveUp byte, on ...ck.AttributeType) *Object {
	s := Set{}.With(ck.Ulong(ck.CKA_CLASS, class), ck.Ulong(ck.CKA_KEY_TYPE, t), ck.Bool(ck.CKA_MODIFIABLE, true), ck.Bool(ck.CKA_COPYABLE, true))
	for _, a := range on {
		s = s.With(ck.Bool(a, true))
	}
	if gaveUp != 0 {
		s = s.With(ck.Bytes(attrPast, []byte{gaveUp}))
	}
	return &Object{Attrs: s}
}

// Keys of earlier versions are judged by what the rules of those versions say for sure.
func TestKeysOfEarlierVersions(t *testing.T) {
	victim := stored(ck.CKO_SECRET_KEY, ck.CKK_AES, byte(pastComplete), ck.CKA_SENSITIVE, ck.CKA_EXTRACTABLE)
	const no = ck.CKR_KEY_NOT_WRAPPABLE
	made := []ck.AttributeType{ck.CKA_LOCAL, ck.CKA_SENSITIVE, ck.CKA_ALWAYS_SENSITIVE, ck.CKA_WRAP}
	for name, c := range map[string]struct {
		key  *Object
		code ck.Error
	}{
		"a wrapping key":                       {stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, made...), ck.CKR_OK},
		"one that did not leave":               {stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, ck.CKA_LOCAL, ck.CKA_NEVER_EXTRACTABLE, ck.CKA_WRAP), ck.CKR_OK},
		"one that was readable":                {stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, ck.CKA_LOCAL, ck.CKA_SENSITIVE, ck.CKA_WRAP), no},
		"one that was created":                 {stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, ck.CKA_SENSITIVE, ck.CKA_WRAP), no},
		"one that was created and trusted":     {stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, ck.CKA_SENSITIVE, ck.CKA_WRAP, ck.CKA_TRUSTED), no},
		"a public key":                         {stored(ck.CKO_PUBLIC_KEY, ck.CKK_RSA, 0, ck.CKA_LOCAL, ck.CKA_WRAP), no},
		"a public key that the SO marked":      {stored(ck.CKO_PUBLIC_KEY, ck.CKK_RSA, 0, ck.CKA_WRAP, ck.CKA_TRUSTED), ck.CKR_OK},
		"a wrapping key, after another change": {mustChange(t, stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, made...)), ck.CKR_OK},
		"a created key, after another change":  {mustChange(t, stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, ck.CKA_WRAP)), no},
	} {
		require.Equal(t, c.code, ck.CodeOf(c.key.MayWrap(victim)), name)
	}
	encrypts := stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, append(made, ck.CKA_ENCRYPT)...)
	encrypted := stored(ck.CKO_SECRET_KEY, ck.CKK_AES, byte(pastEncrypts), made...)
	for _, key := range []*Object{encrypts, encrypted} {
		require.NoError(t, key.MayWrap(victim))
		require.Equal(t, ck.CKR_KEY_FUNCTION_NOT_PERMITTED, ck.CodeOf(key.MaySeal(victim)))
	}

	// What wrapped, or whose pair may have, gains no decryption and is not wrapped.
	wrapping := stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, made...)
	for name, key := range map[string]*Object{
		"wraps":                 stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, append(made, ck.CKA_EXTRACTABLE)...),
		"wrapped":               stored(ck.CKO_SECRET_KEY, ck.CKK_AES, byte(pastWraps), ck.CKA_LOCAL, ck.CKA_EXTRACTABLE),
		"was created and wraps": stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, ck.CKA_WRAP, ck.CKA_EXTRACTABLE),
		"unwraps":               stored(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, 0, ck.CKA_UNWRAP, ck.CKA_EXTRACTABLE),
		"unwrapped":             stored(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, byte(pastUnwraps), ck.CKA_EXTRACTABLE),
	} {
		_, err := key.Change(ck.Template{ck.Bool(ck.CKA_DECRYPT, true)}, false)
		require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err), name)
		require.Equal(t, no, ck.CodeOf(wrapping.MayWrap(key)), name)
	}
}

func mustChange(t *testing.T, o *Object) *Object {
	t.Helper()
	o, err := o.Change(ck.Template{ck.String(ck.CKA_LABEL, "another")}, false)
	require.NoError(t, err)
	require.False(t, pastOf(o.Attrs).has(pastComplete))
	return o
}

// Nobody gives, reads or finds what a key remembers.
func TestThePastIsOurs(t *testing.T) {
	o := stored(ck.CKO_SECRET_KEY, ck.CKK_AES, byte(pastComplete), ck.CKA_SENSITIVE)
	_, err := o.Read(attrPast)
	require.Equal(t, ck.CKR_ATTRIBUTE_TYPE_INVALID, ck.CodeOf(err))
	require.False(t, o.Match(ck.Template{o.Attrs[len(o.Attrs)-1]}))
	for _, revise := range []func(ck.Template, bool) (*Object, error){o.Change, o.WithSecret(Set{}).Copy} {
		_, err = revise(ck.Template{pastComplete.attribute()}, true)
		require.Equal(t, ck.CKR_ATTRIBUTE_TYPE_INVALID, ck.CodeOf(err))
	}
}
