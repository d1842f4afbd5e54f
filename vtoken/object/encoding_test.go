package object_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"

	"github.com/stretchr/testify/require"
)

func TestSetEncoding(t *testing.T) {
	for _, s := range []object.Set{
		{}, {{Type: 0}}, {{Type: 1, Value: []byte("x")}, {Type: ck.CKA_VENDOR_DEFINED | 1, Value: []byte{}}},
		build(t, data(ck.Bytes(ck.CKA_VALUE, make([]byte, object.MaxValue)))).Attrs,
		build(t, privateTemplate(t, testRSA())).Secret,
	} {
		b := s.AppendBinary(nil)
		back, err := object.ParseSet(b)
		require.NoError(t, err)
		require.NotNil(t, back)
		if !slices.EqualFunc(s, back, ck.Attribute.Equal) {
			t.Errorf("%v comes back as %v", s, back)
		}
		for n := range min(len(b), 300) {
			if _, err := object.ParseSet(b[:n]); !errors.Is(err, object.ErrEncoding) {
				t.Errorf("cut off at %d: %v", n, err)
			}
		}
		if _, err := object.ParseSet(append(bytes.Clone(b), 0)); !errors.Is(err, object.ErrEncoding) {
			t.Errorf("a byte more: %v", err)
		}
	}
}

func TestSetEncodingRefuses(t *testing.T) {
	for name, s := range map[string]object.Set{
		"unsorted": {{Type: 2}, {Type: 1}},
		"doubled":  {{Type: 1}, {Type: 1}},
		"too many": make(object.Set, object.MaxAttributes+1),
		"too long": {{Type: 1, Value: make([]byte, object.MaxValue+1)}},
	} {
		if _, err := object.ParseSet(s.AppendBinary(nil)); !errors.Is(err, object.ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSetMethods(t *testing.T) {
	s, err := object.NewSet(ck.Template{ck.String(3, "c"), ck.String(1, "a"), on(ck.CKA_PRIVATE)})
	require.NoError(t, err)
	w := s.With(ck.String(3, "C"), ck.String(0, "0"), ck.String(9, "i"))
	require.Equal(t, "c", string(s.Get(3)), "%v with more is %v", s, w)
	require.Equal(t, "C", string(w.Get(3)), "%v with more is %v", s, w)
	require.Len(t, w, 5, "%v with more is %v", s, w)
	require.True(t, slices.IsSortedFunc(w, func(a, b ck.Attribute) int { return int(a.Type) - int(b.Type) }),
		"%v with more is %v", s, w)
	require.False(t, w.Without(0, 9).Has(9), "without, bool, has or get")
	require.True(t, w.Bool(ck.CKA_PRIVATE), "without, bool, has or get")
	require.False(t, w.Has(7), "without, bool, has or get")
	require.Nil(t, w.Get(7), "without, bool, has or get")
	c := s.Clone()
	c.Wipe()
	require.Equal(t, "a", string(s.Get(1)), "wiping a clone wipes the original, or nothing")
	require.NotEqual(t, "a", string(c.Get(1)), "wiping a clone wipes the original, or nothing")
	require.Nil(t, object.Set(nil).Clone(), "the clone of nil, which means sealed, is not nil")
}

// FuzzParseSet: what is accepted is the one form of what it says.
func FuzzParseSet(f *testing.F) {
	o, err := object.Build(object.Source{}, aesTemplate(ck.String(ck.CKA_LABEL, "seed")))
	require.NoError(f, err)
	for _, s := range []object.Set{{}, o.Attrs, o.Secret} {
		b := s.AppendBinary(nil)
		_, err := object.ParseSet(b)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := object.ParseSet(b)
		if err != nil {
			return
		}
		require.Equal(t, b, s.AppendBinary(nil), "a second form was accepted")
	})
}

// FuzzBuild: any template gives an object that keeps the rules, or a code.
func FuzzBuild(f *testing.F) {
	key := ecKeyF(f)
	for _, tpl := range []ck.Template{data(), aesTemplate(), key, object.CertificateTemplate([]byte{0x30, 0})} {
		s, err := object.NewSet(tpl)
		require.NoError(f, err)
		require.NotEmpty(f, s, "an empty seed")
		f.Add(byte(0), s.AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, origin byte, b []byte) {
		s, err := object.ParseSet(b)
		if err != nil {
			return
		}
		o, err := object.Build(object.Source{Origin: object.Origin(origin % 4)}, ck.Template(s))
		if err != nil {
			require.NotEqual(t, ck.CKR_GENERAL_ERROR, ck.CodeOf(err), "an error without a code: %v", err)
			return
		}
		both := o.Bool(ck.CKA_WRAP) && o.Bool(ck.CKA_DECRYPT) || o.Bool(ck.CKA_UNWRAP) && o.Bool(ck.CKA_ENCRYPT)
		if kt, _ := o.KeyType(); both && (kt == ck.CKK_AES || kt == ck.CKK_RSA) || o.Bool(ck.CKA_TRUSTED) {
			t.Fatalf("a key has uses that it may not have: %v", o.Attrs)
		}
		if o.Sealed() || !o.Match(nil) || o.Size() == 0 {
			t.Fatal("the object is not whole")
		}
		for _, set := range []object.Set{o.Attrs, o.Secret} {
			_, err := object.ParseSet(set.AppendBinary(nil))
			require.NoError(t, err, "the object cannot be stored")
		}
	})
}

func ecKeyF(f *testing.F) ck.Template {
	f.Helper()
	v := make([]byte, 32)
	v[31] = 1
	return ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_EC),
		ck.Bytes(ck.CKA_EC_PARAMS, []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}), ck.Bytes(ck.CKA_VALUE, v),
	}
}
