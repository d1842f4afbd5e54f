package native_test

import (
	"strings"
	"testing"

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
	id := must[*api.Token](t)(c.CreateToken(ctx, "sales", api.NewToken{User: "bob"})).ID
	made := must[*api.CSR](t)(c.RequestCertificate(ctx, id, api.NewCSR{Subject: "CN=Bob", Type: "ec:P-256", Emails: []string{"bob@example.com"}}))
	if made.Key.Type != "ec:P-256" || !strings.HasPrefix(made.PEM, "-----BEGIN CERTIFICATE REQUEST-----\n") {
		t.Errorf("%+v", made)
	}
	chain := string(dialecttest.Certify(t, made.PEM))
	if _, err := c.StoreCertificate(ctx, id, api.NewCertificate{PEM: chain}); kindOf(err) != "badInput" {
		t.Errorf("without its key: %v", err)
	}
	if got := must[*api.Imported](t)(c.StoreCertificate(ctx, id, api.NewCertificate{Key: made.Key.ID, PEM: chain})); len(got.SerialNumbers) != 2 || got.SerialNumbers[0] != "1EAF" {
		t.Errorf("%+v", got)
	}
	other := must[*api.CSR](t)(c.RequestCertificate(ctx, id, api.NewCSR{Subject: "CN=Bob", Type: "ec:P-384", User: "bob"}))
	keys := must[[]api.PendingKey](t)(client.All(c.PendingKeys(ctx, "sales", "bob")))
	places := map[string]string{}
	for _, k := range keys {
		places[k.ID] = k.Token
	}
	if len(places) != 2 || places[made.Key.ID] != id || places[other.Key.ID] != "" {
		t.Errorf("%+v", keys)
	}
	done(t, c.DeletePendingKey(ctx, "sales", "bob", other.Key.ID))
	if err := c.DeletePendingKey(ctx, "sales", "bob", other.Key.ID); kindOf(err) != "keyNotFound" {
		t.Errorf("deleted twice: %v", err)
	}
	done(t, c.DeleteToken(ctx, id))
}

// TestRequestsRefused asks for keys that nobody could store.
func TestRequestsRefused(t *testing.T) {
	s := nativetest.Start(t)
	c := s.Client(t)
	for _, login := range []string{"alice", "bob", "carol"} {
		must[*api.User](t)(c.CreateUser(t.Context(), "", api.NewUser{Login: login}))
	}
	free := must[*api.Token](t)(c.CreateToken(t.Context(), "", api.NewToken{Unassigned: true})).ID
	shared := must[*api.Token](t)(c.CreateToken(t.Context(), "", api.NewToken{User: "alice"})).ID
	must[*api.Token](t)(c.Assign(t.Context(), shared, api.Assign{User: "bob", Share: true}))
	sealed := must[*api.Token](t)(c.CreateToken(t.Context(), "", api.NewToken{User: "alice", UserPIN: api.Secret("12345678"), Complete: true})).ID
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
	must[*api.CSR](t)(c.RequestCertificate(t.Context(), shared, api.NewCSR{Subject: "CN=x", Type: "ec:P-256", User: "bob"}))
}
