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
	OpUserChange
	OpUserDelete
	OpGroupCreate
	OpGroupList
	OpGroupDelete
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
	OpTokenPINBySO
	OpTokenClearPIN
	OpTokenUnlock
	OpTokenComplete
	OpTokenEnable
	OpTokenDisable
	OpTokenAssign
	OpTokenShare
	OpTokenTake
	OpTokenKeep
	OpTokenUnassign
	OpTokenHolder
	OpTokenActivate
	OpTokenActivated
	OpTokenExpiry
	OpTokenConfine
	OpTokenRelease
	OpTokenDownload
	OpTokenGroups
	OpTokenPolicy
	OpTokenDecease
	OpTokenDelete
	numberOfOperations // keep last
)

// rule is what an operation needs.
type rule struct {
	name string
	// role is the least role that may call it.
	role record.Role
	// needs is what a token has to be for it; see the states.
	needs state
	// action is what it is called among the actions that a token allows; empty
	// for what is no action on a token.
	action string
}

// rules is the one place that says who may do what, and to a token in which
// state. An operation without a row is refused.
var rules = [numberOfOperations]rule{
	OpTenantCreate:   {name: "create a tenant", role: record.RoleSystem},
	OpTenantList:     {name: "list tenants", role: record.RoleView},
	OpTenantGet:      {name: "read a tenant", role: record.RoleView},
	OpTenantDelete:   {name: "delete a tenant", role: record.RoleSystem},
	OpTenantPolicy:   {name: "set the policies of a tenant", role: record.RoleAdmin},
	OpExchangeKey:    {name: "read the tenant's exchange key", role: record.RoleView},
	OpUserCreate:     {name: "create a user", role: record.RoleEdit},
	OpUserList:       {name: "list users", role: record.RoleView},
	OpUserGet:        {name: "read a user", role: record.RoleView},
	OpUserMap:        {name: "map operating system users", role: record.RoleAdmin},
	OpUserEnable:     {name: "enable a user", role: record.RoleEdit},
	OpUserDisable:    {name: "disable a user", role: record.RoleEdit},
	OpUserChange:     {name: "change a user", role: record.RoleEdit},
	OpUserDelete:     {name: "delete a user", role: record.RoleAdmin},
	OpGroupCreate:    {name: "create a group", role: record.RoleEdit},
	OpGroupList:      {name: "list groups", role: record.RoleView},
	OpGroupDelete:    {name: "delete a group", role: record.RoleAdmin},
	OpAPIKeyCreate:   {name: "create an API key", role: record.RoleAdmin},
	OpAPIKeyList:     {name: "list API keys", role: record.RoleAdmin},
	OpAPIKeyRevoke:   {name: "revoke an API key", role: record.RoleAdmin},
	OpTokenCreate:    {name: "create a token", role: record.RoleEdit},
	OpTokenList:      {name: "list tokens", role: record.RoleView},
	OpTokenGet:       {name: "read a token", role: record.RoleView},
	OpTokenObjects:   {name: "list the objects of a token", role: record.RoleView},
	OpTokenImport:    {name: "import a PFX", role: record.RoleEdit, needs: alive | open | card, action: "import"},
	OpTokenLabel:     {name: "set the label of a token", role: record.RoleEdit, needs: alive | open, action: "label"},
	OpTokenResetPIN:  {name: "reset a PIN", role: record.RoleEdit, needs: alive | open, action: "resetPin"},
	OpTokenPINBySO:   {name: "set a PIN with the SO PIN", role: record.RoleEdit, needs: alive, action: "resetPinBySO"},
	OpTokenClearPIN:  {name: "clear a PIN", role: record.RoleEdit, needs: alive | open, action: "clearPin"},
	OpTokenUnlock:    {name: "unlock a PIN", role: record.RoleEdit, needs: alive, action: "unlock"},
	OpTokenComplete:  {name: "complete a token", role: record.RoleEdit, needs: alive | open | held, action: "complete"},
	OpTokenEnable:    {name: "enable a token", role: record.RoleEdit, needs: alive, action: "enable"},
	OpTokenDisable:   {name: "disable a token", role: record.RoleEdit, needs: alive, action: "disable"},
	OpTokenAssign:    {name: "assign a token", role: record.RoleEdit, needs: alive | unexpired | unheld, action: "assign"},
	OpTokenShare:     {name: "share a token", role: record.RoleEdit, needs: alive | unexpired | held, action: "share"},
	OpTokenTake:      {name: "take a token from its holder for another", role: record.RoleEdit, needs: alive | unexpired | held, action: "take"},
	OpTokenKeep:      {name: "keep the keys of a token that changes hands", role: record.RoleAdmin, needs: alive},
	OpTokenUnassign:  {name: "unassign a token", role: record.RoleEdit, needs: alive | held, action: "unassign"},
	OpTokenHolder:    {name: "change a holder's part in a token", role: record.RoleEdit, needs: alive | held, action: "changeHolder"},
	OpTokenActivate:  {name: "begin the activation of a token", role: record.RoleEdit, needs: alive | unexpired | held, action: "startActivation"},
	OpTokenActivated: {name: "end the activation of a token", role: record.RoleEdit, needs: alive | unexpired | inactive, action: "activate"},
	OpTokenExpiry:    {name: "set when a token expires", role: record.RoleEdit, needs: alive, action: "setExpiry"},
	OpTokenConfine:   {name: "close the download of a token", role: record.RoleEdit, needs: alive, action: "confine"},
	OpTokenRelease:   {name: "open the download of a token", role: record.RoleEdit, needs: alive, action: "release"},
	OpTokenDownload:  {name: "download a token", role: record.RoleEdit, needs: alive | unexpired | released, action: "download"},
	OpTokenGroups:    {name: "set the groups of a token", role: record.RoleEdit, needs: alive | unheld, action: "setGroups"},
	OpTokenPolicy:    {name: "set the algorithm policy of a token", role: record.RoleAdmin, needs: alive, action: "setPolicy"},
	OpTokenDecease:   {name: "end a token", role: record.RoleAdmin, needs: alive, action: "decease"},
	OpTokenDelete:    {name: "delete a token", role: record.RoleAdmin, action: "delete"},
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

// Action is what the operation is called among the actions that a token allows,
// such as "unassign"; empty for an operation that is no action on a token.
func (op Operation) Action() string {
	if op < 0 || op >= numberOfOperations {
		return ""
	}
	return rules[op].action
}

// Roles are the roles of callers, each including the ones before it.
func Roles() []record.Role {
	return []record.Role{record.RoleView, record.RoleEdit, record.RoleAdmin, record.RoleSystem}
}

// includes reports whether the role have may do what asks for the role need.
func includes(have, need record.Role) bool {
	return roleRank[have] > 0 && roleRank[have] >= roleRank[need]
}
