package jwtauth

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Skew is the accepted difference between the clocks of signers and ours.
const Skew = 60 * time.Second

// Rules are what a token must meet beside a valid signature. It must always expire.
type Rules struct {
	// Algorithms are the accepted ones.
	Algorithms []string
	// Type is the required typ of the header, such as "JWT"; empty is any.
	Type string
	// Audiences are ours: the token must be for one of them. None refuses every token.
	Audiences []string
	// Issuer is the required issuer; empty is any.
	Issuer string
	// MaxAge bounds the time from issue to expiry, and requires the time of issue; 0 does
	// neither.
	MaxAge time.Duration
}

// Verify checks the signature with the key, and the claims at that time. It returns the
// claims if they are valid.
func (t *Token) Verify(key crypto.PublicKey, r Rules, now time.Time) (Claims, error) {
	if !slices.Contains(r.Algorithms, t.header().Algorithm) {
		return Claims{}, fmt.Errorf("the token is signed with %s; sign it with %v", t.header().Algorithm, r.Algorithms)
	}
	if typ, _ := t.header().ExtraHeaders["typ"].(string); r.Type != "" && typ != r.Type {
		return Claims{}, fmt.Errorf("the typ of the token is %.32q; it must be %q", typ, r.Type)
	}
	if err := t.signed(key); err != nil {
		return Claims{}, err
	}
	if err := errors.Join(r.checkTimes(t.claims, now), r.checkParties(t.claims)); err != nil {
		return Claims{}, err
	}
	return t.claims, nil
}

func (r Rules) checkTimes(c Claims, now time.Time) error {
	switch {
	case c.ExpiresAt == nil:
		return errors.New("the token does not expire; give it an exp")
	case !now.Before(c.ExpiresAt.Add(Skew)):
		return errors.New("the token has expired; sign a new one")
	case c.NotBefore != nil && now.Add(Skew).Before(c.NotBefore.Time):
		return errors.New("the token is not valid yet; check the clock of its signer")
	case c.IssuedAt != nil && now.Add(Skew).Before(c.IssuedAt.Time):
		return errors.New("the token is from the future; check the clock of its signer")
	case r.MaxAge == 0:
		return nil
	case c.IssuedAt == nil:
		return errors.New("the token does not say when it was issued; give it an iat")
	case c.ExpiresAt.Sub(c.IssuedAt.Time) > r.MaxAge:
		return fmt.Errorf("the token is good for more than %v; let it expire sooner", r.MaxAge)
	}
	return nil
}

func (r Rules) checkParties(c Claims) error {
	if r.Issuer != "" && c.Issuer != r.Issuer {
		return errors.New("the token is of another issuer")
	}
	for _, ours := range r.Audiences {
		if slices.Contains(c.Audience, ours) {
			return nil
		}
	}
	return fmt.Errorf("the token is for another audience; its aud must be one of %q", r.Audiences)
}
