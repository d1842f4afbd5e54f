package native_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/provisioning/dialect/native/nativetest"
)

// certificateRequests has a key made, gone to a token with its certificate, and
// another one deleted.
func certificateRequests(t *testing.T, c *client.Client) {
	t.Helper()
	ctx := t.Context()
	token, err := c.CreateToken(ctx, "sales", api.NewToken{User: "bob"})
	require.NoError(t, err)
	id := token.ID
	made, err := c.RequestCertificate(ctx, id, api.NewCSR{Subject: "CN=Bob", Type: "ec:P-256", Emails: []string{"bob@example.com"}})
	require.NoError(t, err)
	if made.Key.Type != "ec:P-256" || !strings.HasPrefix(made.PEM, "-----BEGIN CERTIFICATE REQUEST-----\n") {
		t.Errorf("%+v", made)
	}
	chain := string(dialecttest.Certify(t, made.PEM))
	if _, err := c.StoreCertificate(ctx, id, api.NewCertificate{PEM: chain}); kindOf(err) != "badInput" {
		t.Errorf("without its key: %v", err)
	}
	got, err := c.StoreCertificate(ctx, id, api.NewCertificate{Key: made.Key.ID, PEM: chain})
	require.NoError(t, err)
	if len(got.SerialNumbers) != 2 || got.SerialNumbers[0] != "1EAF" {
		t.Errorf("%+v", got)
	}
	other, err := c.RequestCertificate(ctx, id, api.NewCSR{Subject: "CN=Bob", Type: "ec:P-384", User: "bob"})
	require.NoError(t, err)
	keys, err := client.All(c.PendingKeys(ctx, "sales", "bob"))
	require.NoError(t, err)
	places := map[string]string{}
	for _, k := range keys {
		places[k.ID] = k.Token
	}
	if len(places) != 2 || places[made.Key.ID] != id || places[other.Key.ID] != "" {
		t.Errorf("%+v", keys)
	}
	require.NoError(t, c.DeletePendingKey(ctx, "sales", "bob", other.Key.ID))
	if err := c.DeletePendingKey(ctx, "sales", "bob", other.Key.ID); kindOf(err) != "keyNotFound" {
		t.Errorf("deleted twice: %v", err)
	}
	require.NoError(t, c.DeleteToken(ctx, id))
}

// TestRequestsRefused asks for keys that nobody could store.
func TestRequestsRefused(t *testing.T) {
	s := nativetest.Start(t)
	c := s.Client(t)
	for _, login := range []string{"alice", "bob", "carol"} {
		_, err := c.CreateUser(t.Context(), "", api.NewUser{Login: login})
		require.NoError(t, err)
	}
	freeToken, err := c.CreateToken(t.Context(), "", api.NewToken{Unassigned: true})
	require.NoError(t, err)
	free := freeToken.ID
	sharedToken, err := c.CreateToken(t.Context(), "", api.NewToken{User: "alice"})
	require.NoError(t, err)
	shared := sharedToken.ID
	_, err = c.Assign(t.Context(), shared, api.Assign{User: "bob", Share: true})
	require.NoError(t, err)
	sealedToken, err := c.CreateToken(t.Context(), "", api.NewToken{User: "alice", UserPIN: api.Secret("12345678"), Complete: true})
	require.NoError(t, err)
	sealed := sealedToken.ID
	for _, x := range []struct {
		name, token string
		n           api.NewCSR
		kind        string
	}{
		{"nobody's", free, api.NewCSR{Subject: "CN=x", Type: "ec:P-256"}, "wrongState"},
		{"of two holders", shared, api.NewCSR{Subject: "CN=x", Type: "ec:P-256"}, "badInput"},
		{"of another user", shared, api.NewCSR{Subject: "CN=x", Type: "ec:P-256", User: "carol"}, "userNotFound"},
		{"complete", sealed, api.NewCSR{Subject: "CN=x", Type: "ec:P-256"}, "sealed"},
		{"of an unknown type", shared, api.NewCSR{Subject: "CN=x", Type: "dsa", User: "bob"}, "badInput"},
		{"without a name", shared, api.NewCSR{Subject: "O=x", Type: "ec:P-256", User: "bob"}, "badInput"},
	} {
		if _, err := c.RequestCertificate(t.Context(), x.token, x.n); kindOf(err) != x.kind {
			t.Errorf("%s: %v, want %s", x.name, err, x.kind)
		}
	}
	_, err = c.RequestCertificate(t.Context(), shared, api.NewCSR{Subject: "CN=x", Type: "ec:P-256", User: "bob"})
	require.NoError(t, err)
}
