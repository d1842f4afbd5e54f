package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"vtoken/provisioning/api"
)

// Tenants lists the tenants that the caller may access.
func (c *Client) Tenants(ctx context.Context) iter.Seq2[api.Tenant, error] {
	return pages[api.Tenant](ctx, c, "list the tenants", path("tenants"), nil)
}

// CreateTenant creates a tenant.
func (c *Client) CreateTenant(ctx context.Context, name string) (*api.Tenant, error) {
	return send[api.Tenant](ctx, c, fmt.Sprintf("create the tenant %q", name),
		http.MethodPost, path("tenants"), api.NewTenant{Name: name})
}

// ChangeTenant changes the settings of a tenant, by name or id, for new tokens.
func (c *Client) ChangeTenant(ctx context.Context, tenant string, change api.TenantChange) (*api.Tenant, error) {
	return send[api.Tenant](ctx, c, fmt.Sprintf("change the tenant %q", tenant), http.MethodPatch, path("tenants", tenant), change)
}

// DeleteTenant deletes a tenant, by name or id, with its users and API keys. It refuses
// one with tokens unless withTokens is set.
func (c *Client) DeleteTenant(ctx context.Context, tenant string, withTokens bool) error {
	p := path("tenants", tenant)
	if withTokens {
		p += "?withTokens=true"
	}
	return c.do(ctx, fmt.Sprintf("delete the tenant %q", tenant), http.MethodDelete, p, nil, nil)
}

// in returns the query that names a tenant by name or id. Empty is the caller's own, or
// the default tenant for callers who may access all.
func in(tenant string) url.Values {
	q := url.Values{}
	if tenant != "" {
		q.Set("tenant", tenant)
	}
	return q
}

// within returns path with the query of in.
func within(tenant, path string) string {
	if tenant == "" {
		return path
	}
	return path + "?" + in(tenant).Encode()
}
