package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"vtoken/provisioning/api"
)

// Users lists the users of a tenant.
func (c *Client) Users(ctx context.Context, tenant string) iter.Seq2[api.User, error] {
	return pages[api.User](ctx, c, "list the users", path("users"), in(tenant))
}

// CreateUser creates a user.
func (c *Client) CreateUser(ctx context.Context, tenant string, u api.NewUser) (*api.User, error) {
	return send[api.User](ctx, c, fmt.Sprintf("create the user %q", u.Login),
		http.MethodPost, within(tenant, path("users")), u)
}

// ChangeUser changes a user, named by login or id.
func (c *Client) ChangeUser(ctx context.Context, tenant, user string, change api.UserChange) (*api.User, error) {
	return send[api.User](ctx, c, fmt.Sprintf("change the user %q", user),
		http.MethodPatch, within(tenant, path("users", user)), change)
}
