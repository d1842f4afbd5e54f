package mech

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha512"

	"github.com/cloudflare/circl/sign/ed448"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/secret"
)

// MaxWhole bounds, in bytes, a message that is collected because it is read twice
// (EdDSA) or released in one go.
const MaxWhole = 64 << 20

// maxEdDSAContext is the longest context (RFC 8032 section 5.1).
const maxEdDSAContext = 255

// eddsaMechanisms is EdDSA with Ed25519, Ed25519ctx, Ed25519ph, Ed448 and Ed448ph
// (section 6.3.15): by the curve of the key and the parameter.
func eddsaMechanisms() []*Descriptor {
	return []*Descriptor{{
		Type: ck.CKM_EDDSA, KeyTypes: []ck.KeyType{ck.CKK_EC_EDWARDS},
		MinKeySize: minEdwardsBits, MaxKeySize: maxEdwardsBits, Flags: curveFlags,
		Sign: signEdDSA, Verify: verifyEdDSA,
	}}
}

// eddsaParameter checks the parameter. No parameter is the plain scheme, and so
// is one that asks for nothing: RFC 8032 has no use for Ed25519ctx with an empty
// context.
func eddsaParameter(p ck.Parameter) (ck.EdDSAParams, error) {
	if noParameter(p) == nil {
		return ck.EdDSAParams{}, nil
	}
	v, err := parameterOf[ck.EdDSAParams](p)
	if err == nil && len(v.Context) > maxEdDSAContext {
		err = badParameter("a context of %d bytes; it has at most %d", len(v.Context), maxEdDSAContext)
	}
	return v, err
}

func signEdDSA(k *Key, p ck.Parameter) (Signer, error) {
	v, err := eddsaParameter(p)
	if err != nil {
		return nil, err
	}
	context := string(v.Context)
	switch key := k.Private.(type) {
	case ed25519.PrivateKey:
		s, hash := ed25519Sink(v)
		return &signer{s, ed25519.SignatureSize, func(message []byte) ([]byte, error) {
			var out []byte
			var err error
			secret.OnOwnStack(func() { out, err = key.Sign(nil, message, &ed25519.Options{Hash: hash, Context: context}) })
			if err != nil {
				return nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "sign with Ed25519: %w", err)
			}
			return out, nil
		}}, nil
	case ed448.PrivateKey:
		sign := ed448.Sign
		if v.PhFlag {
			sign = ed448.SignPh
		}
		return &signer{wholeSink(), ed448.SignatureSize, func(message []byte) ([]byte, error) {
			var out []byte
			secret.OnOwnStack(func() { out = sign(key, message, context) })
			return out, nil
		}}, nil
	}
	return nil, wrongKey(k, "Edwards private key")
}

func verifyEdDSA(k *Key, p ck.Parameter) (Verifier, error) {
	v, err := eddsaParameter(p)
	if err != nil {
		return nil, err
	}
	context := string(v.Context)
	switch key := k.Public.(type) {
	case ed25519.PublicKey:
		s, hash := ed25519Sink(v)
		return &verifier{s, ed25519.SignatureSize, func(message, signature []byte) error {
			return valid(ed25519.VerifyWithOptions(key, message, signature, &ed25519.Options{Hash: hash, Context: context}) == nil)
		}}, nil
	case ed448.PublicKey:
		verify := ed448.Verify
		if v.PhFlag {
			verify = ed448.VerifyPh
		}
		return &verifier{wholeSink(), ed448.SignatureSize, func(message, signature []byte) error {
			return valid(verify(key, message, signature, context))
		}}, nil
	}
	return nil, wrongKey(k, "Edwards public key")
}

// ed25519Sink takes the whole message, or its SHA-512 for Ed25519ph. Ed448ph
// hashes by itself.
func ed25519Sink(v ck.EdDSAParams) (sink, crypto.Hash) {
	if v.PhFlag {
		return hashSink{sha512.New()}, crypto.SHA512
	}
	return wholeSink(), 0
}

func wholeSink() sink { return &collector{max: MaxWhole, code: ck.CKR_DATA_LEN_RANGE} }

func valid(ok bool) error {
	if !ok {
		return ck.CKR_SIGNATURE_INVALID
	}
	return nil
}
