package provisioning

import (
	"context"
	"time"

	"vtoken/provisioning/text"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// APIKey is an API key as callers see it, without the key itself.
type APIKey struct {
	Name      string
	Tenant    record.TenantID
	Role      record.Role
	CreatedAt time.Time
	ExpiresAt time.Time // zero is never
	// Dialect is the one API that it is for; empty is our own and those that take
	// the same keys. ID is what the credential calls itself there.
	Dialect, ID string
	// HasCertificate says that it is bound to a TLS client certificate.
	HasCertificate bool
}

// CreateAPIKey makes an API key and returns the secret, which cannot be read again; its
// form depends on the [CredentialKind]. A name that the tenant has already is a Conflict,
// even if that key has expired.
func (s *Service) CreateAPIKey(
	ctx context.Context, c Caller, tenant record.TenantID, n NewAPIKey,
) (APIKey, secret.Bytes, error) {
	if err := c.authorize(OpAPIKeyCreate, tenant); err != nil {
		return APIKey{}, nil, err
	}
	if err := s.checkNewAPIKey(c, &n); err != nil {
		return APIKey{}, nil, err
	}
	k, key, err := s.newAPIKey(ctx, c, tenant, n)
	if err != nil {
		return APIKey{}, nil, err
	}
	err = s.update(ctx, func(tx Tx) error {
		if _, err := tenantOf(tx, tenant); err != nil {
			return err
		}
		_, err := tx.APIKey(tenant, n.Name)
		found, err := exists(err)
		if err != nil {
			return err
		}
		if found {
			return Errorf(Conflict, "there is an API key %q already; revoke it first or choose another name",
				text.Clip(n.Name))
		}
		return orConflict(tx.PutAPIKey(k), "there is a credential with that certificate or id already; revoke it first, or give another one")
	})
	if err != nil {
		key.Wipe()
		return APIKey{}, nil, err
	}
	return apiKeyView(k), key, nil
}

// APIKeys lists the API keys of a tenant, by name.
func (s *Service) APIKeys(ctx context.Context, c Caller, tenant record.TenantID) ([]APIKey, error) {
	if err := c.authorize(OpAPIKeyList, tenant); err != nil {
		return nil, err
	}
	list := []APIKey{}
	err := s.view(ctx, func(tx ReadTx) error {
		if _, err := tenantOf(tx, tenant); err != nil {
			return err
		}
		all, err := tx.APIKeys(tenant)
		for _, k := range all {
			list = append(list, apiKeyView(k))
		}
		return err
	})
	return list, err
}

// RevokeAPIKey revokes a key. It is refused from the next request on.
func (s *Service) RevokeAPIKey(ctx context.Context, c Caller, tenant record.TenantID, name string) error {
	if err := c.authorize(OpAPIKeyRevoke, tenant); err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		if _, err := tenantOf(tx, tenant); err != nil {
			return err
		}
		k, err := tx.APIKey(tenant, name)
		if err != nil {
			return orNotFound(err, KeyNotFound, "there is no API key %q in this tenant; list them with `vtoken apikey list`", text.Clip(name))
		}
		if !c.May(k.Role.Rights()) {
			return Errorf(Forbidden, "role %q may not revoke a key of role %q", c.Role, k.Role)
		}
		return tx.DeleteAPIKey(tenant, name)
	})
}

func apiKeyView(k *record.APIKey) APIKey {
	return APIKey{
		Name: k.Name, Tenant: k.Tenant, Role: k.Role, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt,
		Dialect: k.Dialect, ID: k.ID, HasCertificate: k.CertificateHash != nil,
	}
}
