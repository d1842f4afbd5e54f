package securid_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/vtoken/record"
)

// client is a credential that signs.
type client struct {
	id  string
	key *rsa.PrivateKey
}

func newClient(t testing.TB, s *dialecttest.Server, name string, role record.Role) client {
	t.Helper()
	k, text := s.NewCredential(provisioning.NewAPIKey{Name: name, Kind: provisioning.Signer, Role: role})
	block, _ := pem.Decode([]byte(text))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	require.NoError(t, err)
	return client{k.ID, key}
}

// sign makes a token of a header and claims.
func (c client) sign(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	part := func(v map[string]any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := part(header) + "." + part(claims)
	sum := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, c.key, crypto.SHA256, sum[:])
	require.NoError(t, err)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// jwt is the header that the vendor asks for.
func jwt() map[string]any { return map[string]any{"typ": "JWT", "alg": "RS256"} }

// claims are those of a good token, which lasts for ten minutes.
func (c client) claims() map[string]any {
	now := time.Now()
	return map[string]any{"sub": c.id, "aud": dialecttest.URL + "/AdminInterface/restapi/v1", "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix()}
}

func (c client) token(t testing.TB) string { return c.sign(t, jwt(), c.claims()) }
