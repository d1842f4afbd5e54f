package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

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

// Rotate replaces the root key of the store. The keys below it are wrapped again in the
// background; Rotation says how many are left.
func (c *Client) Rotate(ctx context.Context) (*api.Rotation, error) {
	return send[api.Rotation](ctx, c.patient(), "rotate the root key", http.MethodPost, path("rotation"), nil)
}

// Rotation returns the progress of the rotation of the root key.
func (c *Client) Rotation(ctx context.Context) (*api.Rotation, error) {
	return get[api.Rotation](ctx, c, "ask for the rotation", path("rotation"), nil)
}
