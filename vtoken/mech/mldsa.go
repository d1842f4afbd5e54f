package mech

import (
	"github.com/cloudflare/circl/sign"
	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
	"github.com/cloudflare/circl/sign/mldsa/mldsa87"
	"github.com/cloudflare/circl/sign/slhdsa"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// mldsaMechanisms is ML-DSA (section 6.67 of PKCS#11 3.2; FIPS 204), the pure
// scheme. Key sizes are the lengths of public keys in bytes.
func mldsaMechanisms() []*Descriptor {
	types := []ck.KeyType{ck.CKK_ML_DSA}
	return []*Descriptor{
		latticeGenerator(ck.CKM_ML_DSA_KEY_PAIR_GEN, ck.CKK_ML_DSA, mldsa44.PublicKeySize, mldsa87.PublicKeySize),
		{Type: ck.CKM_ML_DSA, KeyTypes: types, MinKeySize: mldsa44.PublicKeySize, MaxKeySize: mldsa87.PublicKeySize,
			Sign: latticeSigner(ck.CKK_ML_DSA), Verify: latticeVerifier(ck.CKK_ML_DSA)},
	}
}

// latticeGenerator makes key pairs. The parameter set is that of the public key's
// template.
func latticeGenerator(m ck.MechanismType, t ck.KeyType, minLen, maxLen uint64) *Descriptor {
	return &Descriptor{
		Type: m, KeyTypes: []ck.KeyType{t}, MinKeySize: minLen, MaxKeySize: maxLen,
		GenerateKeyPair: func(p ck.Parameter, pub, _ ck.Template, _ func() error) (pubAttrs, privAttrs ck.Template, err error) {
			if err := noParameter(p); err != nil {
				return nil, nil, err
			}
			n, ok, err := ulong(pub, ck.CKA_PARAMETER_SET)
			if err != nil {
				return nil, nil, err
			}
			if !ok {
				return nil, nil, ck.Errorf(ck.CKR_TEMPLATE_INCOMPLETE, "the public key's template gives no CKA_PARAMETER_SET")
			}
			set, err := object.ParameterSetOf(t, n)
			if err != nil {
				return nil, nil, err
			}
			priv := set.Generate()
			public, err := priv.Public()
			if err != nil {
				return nil, nil, err
			}
			return templates(public, priv)
		},
	}
}

// signParameter reads the parameter; without one there is no context, and the
// signature is hedged, as with CKH_HEDGE_PREFERRED.
func signParameter(p ck.Parameter) (v ck.SignContext, err error) {
	if noParameter(p) == nil {
		return v, nil
	}
	if v, err = parameterOf[ck.SignContext](p); err != nil {
		return v, err
	}
	if len(v.Context) > 255 {
		return v, badParameter("a context of %d bytes; it has at most 255", len(v.Context))
	}
	if v.Hedge > uint64(ck.CKH_DETERMINISTIC_REQUIRED) {
		return v, badParameter("hedge variant %d is not known", v.Hedge)
	}
	v.Context = append([]byte(nil), v.Context...)
	return v, nil
}

// latticeSigner signs with keys of a type, CKK_ML_DSA or CKK_SLH_DSA.
func latticeSigner(t ck.KeyType) func(*Key, ck.Parameter) (Signer, error) {
	return func(k *Key, p ck.Parameter) (Signer, error) {
		key, ok := latticeKey(k.Private)
		if !ok || k.Type != t {
			return nil, wrongKey(k, "private key of "+t.String())
		}
		v, err := signParameter(p)
		if err != nil {
			return nil, err
		}
		priv := key.(sign.PrivateKey)
		hedged := v.Hedge != uint64(ck.CKH_DETERMINISTIC_REQUIRED)
		return &signer{wholeSink(), priv.Scheme().SignatureSize(), func(message []byte) ([]byte, error) {
			signature := make([]byte, priv.Scheme().SignatureSize())
			if err := signTo(priv, message, v.Context, hedged, signature); err != nil {
				return nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "sign with a key of type %v: %w", t, err)
			}
			return signature, nil
		}}, nil
	}
}

// signTo is the one thing that the library's common interface has not.
func signTo(key sign.PrivateKey, message, context []byte, hedged bool, signature []byte) error {
	switch key := key.(type) {
	case *mldsa44.PrivateKey:
		return mldsa44.SignTo(key, message, context, hedged, signature)
	case *mldsa65.PrivateKey:
		return mldsa65.SignTo(key, message, context, hedged, signature)
	case *mldsa87.PrivateKey:
		return mldsa87.SignTo(key, message, context, hedged, signature)
	case slhdsa.PrivateKey:
		made, err := signSLHDSA(&key, message, context, hedged)
		copy(signature, made)
		return err
	}
	return sign.ErrTypeMismatch
}

func latticeVerifier(t ck.KeyType) func(*Key, ck.Parameter) (Verifier, error) {
	return func(k *Key, p ck.Parameter) (Verifier, error) {
		key, ok := latticeKey(k.Public)
		if !ok || k.Type != t {
			return nil, wrongKey(k, "public key of "+t.String())
		}
		v, err := signParameter(p)
		if err != nil {
			return nil, err
		}
		pub, opts := key.(sign.PublicKey), &sign.SignatureOpts{Context: string(v.Context)}
		return &verifier{wholeSink(), pub.Scheme().SignatureSize(), func(message, signature []byte) error {
			return valid(pub.Scheme().Verify(pub, message, signature, opts))
		}}, nil
	}
}

// latticeKey takes the library's key out of ours.
func latticeKey(key any) (any, bool) {
	switch key := key.(type) {
	case *object.LatticePrivate:
		return key.Key, true
	case *object.LatticePublic:
		return key.Key, true
	}
	return nil, false
}
