package provisioning

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"time"

	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// APIKey is what callers see of an API key: everything but the key.
type APIKey struct {
	Name      string
	Tenant    record.TenantID
	Role      record.Role
	CreatedAt time.Time
	ExpiresAt time.Time // zero is never
}

// APIKeyPrefix begins every API key, so that scanners for leaked secrets know
// one when they see it.
const APIKeyPrefix = "vtk_"

// NewAPIKey is what an API key is to be.
type NewAPIKey struct {
	Name string
	// Role is RoleAdmin where it is empty. Nobody can make a key of a higher role
	// than their own.
	Role record.Role
	// ExpiresAt is when the key stops working; zero is never.
	ExpiresAt time.Time
}

// CreateAPIKey makes an API key and returns the key itself, which cannot be had
// again: 256 random bits after [APIKeyPrefix], in base64url. A name that is
// taken in the tenant is a Conflict, also if that key has expired.
func (s *Service) CreateAPIKey(ctx context.Context, c Caller, tenant record.TenantID, n NewAPIKey) (APIKey, secret.Bytes, error) {
	if err := c.authorize(OpAPIKeyCreate, tenant); err != nil {
		return APIKey{}, nil, err
	}
	if n.Role == "" {
		n.Role = record.RoleAdmin
	}
	if err := s.checkNewAPIKey(c, n); err != nil {
		return APIKey{}, nil, err
	}
	key := newAPIKey()
	k := &record.APIKey{
		Name: n.Name, Tenant: tenant, Role: n.Role, Hash: s.store.HashAPIKey(key),
		CreatedAt: s.now(), ExpiresAt: n.ExpiresAt.UTC(),
	}
	err := s.update(ctx, func(tx Tx) error {
		if _, err := tenantOf(tx, tenant); err != nil {
			return err
		}
		_, err := tx.APIKey(tenant, n.Name)
		there, err := exists(err)
		if err != nil {
			return err
		}
		if there {
			return Errorf(Conflict, "there is an API key %q already; revoke it first or choose another name", clip(n.Name))
		}
		return tx.PutAPIKey(k)
	})
	if err != nil {
		key.Wipe()
		return APIKey{}, nil, err
	}
	return apiKeyView(k), key, nil
}

func (s *Service) checkNewAPIKey(c Caller, n NewAPIKey) error {
	if err := checkName("name of the API key", n.Name); err != nil {
		return err
	}
	if roleRank[n.Role] == 0 {
		return Errorf(BadInput, "there is no role %q; the roles are view, edit, admin and system", clip(string(n.Role)))
	}
	if !includes(c.Role, n.Role) {
		return Errorf(Forbidden, "role %q may not make keys of role %q; ask for a role that is no higher", c.Role, n.Role)
	}
	if !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(s.now()) {
		return Errorf(BadInput, "the key would be expired from the start; give a time in the future")
	}
	return nil
}

func newAPIKey() secret.Bytes {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: it stops the process instead
	defer clear(random[:])
	key := make(secret.Bytes, 0, len(APIKeyPrefix)+base64.RawURLEncoding.EncodedLen(len(random)))
	key = append(key, APIKeyPrefix...)
	return secret.Bytes(base64.RawURLEncoding.AppendEncode(key, random[:]))
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

// RevokeAPIKey makes a key worthless from the next request on.
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
			return notFound(err, KeyNotFound, "there is no API key %q in this tenant; list them with `vtoken apikey list`", clip(name))
		}
		if !includes(c.Role, k.Role) {
			return Errorf(Forbidden, "role %q may not revoke a key of role %q", c.Role, k.Role)
		}
		return tx.DeleteAPIKey(tenant, name)
	})
}

// Authenticate is the caller that an API key stands for. A key that is missing,
// unknown, revoked or expired is Unauthenticated, with the same sentence for
// all. The key is compared through a keyed hash, so the time it takes tells
// nothing about stored keys.
func (s *Service) Authenticate(ctx context.Context, key secret.Bytes) (Caller, error) {
	if len(key) == 0 {
		return Caller{}, Errorf(Unauthenticated, "no API key was given; send one in the Authorization header")
	}
	refused := Errorf(Unauthenticated, "the API key is unknown, revoked or expired; make one with `vtoken apikey create`")
	if len(key) > 256 || !strings.HasPrefix(string(key[:min(len(key), len(APIKeyPrefix))]), APIKeyPrefix) {
		return Caller{}, refused
	}
	var k *record.APIKey
	hash := s.store.HashAPIKey(key)
	err := s.view(ctx, func(tx ReadTx) (err error) {
		k, err = tx.APIKeyByHash(hash)
		return err
	})
	if there, err := exists(err); err != nil {
		return Caller{}, err
	} else if !there || !k.ExpiresAt.IsZero() && !s.now().Before(k.ExpiresAt) {
		return Caller{}, refused
	}
	return Caller{Name: k.Name, Tenant: k.Tenant, Role: k.Role}, nil
}

func apiKeyView(k *record.APIKey) APIKey {
	return APIKey{Name: k.Name, Tenant: k.Tenant, Role: k.Role, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt}
}
