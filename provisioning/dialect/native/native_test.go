package native_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/nativetest"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// kindOf is the kind of a refusal, or "none".
func kindOf(err error) string {
	var e *client.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return fmt.Sprintf("none (%v)", err)
}

// TestLifeOfAToken goes through everything that an administrator does with one
// token.
func TestLifeOfAToken(t *testing.T) {
	s := nativetest.Start(t)
	c, ctx := s.Client(t), t.Context()
	user, err := c.CreateUser(ctx, "", api.NewUser{Login: "alice"})
	require.NoError(t, err)
	token, err := c.CreateToken(ctx, "", api.NewToken{User: "alice", Label: "Alice's card"})
	require.NoError(t, err)
	if token.Complete || !token.Enabled || token.UserPIN.Set || token.UserID != user.ID || token.User != "alice" {
		t.Errorf("new token: %+v", token)
	}
	if want := "pkcs11:serial=" + token.Serial; token.URI != want {
		t.Errorf("URI %s, want %s", token.URI, want)
	}

	if _, err := c.CompleteToken(ctx, token.ID); kindOf(err) != "wrongState" {
		t.Errorf("complete without a PIN: %v", err)
	}
	require.NoError(t, c.ResetPIN(ctx, token.ID, "user", api.Secret("12345678")))
	if !s.Store.HasPIN(record.TokenID(token.ID), pin.User, secret.Bytes("12345678")) {
		t.Error("the PIN is not the one that was set")
	}
	importPFX(t, c, token.ID)

	label := "Alice, signing"
	token, err = c.ChangeToken(ctx, token.ID, api.TokenChange{Label: &label})
	require.NoError(t, err)
	if token.Label != label {
		t.Errorf("label %q", token.Label)
	}
	token, err = c.CompleteToken(ctx, token.ID)
	require.NoError(t, err)
	if !token.Complete || !token.UserPIN.Set {
		t.Errorf("complete token: %+v", token)
	}
	checkSealed(t, c, token.ID)
	checkSwitch(t, c, token.ID)

	require.NoError(t, c.DeleteToken(ctx, token.ID))
	if _, err := c.Token(ctx, token.ID); kindOf(err) != "tokenNotFound" {
		t.Errorf("deleted token: %v", err)
	}
}

func importPFX(t *testing.T, c *client.Client, id string) {
	ctx := t.Context()
	file := nativetest.PFX(t, "password")
	if _, err := c.ImportPFX(ctx, id, file, api.Secret("wrong")); kindOf(err) != "badInput" {
		t.Errorf("wrong password: %v", err)
	}
	done, err := c.ImportPFX(ctx, id, file, api.Secret("password"))
	require.NoError(t, err)
	if want := []string{nativetest.LeafSerial, nativetest.CASerial}; !slices.Equal(done.SerialNumbers, want) {
		t.Errorf("serial numbers %v, want %v", done.SerialNumbers, want)
	}
	if _, err := c.ImportPFX(ctx, id, file, api.Secret("password")); kindOf(err) != "conflict" {
		t.Errorf("the same key again: %v", err)
	}

	certificates, err := client.All(c.Certificates(ctx, id))
	require.NoError(t, err)
	if len(certificates) != 2 || !certificates[0].HasKey || certificates[0].Subject != "CN=alice" || certificates[0].ID != done.ID {
		t.Errorf("certificates: %+v", certificates)
	}
	objects, err := client.All(c.Objects(ctx, id))
	require.NoError(t, err)
	classes := map[string]int{}
	for _, o := range objects {
		classes[o.Class]++
		if o.Class == "private key" && (o.KeyType != "EC" || o.Bits != 256 || !strings.HasSuffix(o.URI, ";type=private")) {
			t.Errorf("private key: %+v", o)
		}
	}
	if classes["private key"] != 1 || classes["public key"] != 1 || classes["certificate"] != 2 {
		t.Errorf("objects: %v", classes)
	}
}

// checkSealed tries everything that a complete token refuses.
func checkSealed(t *testing.T, c *client.Client, id string) {
	ctx, label := t.Context(), "another"
	_, relabel := c.ChangeToken(ctx, id, api.TokenChange{Label: &label})
	_, again := c.CompleteToken(ctx, id)
	_, fill := c.ImportPFX(ctx, id, nativetest.PFX(t, "p"), api.Secret("p"))
	for name, err := range map[string]error{
		"label": relabel, "complete": again, "import": fill,
		"PIN": c.ResetPIN(ctx, id, "so", api.Secret("12345678")),
	} {
		if kindOf(err) != "sealed" {
			t.Errorf("%s of a complete token: %v", name, err)
		}
	}
	if _, err := c.Unlock(ctx, id, "user"); err != nil {
		t.Errorf("unlock a complete token: %v", err)
	}
}

// checkSwitch switches a token off and on, twice each.
func checkSwitch(t *testing.T, c *client.Client, id string) {
	for _, on := range []bool{false, false, true, true} {
		token, err := c.ChangeToken(t.Context(), id, api.TokenChange{Enabled: &on})
		require.NoError(t, err)
		if token.Enabled != on {
			t.Errorf("enabled is %v, want %v", token.Enabled, on)
		}
	}
}

func TestTenantsAndUsers(t *testing.T) {
	s := nativetest.Start(t)
	c, ctx := s.Client(t), t.Context()
	sales, err := c.CreateTenant(ctx, "sales")
	require.NoError(t, err)
	if _, err := c.CreateTenant(ctx, "sales"); kindOf(err) != "conflict" {
		t.Errorf("second tenant of one name: %v", err)
	}
	_, err = c.CreateUser(ctx, sales.ID, api.NewUser{Login: "bob", OSUsers: []string{"bob", "#1001"}})
	require.NoError(t, err)
	if _, err := c.CreateUser(ctx, "sales", api.NewUser{Login: "carol", OSUsers: []string{"#x"}}); kindOf(err) != "badInput" {
		t.Errorf("a uid that is none: %v", err)
	}
	users, err := client.All(c.Users(ctx, "sales"))
	require.NoError(t, err)
	if len(users) != 1 || !slices.Equal(users[0].OSUsers, []string{"bob", "#1001"}) {
		t.Errorf("users of sales: %+v", users)
	}
	off, none := false, []string{}
	bob, err := c.ChangeUser(ctx, "sales", "bob", api.UserChange{OSUsers: &none})
	require.NoError(t, err)
	bob2, err := c.ChangeUser(ctx, "sales", bob.ID, api.UserChange{Enabled: &off})
	require.NoError(t, err)
	if len(bob.OSUsers) != 0 || bob2.Enabled {
		t.Errorf("changed: %+v %+v", bob, bob2)
	}
	if _, err := c.ChangeUser(ctx, "sales", "bob", api.UserChange{}); kindOf(err) != "badInput" {
		t.Errorf("a change of nothing: %v", err)
	}
	if _, err := c.CreateToken(ctx, "sales", api.NewToken{User: "bob"}); kindOf(err) != "wrongState" {
		t.Errorf("token for a disabled user: %v", err)
	}
	if _, err := c.CreateToken(ctx, "sales", api.NewToken{User: "nobody"}); kindOf(err) != "userNotFound" {
		t.Errorf("token for nobody: %v", err)
	}
	on := true
	_, err = c.ChangeUser(ctx, "sales", "bob", api.UserChange{Enabled: &on})
	require.NoError(t, err)
	_, err = c.CreateToken(ctx, "sales", api.NewToken{User: "bob"})
	require.NoError(t, err)
	if err := c.DeleteTenant(ctx, "sales", false); kindOf(err) != "wrongState" {
		t.Errorf("delete a tenant with tokens: %v", err)
	}
	require.NoError(t, c.DeleteTenant(ctx, "sales", true))
	if _, err := client.All(c.Users(ctx, "sales")); kindOf(err) != "tenantNotFound" {
		t.Errorf("users of a tenant that is gone: %v", err)
	}
}

// roleCase is an operation and the least role that may do it.
type roleCase struct {
	name  string
	least string
	do    func(context.Context, *client.Client) error
}

// roleCases has an operation or more for each role.
func roleCases(token string) []roleCase {
	return []roleCase{
		{"status", "view", func(ctx context.Context, c *client.Client) error { _, err := c.Status(ctx); return err }},
		{"read a token", "view", func(ctx context.Context, c *client.Client) error { _, err := c.Token(ctx, token); return err }},
		{"create a token", "edit", func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateToken(ctx, "", api.NewToken{User: "bob"})
			return err
		}},
		{"map a user", "admin", func(ctx context.Context, c *client.Client) error {
			_, err := c.ChangeUser(ctx, "", "bob", api.UserChange{OSUsers: &[]string{"bob"}})
			return err
		}},
		{"create a user and map it", "admin", func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateUser(ctx, "", api.NewUser{Login: time.Now().String(), OSUsers: []string{"bob"}})
			return err
		}},
		{"list API keys", "admin", func(ctx context.Context, c *client.Client) error {
			_, err := client.All(c.APIKeys(ctx, ""))
			return err
		}},
		{"list sessions", "admin", func(ctx context.Context, c *client.Client) error {
			_, err := client.All(c.Sessions(ctx, client.SessionFilter{}))
			return err
		}},
		{"map a user whom the policy does not name", "system", func(ctx context.Context, c *client.Client) error {
			_, err := c.ChangeUser(ctx, "", "bob", api.UserChange{OSUsers: &[]string{"alice"}})
			return err
		}},
		{"say whom a tenant may map", "system", func(ctx context.Context, c *client.Client) error {
			_, err := c.ChangeTenant(ctx, "sales", api.TenantChange{OSUsers: &[]string{"alice"}})
			return err
		}},
		{"create a tenant", "system", func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateTenant(ctx, "x")
			return err
		}},
	}
}

// TestRoles sends every kind of request with API keys of each role.
func TestRoles(t *testing.T) {
	s := nativetest.Start(t)
	admin, ctx := s.Client(t), t.Context()
	_, err := admin.CreateTenant(ctx, "sales")
	require.NoError(t, err)
	_, err = admin.CreateUser(ctx, "sales", api.NewUser{Login: "bob"})
	require.NoError(t, err)
	tenant, err := admin.ChangeTenant(ctx, "sales", api.TenantChange{OSUsers: &[]string{"bob"}})
	require.NoError(t, err)
	if !slices.Equal(tenant.OSUsers, []string{"bob"}) {
		t.Errorf("the tenant's operating system users are %q", tenant.OSUsers)
	}
	token, err := admin.CreateToken(ctx, "sales", api.NewToken{User: "bob"})
	require.NoError(t, err)
	clients := map[string]*client.Client{}
	for _, role := range []string{"view", "edit", "admin"} {
		key, err := admin.CreateAPIKey(ctx, "sales", api.NewAPIKey{Name: role, Role: role})
		require.NoError(t, err)
		clients[role], err = client.HTTPS(s.URL, key.Key.Bytes(), roots(t, s))
		require.NoError(t, err)
		t.Cleanup(clients[role].Close)
	}
	for _, op := range roleCases(token.ID) {
		allowed := false
		for _, role := range []string{"view", "edit", "admin"} {
			allowed = allowed || role == op.least
			if err := op.do(ctx, clients[role]); allowed && err != nil || !allowed && kindOf(err) != "forbidden" {
				t.Errorf("%s with role %s: %v", op.name, role, err)
			}
		}
	}
	tenants, err := client.All(clients["view"].Tenants(ctx))
	require.NoError(t, err)
	if len(tenants) != 1 || tenants[0].Name != "sales" {
		t.Errorf("tenants that a key of sales sees: %+v", tenants)
	}
	status, err := clients["view"].Status(ctx)
	require.NoError(t, err)
	if status.DataDir != "" || status.AdminSocket != "" || status.Clients != nil || status.Rollback != nil || status.Caller.Name != "view" {
		t.Errorf("status for a key: %+v", status)
	}
	checkRevoked(t, admin, clients["edit"])
}

// checkRevoked revokes the key "edit" of sales, which c holds.
func checkRevoked(t *testing.T, admin, c *client.Client) {
	require.NoError(t, admin.RevokeAPIKey(t.Context(), "sales", "edit"))
	if err := admin.RevokeAPIKey(t.Context(), "sales", "edit"); kindOf(err) != "keyNotFound" {
		t.Errorf("revoke it again: %v", err)
	}
	if _, err := c.Status(t.Context()); kindOf(err) != "unauthenticated" {
		t.Errorf("a revoked key: %v", err)
	}
}

// TestPages lists more than a page holds, with a limit of every size.
func TestPages(t *testing.T) {
	s := nativetest.Start(t)
	c, ctx := s.Client(t), t.Context()
	const n = 7
	for i := range n {
		login := fmt.Sprintf("user%d", i)
		_, err := c.CreateUser(ctx, "", api.NewUser{Login: login})
		require.NoError(t, err)
		_, err = c.CreateToken(ctx, "", api.NewToken{User: login, Label: login})
		require.NoError(t, err)
	}
	for _, path := range []string{"/v1/users", "/v1/tokens"} {
		for limit := 1; limit <= n+1; limit++ {
			seen := map[string]bool{}
			for cursor := ""; ; {
				var page api.Page[struct{ ID string }]
				get(t, s, fmt.Sprintf("%s?limit=%d&cursor=%s", path, limit, cursor), http.StatusOK, &page)
				for _, item := range page.Items {
					seen[item.ID] = true
				}
				if len(page.Items) > limit {
					t.Fatalf("%d items in a page of %d", len(page.Items), limit)
				}
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			if len(seen) != n {
				t.Errorf("%s in pages of %d: %d of %d", path, limit, len(seen), n)
			}
		}
	}
	one, err := client.All(c.Tokens(ctx, "", client.TokenFilter{Label: "user3"}))
	require.NoError(t, err)
	if len(one) != 1 || one[0].User != "user3" {
		t.Errorf("filtered: %+v", one)
	}
}
