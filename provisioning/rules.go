package provisioning

import "vtoken/vtoken/record"

// Operation is something that a caller asks of the core.
type Operation int

// The operations. What each needs is in the table below.
const (
	OpTenantCreate Operation = iota
	OpTenantList
	OpTenantGet
	OpTenantDelete
	OpTenantPolicy
	OpExchangeKey
	OpUserCreate
	OpUserList
	OpUserGet
	OpUserMap
	OpUserEnable
	OpUserDisable
	OpAPIKeyCreate
	OpAPIKeyList
	OpAPIKeyRevoke
	OpTokenCreate
	OpTokenList
	OpTokenGet
	OpTokenObjects
	OpTokenImport
	OpTokenLabel
	OpTokenResetPIN
	OpTokenUnlock
	OpTokenComplete
	OpTokenEnable
	OpTokenDisable
	OpTokenPolicy
	OpTokenDelete
	numberOfOperations // keep last
)

// rule is what an operation needs.
type rule struct {
	name string
	// role is the least role that may call it.
	role record.Role
	// open says that it needs a token that is still being provisioned.
	open bool
}

// rules is the one place that says who may do what, and to a token in which
// state. An operation without a row is refused.
var rules = [numberOfOperations]rule{
	OpTenantCreate:  {name: "create a tenant", role: record.RoleSystem},
	OpTenantList:    {name: "list tenants", role: record.RoleView},
	OpTenantGet:     {name: "read a tenant", role: record.RoleView},
	OpTenantDelete:  {name: "delete a tenant", role: record.RoleSystem},
	OpTenantPolicy:  {name: "set the algorithm policy of a tenant", role: record.RoleAdmin},
	OpExchangeKey:   {name: "read the tenant's exchange key", role: record.RoleView},
	OpUserCreate:    {name: "create a user", role: record.RoleEdit},
	OpUserList:      {name: "list users", role: record.RoleView},
	OpUserGet:       {name: "read a user", role: record.RoleView},
	OpUserMap:       {name: "map operating system users", role: record.RoleAdmin},
	OpUserEnable:    {name: "enable a user", role: record.RoleEdit},
	OpUserDisable:   {name: "disable a user", role: record.RoleEdit},
	OpAPIKeyCreate:  {name: "create an API key", role: record.RoleAdmin},
	OpAPIKeyList:    {name: "list API keys", role: record.RoleAdmin},
	OpAPIKeyRevoke:  {name: "revoke an API key", role: record.RoleAdmin},
	OpTokenCreate:   {name: "create a token", role: record.RoleEdit},
	OpTokenList:     {name: "list tokens", role: record.RoleView},
	OpTokenGet:      {name: "read a token", role: record.RoleView},
	OpTokenObjects:  {name: "list the objects of a token", role: record.RoleView},
	OpTokenImport:   {name: "import a PFX", role: record.RoleEdit, open: true},
	OpTokenLabel:    {name: "set the label of a token", role: record.RoleEdit, open: true},
	OpTokenResetPIN: {name: "reset a PIN", role: record.RoleEdit, open: true},
	OpTokenUnlock:   {name: "unlock a PIN", role: record.RoleEdit},
	OpTokenComplete: {name: "complete a token", role: record.RoleEdit, open: true},
	OpTokenEnable:   {name: "enable a token", role: record.RoleEdit},
	OpTokenDisable:  {name: "disable a token", role: record.RoleEdit},
	OpTokenPolicy:   {name: "set the algorithm policy of a token", role: record.RoleAdmin},
	OpTokenDelete:   {name: "delete a token", role: record.RoleAdmin},
}

// roleRank orders the roles; a role that is not in it may do nothing.
var roleRank = map[record.Role]int{
	record.RoleView:   1,
	record.RoleEdit:   2,
	record.RoleAdmin:  3,
	record.RoleSystem: 4,
}

// String says what the operation does, as in "create a token".
func (op Operation) String() string {
	if op < 0 || op >= numberOfOperations {
		return "do something unknown"
	}
	return rules[op].name
}

// Roles are the roles of callers, each including the ones before it.
func Roles() []record.Role {
	return []record.Role{record.RoleView, record.RoleEdit, record.RoleAdmin, record.RoleSystem}
}

// includes reports whether the role have may do what asks for the role need.
func includes(have, need record.Role) bool {
	return roleRank[have] > 0 && roleRank[have] >= roleRank[need]
}

// allowed checks a token's state against the operation's rule.
func (op Operation) allowed(t *record.Token) error {
	if rules[op].open && t.Complete {
		return Errorf(Sealed, "cannot %v: token %s is complete, and a complete token's keys, certificates, PINs and label no longer change; create a new token instead", op, t.ID)
	}
	return nil
}
