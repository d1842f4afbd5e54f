package provisioning

import (
	"context"
	"slices"
	"time"

	"vtoken/provisioning/text"
	"vtoken/vtoken/record"
)

// Tenant is a tenant as callers see it.
type Tenant struct {
	ID        record.TenantID
	Name      string
	CreatedAt time.Time
	Policy    string // the algorithm policy of new tokens, as SetTenantPolicy takes it
	PINBound  bool   // new cards are PIN-bound
	// Resume says that logins with its tokens may outlive a crash of the daemon.
	Resume bool
	// OSUsers are the operating system users that the tenant's own administrators may
	// map.
	OSUsers []string
	// MaxObjects is how many objects one token may hold, and MaxObjectsPerUser how many
	// all tokens of one owner may.
	MaxObjects, MaxObjectsPerUser uint64
}

func tenantView(t *record.Tenant) Tenant {
	return Tenant{
		ID: t.ID, Name: t.Name, CreatedAt: t.CreatedAt, Policy: t.Policy.String(), PINBound: t.PINBound, Resume: !t.NoResume,
		OSUsers:    slices.Clone(t.OSUsers),
		MaxObjects: t.Quota.PerToken().Objects, MaxObjectsPerUser: t.Quota.PerUser().Objects,
	}
}

// CreateTenant creates a tenant. A name that is taken is a Conflict.
func (s *Service) CreateTenant(ctx context.Context, c Caller, name string) (Tenant, error) {
	if err := c.mayDo(OpTenantCreate); err != nil {
		return Tenant{}, err
	}
	if err := checkName("tenant name", name); err != nil {
		return Tenant{}, err
	}
	var view Tenant
	err := s.update(ctx, func(tx Tx) error {
		t := &record.Tenant{Name: name}
		if err := tx.PutTenant(t); err != nil {
			return orConflict(err, "there is a tenant %q already; choose another name", text.Clip(name))
		}
		view = tenantView(t)
		return nil
	})
	return view, err
}

// Tenants lists the tenants that the caller may access, by name.
func (s *Service) Tenants(ctx context.Context, c Caller) ([]Tenant, error) {
	if err := c.mayDo(OpTenantList); err != nil {
		return nil, err
	}
	return s.tenantsOf(ctx, c)
}

// tenantsOf returns the tenants that the caller may access, by name.
func (s *Service) tenantsOf(ctx context.Context, c Caller) ([]Tenant, error) {
	list := []Tenant{}
	err := s.view(ctx, func(tx ReadTx) error {
		all, err := tx.Tenants()
		for _, t := range all {
			if c.sees(t.ID) {
				list = append(list, tenantView(t))
			}
		}
		return err
	})
	return list, err
}

// Tenant returns one tenant.
func (s *Service) Tenant(ctx context.Context, c Caller, id record.TenantID) (Tenant, error) {
	var t *record.Tenant
	if err := c.authorize(OpTenantGet, id); err != nil {
		return Tenant{}, err
	}
	err := s.view(ctx, func(tx ReadTx) (err error) {
		t, err = tenantOf(tx, id)
		return err
	})
	if err != nil {
		return Tenant{}, err
	}
	return tenantView(t), nil
}

// TenantNamed returns the tenant with that id or name, if the caller may access it. An
// empty name is the caller's own tenant, or the default tenant for callers who may access
// all. Any right suffices, because callers who may only add or change something must name
// the tenant too.
func (s *Service) TenantNamed(ctx context.Context, c Caller, name string) (Tenant, error) {
	if name == "" && !c.May(record.MaySystem) {
		name = string(c.Tenant)
	} else if name == "" {
		name = record.DefaultTenant
	}
	if c.Role.Rights() == 0 {
		return Tenant{}, c.mayDo(OpTenantList)
	}
	list, err := s.tenantsOf(ctx, c)
	if err != nil {
		return Tenant{}, err
	}
	for _, t := range list {
		if t.Name == name || string(t.ID) == name {
			return t, nil
		}
	}
	return Tenant{}, Errorf(TenantNotFound, "there is no tenant %q that you may use; list them with `vtoken tenant list`",
		name)
}

// DeleteTenant deletes a tenant with its users and API keys. It refuses the default
// tenant, and a tenant with tokens unless withTokens is set (WrongState).
func (s *Service) DeleteTenant(ctx context.Context, c Caller, id record.TenantID, withTokens bool) error {
	if err := c.authorize(OpTenantDelete, id); err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		t, err := tenantOf(tx, id)
		if err != nil {
			return err
		}
		if t.Name == record.DefaultTenant {
			return Errorf(WrongState, "the tenant %q stays: users of this machine belong to it by default", t.Name)
		}
		if has, err := hasTokens(tx, id); err != nil {
			return err
		} else if has && !withTokens {
			return Errorf(WrongState, "tenant %q still has tokens; delete them first, or ask for them to be deleted too",
				t.Name)
		}
		return tx.DeleteTenant(id)
	})
}

// tenantOf reads a tenant. One that does not exist is TenantNotFound.
func tenantOf(tx ReadTx, id record.TenantID) (*record.Tenant, error) {
	t, err := tx.Tenant(id)
	return t, orNotFound(err, TenantNotFound, "there is no tenant %s; check the id", id)
}

// hasTokens reports whether a tenant has tokens that are not blank.
func hasTokens(tx ReadTx, tenant record.TenantID) (bool, error) {
	after := uint64(0)
	for {
		batch, err := tx.TokensOfTenant(tenant, after, MaxPage)
		if err != nil {
			return false, err
		}
		for _, t := range batch {
			if !isBlank(t) {
				return true, nil
			}
			after = uint64(t.Slot)
		}
		if len(batch) < MaxPage {
			return false, nil
		}
	}
}
