package provisioning

import (
	"context"
	"maps"

	"vtoken/provisioning/text"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Bounds of what a dialect keeps of a tenant.
const (
	maxSettings = 16
	maxSetting  = 256 << 10
)

// TenantSettings returns a tenant, and the settings that a dialect stores with it under a
// name, or nil.
func (s *Service) TenantSettings(
	ctx context.Context, c Caller, id record.TenantID, name string,
) (Tenant, secret.Bytes, error) {
	var view Tenant
	var value secret.Bytes
	if err := c.authorize(OpTenantSettings, id); err != nil {
		return view, nil, err
	}
	err := s.view(ctx, func(tx ReadTx) error {
		t, err := tenantOf(tx, id)
		if err != nil {
			return err
		}
		view, value = tenantView(t), t.Settings[name].Clone()
		return nil
	})
	return view, value, err
}

// CreateTenantWith creates a tenant as [Service.CreateTenant] does, with settings of a
// dialect, in one commit.
func (s *Service) CreateTenantWith(ctx context.Context, c Caller, tenant, name string, value secret.Bytes) (Tenant, error) {
	if err := c.mayDo(OpTenantCreate); err != nil {
		return Tenant{}, err
	}
	var view Tenant
	err := s.update(ctx, func(tx Tx) (err error) {
		view, err = storeTenant(tx, &record.Tenant{}, tenant, name, value)
		return err
	})
	return view, err
}

// ChangeTenant renames a tenant and changes the settings of a dialect. change makes the
// new settings from the old ones; it may run more than once. An empty name keeps the
// current one.
func (s *Service) ChangeTenant(
	ctx context.Context, c Caller, id record.TenantID, tenant, name string, change func(old secret.Bytes) (secret.Bytes, error),
) (Tenant, error) {
	if err := c.authorize(OpTenantChange, id); err != nil {
		return Tenant{}, err
	}
	var view Tenant
	err := s.update(ctx, func(tx Tx) error {
		t, err := tenantOf(tx, id)
		if err != nil {
			return err
		}
		value, err := change(t.Settings[name])
		if err != nil {
			return err
		}
		called := tenant
		if called == "" {
			called = t.Name
		}
		if t.Name == record.DefaultTenant && called != t.Name {
			return Errorf(WrongState, "the tenant %q keeps its name", t.Name)
		}
		view, err = storeTenant(tx, t, called, name, value)
		return err
	})
	return view, err
}

// storeTenant stores a tenant with a name and settings.
func storeTenant(tx Tx, t *record.Tenant, tenant, name string, value secret.Bytes) (Tenant, error) {
	if tenant == "" || tenant != t.Name {
		if err := checkName("tenant name", tenant); err != nil {
			return Tenant{}, err
		}
	}
	with := *t
	with.Name = tenant
	if with.Settings = maps.Clone(t.Settings); with.Settings == nil {
		with.Settings = map[string]secret.Bytes{}
	}
	with.Settings[name] = value
	if len(value) > maxSetting || len(with.Settings) > maxSettings {
		return Tenant{}, Errorf(TooLarge, "the settings of the tenant have %d bytes; at most %d are kept",
			len(value), maxSetting)
	}
	if err := tx.PutTenant(&with); err != nil {
		return Tenant{}, orConflict(err, "there is a tenant %q already; choose another name", text.Clip(tenant))
	}
	return tenantView(&with), nil
}
