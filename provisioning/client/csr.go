package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"vtoken/provisioning/api"
)

// RequestCertificate makes a key pair for a holder of a token, and the request for its
// certificate. RSA keys take seconds.
func (c *Client) RequestCertificate(ctx context.Context, id string, n api.NewCSR) (*api.CSR, error) {
	return send[api.CSR](ctx, c.patient(), "request a certificate for the token "+id, http.MethodPost, path("tokens", id, "csr"), n)
}

// StoreCertificate stores the certificate that was issued for a key, with its chain, and
// with the key if that waits for it.
func (c *Client) StoreCertificate(ctx context.Context, id string, n api.NewCertificate) (*api.Imported, error) {
	return send[api.Imported](ctx, c, "store a certificate on the token "+id, http.MethodPost, path("tokens", id, "certificates"), n)
}

// PendingKeys lists the keys of a user, named by login or id, that wait for their
// certificates, and those that got them recently.
func (c *Client) PendingKeys(ctx context.Context, tenant, user string) iter.Seq2[api.PendingKey, error] {
	return pages[api.PendingKey](ctx, c, fmt.Sprintf("list the keys of %q", user), path("users", user, "keys"), in(tenant))
}

// DeletePendingKey deletes a key that waits for its certificate.
func (c *Client) DeletePendingKey(ctx context.Context, tenant, user, key string) error {
	return c.do(ctx, fmt.Sprintf("delete the key %s of %q", key, user), http.MethodDelete, within(tenant, path("users", user, "keys", key)), nil, nil)
}
