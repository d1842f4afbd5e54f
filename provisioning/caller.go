package provisioning

import "vtoken/vtoken/record"

// Caller is who asks, as an authenticated credential says.
type Caller struct {
	// Name is the API key's name, or the user at the other end of the admin
	// socket; for logs and audit records.
	Name string
	// Tenant is the one tenant that the caller may touch. It means nothing for
	// callers of RoleSystem, who may touch all.
	Tenant record.TenantID
	// Role is what the caller may do.
	Role record.Role
}

// System is the caller of the machine's own administrators.
func System(name string) Caller { return Caller{Name: name, Role: record.RoleSystem} }

// sees reports whether the tenant is one that the caller may touch.
func (c Caller) sees(t record.TenantID) bool {
	return c.Role == record.RoleSystem || c.Tenant == t && t != ""
}

// mayDo checks the caller's role alone.
func (c Caller) mayDo(op Operation) error {
	switch {
	case roleRank[c.Role] == 0:
		return Errorf(Unauthenticated, "no valid credential was given; use an API key made with `vtoken apikey create`")
	case op < 0 || op >= numberOfOperations || rules[op].role == "" || !includes(c.Role, rules[op].role):
		return Errorf(Forbidden, "role %q may not %v; use an API key of role %q or above", c.Role, op, rules[op].role)
	}
	return nil
}

// authorize checks that the caller may do op in the tenant. It does not look
// whether the tenant exists, so that its answer cannot tell.
func (c Caller) authorize(op Operation, tenant record.TenantID) error {
	if err := c.mayDo(op); err != nil {
		return err
	}
	if !c.sees(tenant) {
		return Errorf(Forbidden, "this API key is not for tenant %s; use a key of that tenant", tenant)
	}
	return nil
}
