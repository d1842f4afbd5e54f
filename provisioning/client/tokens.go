package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"vtoken/provisioning/api"
)

// TokenFilter narrows a listing of tokens. Empty fields do not.
type TokenFilter struct {
	User  string // the holder's login or id
	Label string // the whole label
}

// Tokens lists the tokens of a tenant.
func (c *Client) Tokens(ctx context.Context, tenant string, f TokenFilter) iter.Seq2[api.Token, error] {
	q := in(tenant)
	if f.User != "" {
		q.Set("user", f.User)
	}
	if f.Label != "" {
		q.Set("label", f.Label)
	}
	return pages[api.Token](ctx, c, "list the tokens", path("tokens"), q)
}

// CreateToken creates a token.
func (c *Client) CreateToken(ctx context.Context, tenant string, t api.NewToken) (*api.Token, error) {
	return send[api.Token](ctx, c, fmt.Sprintf("create a token for %q", t.User),
		http.MethodPost, within(tenant, path("tokens")), t)
}

// Token reads one token.
func (c *Client) Token(ctx context.Context, id string) (*api.Token, error) {
	return get[api.Token](ctx, c, "read the token "+id, path("tokens", id), nil)
}

// ChangeToken changes the label or the algorithm policy, or enables or disables the
// token.
func (c *Client) ChangeToken(ctx context.Context, id string, change api.TokenChange) (*api.Token, error) {
	return send[api.Token](ctx, c, "change the token "+id, http.MethodPatch, path("tokens", id), change)
}

// DeleteToken deletes a token with its contents.
func (c *Client) DeleteToken(ctx context.Context, id string) error {
	return c.do(ctx, "delete the token "+id, http.MethodDelete, path("tokens", id), nil, nil)
}

// CompleteToken ends the provisioning: applications see the token, and administrators no
// longer change its contents.
func (c *Client) CompleteToken(ctx context.Context, id string) (*api.Token, error) {
	return send[api.Token](ctx, c, "complete the token "+id, http.MethodPost, path("tokens", id, "complete"), nil)
}

// ResetPIN sets the PIN of a role, user or so. The caller keeps pin and wipes it.
func (c *Client) ResetPIN(ctx context.Context, id, role string, pin api.Secret) error {
	return c.do(ctx, fmt.Sprintf("reset the %s PIN of the token %s", role, id),
		http.MethodPost, path("tokens", id, "pin"), api.NewPIN{Role: role, PIN: pin}, nil)
}

// ChangePIN is ResetPIN with a current PIN, of the role currentRole. The caller keeps
// both PINs and wipes them.
func (c *Client) ChangePIN(
	ctx context.Context, id, role string, pin api.Secret, currentRole string, current api.Secret,
) error {
	return c.do(ctx, fmt.Sprintf("set the %s PIN of the token %s with its %s PIN", role, id, currentRole),
		http.MethodPost, path("tokens", id, "pin"), api.NewPIN{Role: role, PIN: pin, CurrentPIN: current, CurrentRole: currentRole}, nil)
}

// Certificates lists the certificates of a token.
func (c *Client) Certificates(ctx context.Context, id string) iter.Seq2[api.Certificate, error] {
	return pages[api.Certificate](ctx, c, "list the certificates of the token "+id, path("tokens", id, "certificates"), nil)
}

// Objects lists the objects of a token.
func (c *Client) Objects(ctx context.Context, id string) iter.Seq2[api.Object, error] {
	return pages[api.Object](ctx, c, "list the objects of the token "+id, path("tokens", id, "objects"), nil)
}

// Lint looks for what makes applications refuse a token, or overlook keys on it.
func (c *Client) Lint(ctx context.Context, id string) (*api.Lint, error) {
	return get[api.Lint](ctx, c, "look through the token "+id, path("tokens", id, "lint"), nil)
}

// Unlock restores all tries of the PIN of a role, user or so, and keeps the PIN.
func (c *Client) Unlock(ctx context.Context, id, role string) (*api.Token, error) {
	return send[api.Token](ctx, c, "unlock the token "+id, http.MethodPost, path("tokens", id, "unlock"), api.PINRole{Role: role})
}
