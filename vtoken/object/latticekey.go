package object

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"

	"vtoken/vtoken/ck"
)

// parameterSet is the set of the draft's CKA_PARAMETER_SET.
func (d *draft) parameterSet() (ParameterSet, error) {
	t, _ := d.attrs.Ulong(ck.CKA_KEY_TYPE)
	n, _ := d.attrs.Ulong(ck.CKA_PARAMETER_SET)
	return ParameterSetOf(ck.KeyType(t), n)
}

// completeLatticePublic checks a public key (sections 6.67.2, 6.68.2 and 6.69.2).
func completeLatticePublic(d *draft) error {
	s, err := d.parameterSet()
	if err != nil {
		return err
	}
	key, err := s.decodePublic(d.attrs.Get(ck.CKA_VALUE))
	if err != nil {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE is no public key of %s", s.Name)
	}
	return d.putPublicKeyInfo(&LatticePublic{s, key})
}

// completeLatticePrivate checks a private key and computes what the template
// leaves out (sections 6.67.3, 6.68.3 and 6.69.3). A key that comes without its seed has
// none.
func completeLatticePrivate(d *draft) error {
	s, err := d.parameterSet()
	if err != nil {
		return err
	}
	key, err := s.private(d.attrs.Get(ck.CKA_SEED), d.attrs.Get(ck.CKA_VALUE))
	if err != nil {
		return err
	}
	pub, err := key.Public()
	if err != nil {
		return err
	}
	d.attrs = d.attrs.Without(ck.CKA_SEED).With(ck.Bytes(ck.CKA_VALUE, encoded(key.Key)))
	if key.Seed != nil {
		d.attrs = d.attrs.With(ck.Bytes(ck.CKA_SEED, key.Seed))
	}
	return d.putPublicKeyInfo(pub)
}

func latticePrivateTemplate(k *LatticePrivate) ck.Template {
	t := ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, k.Set.KeyType),
		ck.Ulong(ck.CKA_PARAMETER_SET, k.Set.Number), ck.Bytes(ck.CKA_VALUE, encoded(k.Key)),
	}
	if k.Seed != nil {
		t = append(t, ck.Bytes(ck.CKA_SEED, k.Seed))
	}
	return t
}

func latticePublicTemplate(k *LatticePublic) ck.Template {
	return ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ck.Ulong(ck.CKA_KEY_TYPE, k.Set.KeyType),
		ck.Ulong(ck.CKA_PARAMETER_SET, k.Set.Number), ck.Bytes(ck.CKA_VALUE, encoded(k.Key)),
	}
}

// latticePrivate is the key of an object.
func (o *Object) latticePrivate(t ck.KeyType) (*LatticePrivate, error) {
	n, _ := o.Attrs.Ulong(ck.CKA_PARAMETER_SET)
	s, err := ParameterSetOf(t, n)
	if err != nil {
		return nil, err
	}
	// The seed makes the same key in more time; the value was checked before.
	key, err := s.private(nil, o.Secret.Get(ck.CKA_VALUE))
	if err == nil {
		key.Seed = bytes.Clone(o.Secret.Get(ck.CKA_SEED))
	}
	return key, err
}

func parameterSetOfAlgorithm(a pkix.AlgorithmIdentifier) (ParameterSet, bool) {
	for _, s := range ParameterSets() {
		if s.oid.Equal(a.Algorithm) && len(a.Parameters.FullBytes) == 0 {
			return s, true
		}
	}
	return ParameterSet{}, false
}

// bothForms is the private key of RFC 9881 and RFC 9935 as a seed and a value.
type bothForms struct{ Seed, Value []byte }

// marshalLattice writes a private key as its seed where it has one, else as its
// value; of SLH-DSA it writes the bare value (RFC 9909 section 6).
func marshalLattice(k *LatticePrivate) (der []byte, err error) {
	var inner []byte
	switch {
	case !k.Set.seeded():
		inner = encoded(k.Key)
	case k.Seed != nil:
		inner, err = asn1.MarshalWithParams(k.Seed, "tag:0")
	default:
		inner, err = asn1.Marshal(encoded(k.Key))
	}
	if err != nil {
		return nil, ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "encode the private key of %s: %w", k.Set.Name, err)
	}
	defer clear(inner)
	return asn1.Marshal(privateKeyInfo{0, pkix.AlgorithmIdentifier{Algorithm: k.Set.oid}, inner})
}

// parseLattice reads a private key in any of the three forms.
func (s ParameterSet) parseLattice(inner []byte) (*LatticePrivate, bool) {
	if !s.seeded() {
		k, err := s.private(nil, inner)
		return k, err == nil
	}
	var both bothForms
	if rest, err := asn1.UnmarshalWithParams(inner, &both.Seed, "tag:0"); err != nil || len(rest) > 0 {
		both.Seed = nil
		if rest, err := asn1.Unmarshal(inner, &both.Value); err != nil || len(rest) > 0 {
			if rest, err := asn1.Unmarshal(inner, &both); err != nil || len(rest) > 0 {
				return nil, false
			}
		}
	}
	k, err := s.private(both.Seed, both.Value)
	return k, err == nil
}
