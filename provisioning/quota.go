package provisioning

import (
	"context"
	"errors"

	"vtoken/vtoken/record"
)

// SetTenantQuota sets how many objects one token of a tenant may hold, and how many all
// tokens of one owner may; 0 is the default, and nil changes nothing. Existing objects
// stay, even above the quota. It takes the right to act on all tenants, because all
// tenants share the memory that objects are kept in.
func (s *Service) SetTenantQuota(
	ctx context.Context, c Caller, id record.TenantID, objects, perUser *uint64,
) (Tenant, error) {
	if err := c.authorize(OpTenantQuota, id); err != nil {
		return Tenant{}, err
	}
	for _, n := range []*uint64{objects, perUser} {
		if n != nil && *n > record.MaxObjects {
			return Tenant{}, Errorf(BadInput, "a quota is at most %d objects; 0 is the default", record.MaxObjects)
		}
	}
	return s.replaceTenant(ctx, id, func(t *record.Tenant) {
		if objects != nil {
			t.Quota.Objects = *objects
		}
		if perUser != nil {
			t.Quota.ObjectsPerUser = *perUser
		}
	})
}

// overQuota returns the error for the caller where a quota refused an object.
func overQuota(err error) (*Error, bool) {
	var over *record.OverQuota
	if !errors.As(err, &over) {
		return nil, false
	}
	return &Error{Kind: WrongState, Detail: over.Error(), Err: err}, true
}
