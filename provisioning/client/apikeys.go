package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"vtoken/provisioning/api"
)

// APIKeys lists the API keys of a tenant, without the keys themselves.
func (c *Client) APIKeys(ctx context.Context, tenant string) iter.Seq2[api.APIKey, error] {
	return pages[api.APIKey](ctx, c, "list the API keys", path("apikeys"), in(tenant))
}

// CreateAPIKey creates an API key. The key is only in this answer.
func (c *Client) CreateAPIKey(ctx context.Context, tenant string, k api.NewAPIKey) (*api.CreatedAPIKey, error) {
	return send[api.CreatedAPIKey](ctx, c, fmt.Sprintf("create the API key %q", k.Name),
		http.MethodPost, within(tenant, path("apikeys")), k)
}

// RevokeAPIKey revokes an API key.
func (c *Client) RevokeAPIKey(ctx context.Context, tenant, name string) error {
	return c.do(ctx, fmt.Sprintf("revoke the API key %q", name),
		http.MethodDelete, within(tenant, path("apikeys", name)), nil, nil)
}
