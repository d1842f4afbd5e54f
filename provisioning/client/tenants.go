package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"

	"vtoken/provisioning/dialect/native/api"
)

// Tenants lists the tenants that the caller sees.
func (c *Client) Tenants(ctx context.Context) iter.Seq2[api.Tenant, error] {
	return pages[api.Tenant](ctx, c, "list the tenants", path("tenants"), nil)
}

// CreateTenant makes a tenant.
func (c *Client) CreateTenant(ctx context.Context, name string) (*api.Tenant, error) {
	return send[api.Tenant](ctx, c, fmt.Sprintf("create the tenant %q", name),
		http.MethodPost, path("tenants"), api.NewTenant{Name: name})
}

// DeleteTenant removes a tenant with its users, API keys and tokens.
func (c *Client) DeleteTenant(ctx context.Context, id string) error {
	return c.do(ctx, "delete the tenant "+id, http.MethodDelete, path("tenants", id), nil, nil)
}

// Users lists the users of a tenant; login other than empty asks for that one.
func (c *Client) Users(ctx context.Context, tenant, login string) iter.Seq2[api.User, error] {
	q := url.Values{}
	if login != "" {
		q.Set("login", login)
	}
	return pages[api.User](ctx, c, "list the users", path("tenants", tenant, "users"), q)
}

// CreateUser makes a user.
func (c *Client) CreateUser(ctx context.Context, tenant string, u api.NewUser) (*api.User, error) {
	return send[api.User](ctx, c, fmt.Sprintf("create the user %q", u.Login),
		http.MethodPost, path("tenants", tenant, "users"), u)
}

// ChangeUser changes a user, named by id.
func (c *Client) ChangeUser(ctx context.Context, tenant, id string, change api.UserChange) (*api.User, error) {
	return send[api.User](ctx, c, "change the user", http.MethodPatch, path("tenants", tenant, "users", id), change)
}

// APIKeys lists the API keys of a tenant, without the keys themselves.
func (c *Client) APIKeys(ctx context.Context, tenant string) iter.Seq2[api.APIKey, error] {
	return pages[api.APIKey](ctx, c, "list the API keys", path("tenants", tenant, "apikeys"), nil)
}

// CreateAPIKey makes an API key. The answer is the one time that it is seen.
// role empty is edit, expires nil is never.
func (c *Client) CreateAPIKey(ctx context.Context, tenant, name, role string, expires *time.Time) (*api.CreatedAPIKey, error) {
	return send[api.CreatedAPIKey](ctx, c, fmt.Sprintf("create the API key %q", name),
		http.MethodPost, path("tenants", tenant, "apikeys"), api.NewAPIKey{Name: name, Role: role, ExpiresAt: expires})
}

// RevokeAPIKey ends an API key.
func (c *Client) RevokeAPIKey(ctx context.Context, tenant, name string) error {
	return c.do(ctx, fmt.Sprintf("revoke the API key %q", name),
		http.MethodDelete, path("tenants", tenant, "apikeys", name), nil, nil)
}
