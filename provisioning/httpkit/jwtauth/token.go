package jwtauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// MaxToken is the maximal length of a token in bytes.
const MaxToken = 16 << 10

// The algorithms that there are (RFC 7518, section 3.1).
const (
	RS256 = "RS256" // RSASSA-PKCS1-v1_5 with SHA-256
	ES256 = "ES256" // ECDSA on P-256 with SHA-256
)

// Token is a parsed token in compact form that is not verified yet.
type Token struct {
	jws    *jose.JSONWebSignature
	claims Claims
}

// Parse parses a token. Do not rely on its contents before [Token.Verify].
func Parse(compact string) (*Token, error) {
	if len(compact) > MaxToken {
		return nil, fmt.Errorf("the token has more than %d bytes", MaxToken)
	}
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return nil, fmt.Errorf("reading the token: %w", err)
	}
	t := &Token{jws: jws}
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &t.claims); err != nil {
		return nil, fmt.Errorf("reading the claims of the token: %w", err)
	}
	return t, nil
}

// KeyID returns the kid of the token, or an empty string.
func (t *Token) KeyID() string { return t.header().KeyID }

// Unverified returns the claims before verification, for finding the key that verifies
// them.
func (t *Token) Unverified() Claims { return t.claims }

func (t *Token) header() jose.Header { return t.jws.Signatures[0].Protected }

// signed checks the signature with a key.
func (t *Token) signed(key crypto.PublicKey) error {
	algorithm := AlgorithmOf(key)
	if algorithm == "" {
		return errors.New("the key is neither RSA of 2048 to 8192 bits nor EC on P-256")
	}
	if t.header().Algorithm != algorithm {
		return fmt.Errorf("the token is signed with %s and its key is for %s", t.header().Algorithm, algorithm)
	}
	for _, name := range []jose.HeaderKey{"crit", "b64"} {
		if _, found := t.header().ExtraHeaders[name]; found {
			return fmt.Errorf("the token has the header %s, which changes what the others mean; leave it out", name)
		}
	}
	if _, err := t.jws.Verify(key); err != nil {
		return fmt.Errorf("checking the signature of the token: %w", err)
	}
	return nil
}

// Sizes that RSA keys may have, in bits.
const (
	minRSA = 2048
	maxRSA = 8192
)

// AlgorithmOf returns the one algorithm that a key is for, or an empty string for other
// keys.
func AlgorithmOf(key crypto.PublicKey) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits >= minRSA && bits <= maxRSA {
			return RS256
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return ES256
		}
	}
	return ""
}
