package httpkit_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/provisioning/httpkit/jwtauth"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// oneSigner knows the credential "client" of the dialect "some".
type oneSigner struct{ key crypto.PublicKey }

func (s oneSigner) Signer(_ context.Context, dialect, id string) (provisioning.Credential, error) {
	if dialect != "some" || id != "client" {
		return provisioning.Credential{}, provisioning.Errorf(provisioning.Unauthenticated, "unknown")
	}
	return provisioning.Credential{Caller: provisioning.Caller{Name: "c", Tenant: "t", Role: record.RoleEdit}, ID: id, PublicKey: s.key}, nil
}

// jwt signs claims with an EC key.
func jwt(t *testing.T, key *ecdsa.PrivateKey, claims string) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithHeader("kid", "k1").WithType("JWT")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	require.NoError(t, err)
	jws, err := signer.Sign([]byte(claims))
	require.NoError(t, err)
	compact, err := jws.CompactSerialize()
	require.NoError(t, err)
	return compact
}

// signing is callers who sign, an issuer, and the time.
func signing(t *testing.T) (s *httpkit.SignedTokens, client, issuer *ecdsa.PrivateKey) {
	t.Helper()
	now := time.Unix(1_800_000_000, 0)
	var err error
	client, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	issuer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	set, err := jose.JSONWebKey{Key: &issuer.PublicKey, KeyID: "k1"}.MarshalJSON()
	require.NoError(t, err)
	clock := func() time.Time { return now }
	return &httpkit.SignedTokens{
		Signers: oneSigner{&client.PublicKey}, Dialect: "some", Now: clock, Replays: jwtauth.NewReplays(clock),
		Own:       jwtauth.Rules{Algorithms: []string{jwtauth.ES256}, Type: "JWT", Audiences: []string{"us"}, MaxAge: time.Hour},
		Issuer:    &jwtauth.Issuer{Name: "issuer", Keys: jwtauth.NewKeySet(func(context.Context) ([]byte, error) { return fmt.Appendf(nil, `{"keys":[%s]}`, set), nil }, clock)},
		Audiences: []string{"us"},
		Scopes:    map[string]record.Rights{"read": record.MayView, "manage": record.MayEdit, "delete": record.MayRemove},
	}, client, issuer
}

func TestSignedTokens(t *testing.T) {
	s, client, issuer := signing(t)
	const times = `"iat":1800000000,"exp":1800000600,`
	for name, c := range map[string]struct {
		key    *ecdsa.PrivateKey
		claims string
		role   record.Role // empty is refused
	}{
		"own":                      {client, `{` + times + `"sub":"client","aud":"us"}`, record.RoleEdit},
		"own, of the issuer's key": {issuer, `{` + times + `"sub":"client","aud":"us"}`, ""},
		"own, of nobody":           {client, `{` + times + `"sub":"nobody","aud":"us"}`, ""},
		"own, for others":          {client, `{` + times + `"sub":"client","aud":"them"}`, ""},
		"issued":                   {issuer, `{` + times + `"iss":"issuer","client_id":"client","aud":"us","scope":"read manage other"}`, "view+edit"},
		"issued, for its sub":      {issuer, `{` + times + `"iss":"issuer","sub":"client","aud":"us","scope":["read"]}`, record.RoleView},
		"issued, by the client":    {client, `{` + times + `"iss":"issuer","sub":"client","aud":"us","scope":"read"}`, ""},
		"issued, for nobody":       {issuer, `{` + times + `"iss":"issuer","sub":"nobody","aud":"us","scope":"read"}`, ""},
		"issued, for others":       {issuer, `{` + times + `"iss":"issuer","sub":"client","aud":"them","scope":"read"}`, ""},
		"issued elsewhere":         {issuer, `{` + times + `"iss":"another","sub":"client","aud":"us","scope":"read"}`, ""},
	} {
		caller, err := s.Caller(t.Context(), secret.Bytes(jwt(t, c.key, c.claims)))
		if caller.Role != c.role || (err == nil) != (c.role != "") {
			t.Errorf("%s: %+v (%v)", name, caller, err)
		}
		if err != nil {
			wantKind(t, err, provisioning.Unauthenticated)
		}
	}
	// No scope that is known, no rights: a caller who may do nothing.
	caller, err := s.Caller(t.Context(), secret.Bytes(jwt(t, issuer, `{`+times+`"iss":"issuer","sub":"client","aud":"us","scope":"delete"}`)))
	if err != nil || caller.Role != "" || caller.Name != "c" {
		t.Errorf("%+v (%v)", caller, err)
	}
	s.Issuer = nil
	_, err = s.Caller(t.Context(), secret.Bytes(jwt(t, issuer, `{`+times+`"iss":"issuer","sub":"client","aud":"us","scope":"read"}`)))
	wantKind(t, err, provisioning.Unauthenticated)
	if _, err := s.Caller(t.Context(), secret.Bytes("x")); provisioning.KindOf(err) != provisioning.Unauthenticated {
		t.Error(err)
	}
}

func TestClientAssertions(t *testing.T) {
	s, client, issuer := signing(t)
	endpoint := []string{"https://us/token"}
	n := 0
	claims := func(change string) string {
		n++
		return fmt.Sprintf(`{"jti":"%d","iss":"client","sub":"client","aud":"https://us/token","iat":1800000000,"exp":1800000060%s}`, n, change)
	}
	request := func(assertion string) httpkit.TokenRequest {
		return httpkit.TokenRequest{GrantType: httpkit.ClientCredentials, AssertionType: httpkit.JWTBearer, Assertion: assertion, Scope: "read"}
	}
	once := request(jwt(t, client, claims("")))
	c, rights, err := s.Client(t.Context(), once, endpoint)
	if err != nil || c.ID != "client" || rights != record.MayView {
		t.Fatalf("%+v %v (%v)", c, rights, err)
	}
	_, _, err = s.Client(t.Context(), once, endpoint)
	wantKind(t, err, provisioning.Unauthenticated)

	all := request(jwt(t, client, claims("")))
	all.Scope, all.ClientID = "", "client"
	if _, rights, err = s.Client(t.Context(), all, endpoint); err != nil || rights != record.MayView|record.MayEdit|record.MayRemove {
		t.Errorf("%v (%v)", rights, err)
	}
	for name, assertion := range map[string]string{
		"another's key":   jwt(t, issuer, claims("")),
		"no id":           jwt(t, client, `{"iss":"client","sub":"client","aud":"https://us/token","iat":1800000000,"exp":1800000060}`),
		"another issuer":  jwt(t, client, `{"jti":"x","iss":"other","sub":"client","aud":"https://us/token","iat":1800000000,"exp":1800000060}`),
		"another subject": jwt(t, client, `{"jti":"x","iss":"client","sub":"other","aud":"https://us/token","iat":1800000000,"exp":1800000060}`),
		"somewhere else":  jwt(t, client, `{"jti":"x","iss":"client","sub":"client","aud":"https://us","iat":1800000000,"exp":1800000060}`),
		"no token":        "x",
	} {
		if _, _, err := s.Client(t.Context(), request(assertion), endpoint); provisioning.KindOf(err) != provisioning.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	for code, change := range map[string]func(*httpkit.TokenRequest){
		"unsupported_grant_type": func(r *httpkit.TokenRequest) { r.GrantType = "password" },
		"invalid_request":        func(r *httpkit.TokenRequest) { r.AssertionType = "" },
		"invalid_scope":          func(r *httpkit.TokenRequest) { r.Scope = "read everything" },
	} {
		r := request(jwt(t, client, claims("")))
		change(&r)
		_, _, err := s.Client(t.Context(), r, endpoint)
		var own *httpkit.OAuthError
		if !errors.As(err, &own) || own.Code != code {
			t.Errorf("%s: %v", code, err)
		}
	}
	r := request(jwt(t, client, claims("")))
	r.ClientID = "other"
	_, _, err = s.Client(t.Context(), r, endpoint)
	wantKind(t, err, provisioning.Unauthenticated)
}
