package object_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// quickSets are parameter sets of each scheme that make keys quickly.
func quickSets(t *testing.T) (list []object.ParameterSet) {
	t.Helper()
	for _, c := range []struct {
		typ    ck.KeyType
		number uint64
	}{
		{ck.CKK_ML_DSA, ck.CKP_ML_DSA_44}, {ck.CKK_ML_DSA, ck.CKP_ML_DSA_87}, {ck.CKK_ML_KEM, ck.CKP_ML_KEM_512},
		{ck.CKK_ML_KEM, ck.CKP_ML_KEM_1024}, {ck.CKK_SLH_DSA, ck.CKP_SLH_DSA_SHA2_128F},
		{ck.CKK_SLH_DSA, ck.CKP_SLH_DSA_SHAKE_192F},
	} {
		s, err := object.ParameterSetOf(c.typ, c.number)
		require.NoError(t, err)
		require.Equal(t, c.typ, s.KeyType)
		require.Equal(t, c.number, s.Number)
		list = append(list, s)
	}
	return list
}

// bytesOf is the encoding of a key.
func bytesOf(t *testing.T, key any) []byte {
	t.Helper()
	v, err := key.(interface{ MarshalBinary() ([]byte, error) }).MarshalBinary()
	require.NoError(t, err)
	return v
}

func TestUnknownParameterSet(t *testing.T) {
	for _, typ := range []ck.KeyType{ck.CKK_ML_DSA, ck.CKK_ML_KEM, ck.CKK_SLH_DSA, ck.CKK_EC} {
		_, err := object.ParameterSetOf(typ, 99)
		wantCode(t, err, ck.CKR_PARAMETER_SET_NOT_SUPPORTED)
	}
	_, err := object.ParameterSetOf(ck.CKK_EC, ck.CKP_ML_DSA_44)
	wantCode(t, err, ck.CKR_PARAMETER_SET_NOT_SUPPORTED)
}

// Keys of all schemes are built from their templates and read back, whatever the template leaves
// out.
func TestLatticeKeysTravel(t *testing.T) {
	for _, s := range quickSets(t) {
		key := s.Generate()
		require.Equal(t, s.KeyType == ck.CKK_SLH_DSA, key.Seed == nil, s.Name)
		pub, err := key.Public()
		require.NoError(t, err, s.Name)
		require.Len(t, bytesOf(t, pub.Key), s.PublicLen)
		info, err := object.MarshalPublic(pub)
		require.NoError(t, err)

		o := build(t, publicTemplate(t, pub))
		require.Equal(t, info, o.Attrs.Get(ck.CKA_PUBLIC_KEY_INFO), s.Name)
		back, err := o.PublicKey()
		require.NoError(t, err, s.Name)
		require.Equal(t, bytesOf(t, pub.Key), bytesOf(t, back.(*object.LatticePublic).Key))
		require.Equal(t, s.Name, back.(*object.LatticePublic).Set.Name)

		whole := privateTemplate(t, key)
		forms := []ck.Template{whole}
		if key.Seed != nil {
			forms = append(forms, append(whole[:3:3], whole[4]), whole[:4])
		}
		for i, form := range forms {
			o := build(t, form)
			require.Equal(t, info, o.Attrs.Get(ck.CKA_PUBLIC_KEY_INFO), s.Name)
			require.Equal(t, bytesOf(t, key.Key), o.Secret.Get(ck.CKA_VALUE), s.Name)
			priv, err := o.PrivateKey()
			require.NoError(t, err, s.Name)
			got := priv.(*object.LatticePrivate)
			require.Equal(t, bytesOf(t, key.Key), bytesOf(t, got.Key), s.Name)
			if i == 2 {
				require.Nil(t, got.Seed, "nobody knows the seed")
				require.False(t, o.Secret.Has(ck.CKA_SEED))
			} else {
				require.Equal(t, key.Seed, got.Seed, s.Name)
			}
			encoded, err := o.Encoded()
			require.NoError(t, err)
			again, err := object.FromEncoded(ck.CKO_PRIVATE_KEY, encoded)
			require.NoError(t, err)
			require.Equal(t, o.Secret, build(t, again).Secret, s.Name)
		}
	}
}

// Keys of another set, or whose parts do not fit together, are refused.
func TestBadLatticeKeys(t *testing.T) {
	for _, s := range quickSets(t) {
		key, other := s.Generate(), s.Generate()
		pub, err := key.Public()
		require.NoError(t, err)
		whole, public := privateTemplate(t, key), publicTemplate(t, pub)
		value, spoilt := whole[3].Value, bytes.Clone(whole[3].Value)
		switch s.KeyType {
		case ck.CKK_ML_DSA:
			copy(spoilt[64:], bytesOf(t, other.Key)[64:]) // the other's vectors with our matrix
		case ck.CKK_ML_KEM:
			copy(spoilt, bytesOf(t, other.Key)[:256]) // a part of the other's vector
		default:
			spoilt[len(spoilt)-1] ^= 1 // the root
		}
		for _, c := range []struct {
			name string
			t    ck.Template
			want ck.Error
		}{
			{"another set", append(ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, uint64(99))}, append(whole[:2:2], whole[3])...),
				ck.CKR_PARAMETER_SET_NOT_SUPPORTED},
			{"another set, public",
				append(ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, uint64(99))}, append(public[:2:2], public[3])...),
				ck.CKR_PARAMETER_SET_NOT_SUPPORTED},
			{"a byte less", append(whole[:3:3], ck.Bytes(ck.CKA_VALUE, value[1:])), ck.CKR_ATTRIBUTE_VALUE_INVALID},
			{"a byte less, public", append(public[:3:3], ck.Bytes(ck.CKA_VALUE, public[3].Value[1:])),
				ck.CKR_ATTRIBUTE_VALUE_INVALID},
			{"parts of two keys", append(whole[:3:3], ck.Bytes(ck.CKA_VALUE, spoilt)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		} {
			_, err := object.Build(object.Source{}, c.t)
			require.Equal(t, c.want, ck.CodeOf(err), "%s, %s: %v", s.Name, c.name, err)
		}
		if key.Seed == nil {
			continue
		}
		for _, c := range []struct {
			name string
			more []ck.Attribute
			want ck.Error
		}{
			{"neither", nil, ck.CKR_TEMPLATE_INCOMPLETE},
			{"a short seed", []ck.Attribute{ck.Bytes(ck.CKA_SEED, key.Seed[1:])}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
			{"the seed of another", []ck.Attribute{ck.Bytes(ck.CKA_SEED, other.Seed), whole[3]},
				ck.CKR_ATTRIBUTE_VALUE_INVALID},
		} {
			_, err := object.Build(object.Source{}, append(whole[:3:3], c.more...))
			require.Equal(t, c.want, ck.CodeOf(err), "%s, %s: %v", s.Name, c.name, err)
		}
	}
}

// A private key in PKCS #8 is a seed, a value, or both (RFC 9881 section 6, RFC 9935 section 6);
// one of SLH-DSA is the bare value (RFC 9909 section 6).
func TestFormsOfLatticeKeys(t *testing.T) {
	type info struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	marshal := func(v any) []byte {
		der, err := asn1.Marshal(v)
		require.NoError(t, err)
		return der
	}
	for _, s := range quickSets(t) {
		key := s.Generate()
		der, err := object.MarshalPrivate(key)
		require.NoError(t, err)
		var outer info
		_, err = asn1.Unmarshal(der, &outer)
		require.NoError(t, err)
		value := bytesOf(t, key.Key)
		seed := append([]byte{0x80, byte(len(key.Seed))}, key.Seed...)
		both := struct{ Seed, Value []byte }{key.Seed, value}
		good, bad := [][]byte{seed, marshal(value), marshal(both)}, [][]byte{
			value, append(bytes.Clone(seed), 0), append(marshal(value), 0), append(marshal(both), 0), seed[:len(seed)-1],
			marshal(struct{ Seed, Value []byte }{s.Generate().Seed, value}), {}, {5, 0},
		}
		wantInner := seed
		if key.Seed == nil {
			good, bad = [][]byte{value}, [][]byte{marshal(value), value[1:], append(bytes.Clone(value), 0), {}}
			wantInner = value
		}
		require.Equal(t, wantInner, outer.Key, s.Name)
		for i, inner := range good {
			outer.Key = inner
			back, err := object.ParsePrivate(marshal(outer))
			require.NoError(t, err, "%s, form %d", s.Name, i)
			require.Equal(t, value, bytesOf(t, back.(*object.LatticePrivate).Key), s.Name)
			require.Equal(t, i != 1 && key.Seed != nil, back.(*object.LatticePrivate).Seed != nil)
			again, err := object.MarshalPrivate(back)
			require.NoError(t, err)
			_, err = object.ParsePrivate(again)
			require.NoError(t, err)
		}
		for i, inner := range bad {
			outer.Key = inner
			_, err := object.ParsePrivate(marshal(outer))
			require.Equal(t, ck.CKR_WRAPPED_KEY_INVALID, ck.CodeOf(err), "%s, bad form %d", s.Name, i)
		}

		// The algorithm has no parameters.
		outer.Key, outer.Algorithm.Parameters = good[0], asn1.NullRawValue
		_, err = object.ParsePrivate(marshal(outer))
		require.Equal(t, ck.CKR_WRAPPED_KEY_INVALID, ck.CodeOf(err), s.Name)
	}
}

// What is no public key of a kind that is known here is refused.
func TestBadPublicKeyInfo(t *testing.T) {
	s := quickSets(t)[0]
	pub, err := s.Generate().Public()
	require.NoError(t, err)
	der, err := object.MarshalPublic(pub)
	require.NoError(t, err)
	type info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	var good info
	_, err = asn1.Unmarshal(der, &good)
	require.NoError(t, err)
	for name, change := range map[string]func(*info){
		"a bit less":         func(i *info) { i.Key.BitLength-- },
		"a byte less":        func(i *info) { i.Key.Bytes = i.Key.Bytes[1:]; i.Key.BitLength -= 8 },
		"another algorithm":  func(i *info) { i.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 2, 3} },
		"with parameters":    func(i *info) { i.Algorithm.Parameters = asn1.NullRawValue },
		"of another's curve": func(i *info) { i.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 3, 101, 112} },
	} {
		bad := good
		change(&bad)
		der, err := asn1.Marshal(bad)
		require.NoError(t, err, name)
		_, err = object.ParsePublic(der)
		require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err), name)
	}
	_, err = object.ParsePublic(append(der, 0))
	wantCode(t, err, ck.CKR_KEY_TYPE_INCONSISTENT)
	for _, key := range []any{nil, 5, "key"} {
		_, err = object.MarshalPublic(key)
		wantCode(t, err, ck.CKR_KEY_TYPE_INCONSISTENT)
		_, err = object.PublicTemplate(key)
		wantCode(t, err, ck.CKR_KEY_TYPE_INCONSISTENT)
		_, err = object.MarshalPrivate(key)
		wantCode(t, err, ck.CKR_KEY_TYPE_INCONSISTENT)
		_, err = object.PrivateTemplate(key)
		wantCode(t, err, ck.CKR_KEY_TYPE_INCONSISTENT)
		_, err = object.EncodePoint(key)
		wantCode(t, err, ck.CKR_CURVE_NOT_SUPPORTED)
		_, ok := object.CurveOfKey(key)
		require.False(t, ok)
	}
}
