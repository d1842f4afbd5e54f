package provisioning

import (
	"context"

	"vtoken/vtoken/policy"
	"vtoken/vtoken/record"
)

// SetPolicy sets the algorithm policy of a token, as [policy.Parse] reads it: "modern",
// "legacy", or mechanisms separated by commas. It applies at once, to complete tokens and
// to open sessions too. Empty text is the default of the tenant.
func (s *Service) SetPolicy(ctx context.Context, c Caller, ref TokenRef, text string) (Token, error) {
	p, err := parsePolicy(text)
	if err != nil {
		return Token{}, err
	}
	var view Token
	err = s.update(ctx, func(tx Tx) error {
		t, err := s.token(tx, c, OpTokenPolicy, ref)
		if err != nil {
			return err
		}
		t = t.Clone()
		t.Policy = p
		if !p.Set() {
			tenant, err := tenantOf(tx, t.Tenant)
			if err != nil {
				return err
			}
			t.Policy = tenant.Policy
		}
		if err := tx.PutToken(t); err != nil {
			return err
		}
		view, err = s.tokenView(tx, t, nil)
		return err
	})
	return view, err
}

// SetTenantPolicy sets the algorithm policy of new tokens of a tenant. Existing tokens
// keep theirs.
func (s *Service) SetTenantPolicy(ctx context.Context, c Caller, id record.TenantID, text string) (Tenant, error) {
	if err := c.authorize(OpTenantPolicy, id); err != nil {
		return Tenant{}, err
	}
	p, err := parsePolicy(text)
	if err != nil {
		return Tenant{}, err
	}
	return s.changeTenant(ctx, c, id, func(t *record.Tenant) { t.Policy = p })
}

// changeTenant applies change to the record of a tenant.
func (s *Service) changeTenant(
	ctx context.Context, c Caller, id record.TenantID, change func(*record.Tenant),
) (Tenant, error) {
	if err := c.authorize(OpTenantPolicy, id); err != nil {
		return Tenant{}, err
	}
	return s.replaceTenant(ctx, id, change)
}

// replaceTenant is changeTenant without a check of the caller's rights.
func (s *Service) replaceTenant(ctx context.Context, id record.TenantID, change func(*record.Tenant)) (Tenant, error) {
	var view Tenant
	err := s.update(ctx, func(tx Tx) error {
		old, err := tenantOf(tx, id)
		if err != nil {
			return err
		}
		t := *old
		t.ExchangeKey = nil // keeps the one that is stored
		change(&t)
		if err := tx.PutTenant(&t); err != nil {
			return err
		}
		view = tenantView(&t)
		return nil
	})
	return view, err
}

func parsePolicy(text string) (policy.Policy, error) {
	p, err := policy.Parse(text)
	if err != nil {
		return p, Errorf(BadInput, "%v", err)
	}
	return p, nil
}
