package jwtauth

import (
	"context"
	"time"
)

// Issuer is an authorization server that signs access tokens for others.
type Issuer struct {
	// Name is its iss, and Keys are the keys that it signs with.
	Name string
	Keys *KeySet
}

// Verify checks an access token of the issuer for one of the audiences. The token names
// its key by kid.
func (i *Issuer) Verify(ctx context.Context, t *Token, audiences []string, now time.Time) (Claims, error) {
	key, err := i.Keys.Key(ctx, t.KeyID())
	if err != nil {
		return Claims{}, err
	}
	return t.Verify(key, Rules{Algorithms: []string{RS256, ES256}, Issuer: i.Name, Audiences: audiences}, now)
}
