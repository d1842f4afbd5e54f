package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"vtoken/provisioning/api"
)

// Assign assigns a token to a user.
func (c *Client) Assign(ctx context.Context, id string, a api.Assign) (*api.Token, error) {
	return send[api.Token](ctx, c, fmt.Sprintf("assign the token %s to %q", id, a.User), http.MethodPost, path("tokens", id, "assign"), a)
}

// Unassign takes a token from a user, or from all holders where user is empty.
func (c *Client) Unassign(ctx context.Context, id, user string) (*api.Token, error) {
	return send[api.Token](ctx, c, "unassign the token "+id, http.MethodPost, path("tokens", id, "unassign"), api.Unassign{User: user})
}

// ChangeHolder changes the assignment of a holder.
func (c *Client) ChangeHolder(ctx context.Context, id, user string, change api.HolderChange) (*api.Token, error) {
	return send[api.Token](ctx, c, fmt.Sprintf("change what %q may do with the token %s", user, id),
		http.MethodPatch, path("tokens", id, "holders", user), change)
}

// StartActivation begins the activation of a token and returns its code, which
// the caller wipes. Seconds 0 is the default lifetime.
func (c *Client) StartActivation(ctx context.Context, id string, seconds int) (*api.Activation, error) {
	return send[api.Activation](ctx, c, "begin the activation of the token "+id,
		http.MethodPost, path("tokens", id, "activation"), api.NewActivation{Seconds: seconds})
}

// FinishActivation ends the activation of a token with its code, or without one if code
// is nil.
func (c *Client) FinishActivation(ctx context.Context, id string, code api.Secret) (*api.Token, error) {
	return send[api.Token](ctx, c, "activate the token "+id, http.MethodPut, path("tokens", id, "activation"), api.FinishActivation{Code: code})
}

// ClearPIN unsets the PIN of a role, user or so.
func (c *Client) ClearPIN(ctx context.Context, id, role string) (*api.Token, error) {
	return send[api.Token](ctx, c, fmt.Sprintf("clear the %s PIN of the token %s", role, id),
		http.MethodPost, path("tokens", id, "clear-pin"), api.PINRole{Role: role})
}

// SearchTokens finds tokens of a tenant, a page at a time.
func (c *Client) SearchTokens(ctx context.Context, tenant string, s api.Search) (*api.SearchPage, error) {
	return send[api.SearchPage](ctx, c, "search for tokens", http.MethodPost, within(tenant, path("search", "tokens")), s)
}

// DeleteUser deletes a user who holds no tokens.
func (c *Client) DeleteUser(ctx context.Context, tenant, user string) error {
	return c.do(ctx, fmt.Sprintf("delete the user %q", user), http.MethodDelete, within(tenant, path("users", user)), nil, nil)
}

// Groups lists the groups of a tenant.
func (c *Client) Groups(ctx context.Context, tenant string) iter.Seq2[api.Group, error] {
	return pages[api.Group](ctx, c, "list the groups", path("groups"), in(tenant))
}

// CreateGroup creates a group.
func (c *Client) CreateGroup(ctx context.Context, tenant, name string) (*api.Group, error) {
	return send[api.Group](ctx, c, fmt.Sprintf("create the group %q", name), http.MethodPost, within(tenant, path("groups")), api.NewGroup{Name: name})
}

// DeleteGroup deletes a group, named by its id.
func (c *Client) DeleteGroup(ctx context.Context, tenant, id string) error {
	return c.do(ctx, "delete the group "+id, http.MethodDelete, within(tenant, path("groups", id)), nil, nil)
}
