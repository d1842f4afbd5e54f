package httpkit

import (
	"context"
	"slices"
	"strings"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit/jwtauth"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Signers finds the credentials of signers; provisioning.Service implements it.
type Signers interface {
	Signer(ctx context.Context, dialect, id string) (provisioning.Credential, error)
}

// SignedTokens finds callers by tokens that they or an authorization server signed, for a
// dialect's credentials of kind provisioning.Signer.
type SignedTokens struct {
	Signers Signers
	Dialect string
	// Own are the rules for tokens that callers sign themselves. Their sub is the id of
	// the credential.
	Own jwtauth.Rules
	// Issuer signs access tokens for others, whose client_id (or else sub) is the id of a
	// credential; nil is none. Audiences are the accepted audiences.
	Issuer    *jwtauth.Issuer
	Audiences []string
	// Scopes has the rights of each scope, which never exceed those of the credential.
	Scopes map[string]record.Rights
	// Replays are the assertions that were used.
	Replays *jwtauth.Replays
	// Now is the clock.
	Now func() time.Time
}

// IsSigned reports whether a token has the form of a signed one, rather than that of a
// session.
func IsSigned(token secret.Bytes) bool { return strings.Count(string(token), ".") == 2 }

// Caller returns the caller of a token. Every error is Unauthenticated.
func (s *SignedTokens) Caller(ctx context.Context, token secret.Bytes) (provisioning.Caller, error) {
	t, err := jwtauth.Parse(string(token))
	if err != nil {
		return provisioning.Caller{}, badToken(err)
	}
	if s.Issuer != nil && t.Unverified().Issuer == s.Issuer.Name {
		return s.issued(ctx, t)
	}
	c, err := s.Signers.Signer(ctx, s.Dialect, t.Unverified().Subject)
	if err != nil {
		return provisioning.Caller{}, err
	}
	if _, err := t.Verify(c.PublicKey, s.Own, s.Now()); err != nil {
		return provisioning.Caller{}, badToken(err)
	}
	return c.Caller, nil
}

// issued returns the caller of an access token of the issuer.
func (s *SignedTokens) issued(ctx context.Context, t *jwtauth.Token) (provisioning.Caller, error) {
	claims, err := s.Issuer.Verify(ctx, t, s.Audiences, s.Now())
	if err != nil {
		return provisioning.Caller{}, badToken(err)
	}
	id := claims.ClientID
	if id == "" {
		id = claims.Subject
	}
	c, err := s.Signers.Signer(ctx, s.Dialect, id)
	if err != nil {
		return provisioning.Caller{}, err
	}
	var rights record.Rights
	for _, scope := range claims.Scopes {
		rights |= s.Scopes[scope] // others are for other services
	}
	return c.Caller.Limited(rights), nil
}

func badToken(err error) error {
	return provisioning.Errorf(provisioning.Unauthenticated, "%w", err)
}

// JWTBearer is the type of client assertions (RFC 7523, section 2.2).
const JWTBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertionFor bounds the lifetime of an assertion.
const assertionFor = time.Hour

// Client returns the credential of a client that requests an access token with an
// assertion (RFC 7523, section 3) for one of the endpoints, and the rights of the
// requested scopes: all where it requests none. An assertion works once.
func (s *SignedTokens) Client(
	ctx context.Context, r TokenRequest, endpoints []string,
) (provisioning.Credential, record.Rights, error) {
	none := provisioning.Credential{}
	switch {
	case r.GrantType != ClientCredentials:
		return none, 0, &OAuthError{"unsupported_grant_type", "the grant_type must be client_credentials"}
	case r.AssertionType != JWTBearer:
		return none, 0, &OAuthError{"invalid_request", "the client_assertion_type must be " + JWTBearer}
	}
	rights, err := s.rights(r.Scope)
	if err != nil {
		return none, 0, err
	}
	t, err := jwtauth.Parse(r.Assertion)
	if err != nil {
		return none, 0, badToken(err)
	}
	id := t.Unverified().Subject
	c, err := s.Signers.Signer(ctx, s.Dialect, id)
	if err != nil {
		return none, 0, err
	}
	rules := jwtauth.Rules{
		Algorithms: []string{jwtauth.RS256, jwtauth.ES256}, Issuer: id, Audiences: endpoints, MaxAge: assertionFor,
	}
	claims, err := t.Verify(c.PublicKey, rules, s.Now())
	if err != nil {
		return none, 0, badToken(err)
	}
	if r.ClientID != "" && r.ClientID != id {
		return none, 0, provisioning.Errorf(provisioning.Unauthenticated,
			"the client_id is not the one that the assertion is of")
	}
	if err := s.Replays.Use(id, claims); err != nil {
		return none, 0, badToken(err)
	}
	return c, rights, nil
}

// rights returns the rights of the requested scopes.
func (s *SignedTokens) rights(scope string) (record.Rights, error) {
	var rights record.Rights
	asked := strings.Fields(scope)
	for name, r := range s.Scopes {
		if len(asked) == 0 || slices.Contains(asked, name) {
			rights |= r
		}
	}
	for _, name := range asked {
		if _, known := s.Scopes[name]; !known {
			return 0, &OAuthError{"invalid_scope", "one of the scopes is not known here"}
		}
	}
	return rights, nil
}
