package provisioning

import (
	"strings"

	"vtoken/vtoken/record"
)

// Caller is the sender of a request, as an authenticated credential says.
type Caller struct {
	// Name is the API key's name, or the user at the other end of the admin
	// socket; for logs and audit records.
	Name string
	// Tenant is the one tenant that the caller may access. Callers with the right
	// record.MaySystem may access all, and it means nothing for them.
	Tenant record.TenantID
	// Role is what the caller may do.
	Role record.Role
}

// System returns the caller for administrators of the machine.
func System(name string) Caller { return Caller{Name: name, Role: record.RoleSystem} }

// May reports whether the caller has all of these rights.
func (c Caller) May(rights record.Rights) bool { return c.Role.Rights().Has(rights) }

// Limited returns the caller with only those of its rights that are in the set, as for a
// session that was asked for less than its credential may.
func (c Caller) Limited(to record.Rights) Caller {
	c.Role = (c.Role.Rights() & to).Role()
	return c
}

// WithView returns the caller with the right to view added, for a handler that must read
// what its caller may change. The handler does not reveal what it reads.
func (c Caller) WithView() Caller {
	c.Role = (c.Role.Rights() | record.MayView).Role()
	return c
}

// sees reports whether the caller may access the tenant.
func (c Caller) sees(t record.TenantID) bool {
	return c.May(record.MaySystem) || c.Tenant == t && t != ""
}

// Allowed checks that a caller may do something in a tenant, for work that needs nothing
// else from the core.
func (s *Service) Allowed(c Caller, op Operation, tenant record.TenantID) error {
	return c.authorize(op, tenant)
}

// mayDo checks only the caller's rights.
func (c Caller) mayDo(op Operation) error {
	have := c.Role.Rights()
	switch {
	case have == 0 && c.Name == "":
		return Errorf(Unauthenticated, "no valid credential was given; use an API key made with `vtoken apikey create`")
	case op < 0 || op >= numberOfOperations || rules[op].right == 0:
		return Errorf(Forbidden, "nobody may %v", op)
	case !have.Has(rules[op].right):
		return Errorf(Forbidden, "role %q may not %v; use a credential with the right to %s",
			c.Role, op, strings.Join(rules[op].right.Names(), " and "))
	}
	return nil
}

// authorize checks that the caller may do op in the tenant. It does not check whether the
// tenant exists, so its answer does not reveal that.
func (c Caller) authorize(op Operation, tenant record.TenantID) error {
	if err := c.mayDo(op); err != nil {
		return err
	}
	if !c.sees(tenant) {
		return Errorf(Forbidden, "this API key is not for tenant %s; use a key of that tenant", tenant)
	}
	return nil
}
