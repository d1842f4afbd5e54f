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

// A raw signature of RSA opens what the public half wrapped. No other signature does.
func TestWhatOpens(t *testing.T) {
	for _, c := range []struct {
		key  *Object
		want bool
	}{
		{stored(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, 0, ck.CKA_DECRYPT), true},
		{stored(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, 0, ck.CKA_SIGN), true},
		{stored(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, 0, ck.CKA_SIGN_RECOVER), true},
		{stored(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, 0, ck.CKA_DERIVE), false},
		{stored(ck.CKO_PRIVATE_KEY, ck.CKK_EC, 0, ck.CKA_SIGN), false},
		{stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, ck.CKA_SIGN), false},
		{stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, ck.CKA_DECRYPT), true},
		{stored(ck.CKO_PUBLIC_KEY, ck.CKK_RSA, 0, ck.CKA_SIGN), false},
	} {
		require.Equal(t, c.want, usesOf(c.key.Attrs).has(pastOpens), "%v", c.key.Attrs)
	}
	for use, want := range map[ck.AttributeType]past{
		ck.CKA_WRAP: pastWraps, ck.CKA_UNWRAP: pastUnwraps, ck.CKA_ENCRYPT: pastEncrypts, ck.CKA_VERIFY: 0,
	} {
		require.Equal(t, want, usesOf(stored(ck.CKO_SECRET_KEY, ck.CKK_AES, 0, use).Attrs), "%v", use)
	}
	for _, typ := range append(HMACKeyTypes(), ck.CKK_GENERIC_SECRET) {
		require.Zero(t, usesOf(stored(ck.CKO_SECRET_KEY, typ, 0, ck.CKA_WRAP).Attrs), "%v has no mechanism that wraps", typ)
	}
}

// The halves of a pair know of each other once they are joined.
func TestJoinedPairs(t *testing.T) {
	pub := func(t ck.KeyType, uses ...ck.AttributeType) *Object { return stored(ck.CKO_PUBLIC_KEY, t, 0, uses...) }
	priv := func(t ck.KeyType, p past, uses ...ck.AttributeType) *Object {
		return stored(ck.CKO_PRIVATE_KEY, t, byte(p|pastComplete), uses...)
	}
	for name, c := range map[string]struct {
		pub, priv         *Object
		wantPub, wantPriv past
	}{
		"wraps":              {pub(ck.CKK_RSA, ck.CKA_WRAP), priv(ck.CKK_RSA, pastUnwraps), pastWraps, pastUnwraps | pastPairWraps},
		"wraps and opens":    {pub(ck.CKK_RSA, ck.CKA_WRAP), priv(ck.CKK_RSA, pastOpens), pastWraps | pastOpens, pastOpens},
		"wraps and is known": {pub(ck.CKK_RSA, ck.CKA_WRAP), priv(ck.CKK_RSA, pastKnown), pastWraps | pastKnown, pastKnown},
		"does not wrap":      {pub(ck.CKK_RSA, ck.CKA_ENCRYPT), priv(ck.CKK_RSA, pastUnwraps), pastEncrypts, pastUnwraps},
		"is not of RSA":      {pub(ck.CKK_EC, ck.CKA_WRAP), priv(ck.CKK_EC, 0), pastWraps, 0},
	} {
		Join(c.pub, c.priv)
		require.Equal(t, c.wantPub|pastComplete, pastOf(c.pub.Attrs), name)
		require.Equal(t, c.wantPriv|pastComplete, pastOf(c.priv.Attrs), name)
	}
}

// A key guards others where its value opens what it wrapped.
func TestWhatGuards(t *testing.T) {
	for p, want := range map[past]bool{
		pastPairWraps | pastComplete: true, pastWraps | pastComplete: true, pastWraps | pastOpens | pastComplete: false,
		pastWraps | pastKnown | pastComplete: false, pastWraps | pastKnown | pastVouched | pastComplete: true,
		pastWraps | pastKnown: true, pastUnwraps | pastComplete: false, pastVouched | pastComplete: false, 0: false,
	} {
		require.Equal(t, want, p.guards(), "%08b", p)
	}
}
