package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"vtoken/provisioning/api"
)

// KEKs lists the key-encryption keys that open the store. The daemon tries each of them,
// without a bound on the time.
func (c *Client) KEKs(ctx context.Context) iter.Seq2[api.KEK, error] {
	return pages[api.KEK](ctx, c.patient(), "list the KEKs", path("keks"), nil)
}

// AddKEK adds a KEK. Its error does not repeat the URI, which may hold a PIN by
// mistake.
func (c *Client) AddKEK(ctx context.Context, k api.NewKEK) (*api.KEK, error) {
	return send[api.KEK](ctx, c.patient(), "add the KEK", http.MethodPost, path("keks"), k)
}

// RemoveKEK removes a KEK by its id.
func (c *Client) RemoveKEK(ctx context.Context, id string) error {
	return c.patient().do(ctx, fmt.Sprintf("remove the KEK %s", id), http.MethodDelete, path("keks", id), nil, nil)
}

// Rotate replaces the root key of the store, or what keys says. What is under the old keys
// follows in the background; Rotation says how much is left.
func (c *Client) Rotate(ctx context.Context, keys api.NewKeys) (*api.Rotation, error) {
	query := url.Values{}
	if keys.All {
		query.Set("all", "true")
	}
	if keys.Tenant != "" {
		query.Set("tenant", keys.Tenant)
	}
	to := path("rotation")
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	return send[api.Rotation](ctx, c.patient(), "replace keys of the store", http.MethodPost, to, nil)
}

// Rotation returns the progress of the rotation of the root key.
func (c *Client) Rotation(ctx context.Context) (*api.Rotation, error) {
	return get[api.Rotation](ctx, c, "ask for the rotation", path("rotation"), nil)
}
