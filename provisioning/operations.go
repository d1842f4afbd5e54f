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
	OpTenantQuota
	OpTenantSettings
	OpTenantChange
	OpTenantOSUsers
	OpExchangeKey
	OpUserCreate
	OpUserList
	OpUserGet
	OpUserMap
	OpUserMapAny
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
	OpSessionList
	OpSessionEnd
	OpTokenCreate
	OpTokensImport
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
	OpTokenShareKeys
	OpTokenEmpty
	OpTokenUnassign
	OpTokenPassOn
	OpTokenHolder
	OpTokenWiden
	OpTokenActivate
	OpTokenActivated
	OpTokenExpiry
	OpTokenConfine
	OpTokenRelease
	OpTokenDownload
	OpTokenGroups
	OpTokenVerify
	OpTokenSync
	OpTokenResetOTP
	OpTokenSeed
	OpTokenReseed
	OpTokenPolicy
	OpTokenDecease
	OpTokenCertificate
	OpTokenPlaceKey
	OpCSR
	OpCSRList
	OpCSRDelete
	OpTokenDelete
	numberOfOperations // keep last
)

// rule is what an operation requires.
type rule struct {
	name string
	// right is what the caller must have, all of it.
	right record.Rights
	// needs are the conditions that the token must meet.
	needs state
	// action is the name among the actions that a token allows; empty for an operation
	// that is none.
	action string
	// keys is set for an operation that is part of another one on a token with such keys.
	// A caller without the right for it may do the other operation only where the token
	// has none.
	keys keys
}

// keys says which keys of a token count.
type keys int

// The keys that count.
const (
	anyToken keys = iota // the operation is one of its own, with keys or without
	cardKeys             // those of a card
	everyKey             // those of a card, and the seed of a token for one-time passwords
)

// rules says who may do what, and to a token in which state. An operation without a row
// is refused.
var rules = [numberOfOperations]rule{
	OpTenantCreate:     {name: "create a tenant", right: record.MaySystem | record.MayAdd},
	OpTenantList:       {name: "list tenants", right: record.MayView},
	OpTenantGet:        {name: "read a tenant", right: record.MayView},
	OpTenantDelete:     {name: "delete a tenant", right: record.MaySystem | record.MayRemove},
	OpTenantQuota:      {name: "set the quota of a tenant", right: record.MaySystem | record.MayManage},
	OpTenantPolicy:     {name: "set the policies of a tenant", right: record.MayManage},
	OpTenantSettings:   {name: "read the settings of a tenant", right: record.MaySystem | record.MayView},
	OpTenantChange:     {name: "change a tenant", right: record.MaySystem | record.MayEdit},
	OpTenantOSUsers:    {name: "say which operating system users a tenant may map", right: record.MaySystem | record.MayManage},
	OpExchangeKey:      {name: "read the tenant's exchange key", right: record.MayView},
	OpUserCreate:       {name: "create a user", right: record.MayAdd},
	OpUserList:         {name: "list users", right: record.MayView},
	OpUserGet:          {name: "read a user", right: record.MayView},
	OpUserMap:          {name: "map operating system users", right: record.MayManage},
	OpUserMapAny:       {name: "map operating system users that the tenant's policy does not name", right: record.MaySystem},
	OpUserEnable:       {name: "enable a user", right: record.MayEdit},
	OpUserDisable:      {name: "disable a user", right: record.MayEdit},
	OpUserChange:       {name: "change a user", right: record.MayEdit},
	OpUserDelete:       {name: "delete a user", right: record.MayRemove},
	OpGroupCreate:      {name: "create a group", right: record.MayAdd},
	OpGroupList:        {name: "list groups", right: record.MayView},
	OpGroupDelete:      {name: "delete a group", right: record.MayRemove},
	OpAPIKeyCreate:     {name: "create an API key", right: record.MayManage},
	OpAPIKeyList:       {name: "list API keys", right: record.MayManage},
	OpAPIKeyRevoke:     {name: "revoke an API key", right: record.MayManage},
	OpSessionList:      {name: "list applications and their sessions", right: record.MayManage},
	OpSessionEnd:       {name: "end the sessions of an application", right: record.MayManage},
	OpTokenCreate:      {name: "create a token", right: record.MayAdd},
	OpTokensImport:     {name: "import tokens", right: record.MayAdd},
	OpTokenList:        {name: "list tokens", right: record.MayView},
	OpTokenGet:         {name: "read a token", right: record.MayView},
	OpTokenObjects:     {name: "list the objects of a token", right: record.MayView},
	OpTokenImport:      {name: "import a PFX", right: record.MayEdit, needs: alive | incomplete | card, action: "import"},
	OpTokenCertificate: {name: "store the certificate of a key", right: record.MayEdit, needs: alive | incomplete | card, action: "storeCertificate"},
	OpCSR:              {name: "make a key and its certificate request", right: record.MayAdd},
	OpCSRList:          {name: "list the keys that wait for certificates", right: record.MayView},
	OpCSRDelete:        {name: "delete a key that waits for its certificate", right: record.MayRemove},
	OpTokenLabel:       {name: "set the label of a token", right: record.MayEdit, needs: alive | incomplete, action: "label"},
	OpTokenResetPIN:    {name: "reset a PIN", right: record.MayEdit, needs: alive | incomplete, action: "resetPin"},
	OpTokenPINBySO:     {name: "set a PIN with the SO PIN", right: record.MayEdit, needs: alive, action: "resetPinBySO"},
	OpTokenClearPIN:    {name: "clear a PIN", right: record.MayEdit, needs: alive | incomplete, action: "clearPin"},
	OpTokenUnlock:      {name: "unlock a PIN or one-time passwords", right: record.MayManage, needs: alive, action: "unlock"},
	OpTokenComplete:    {name: "complete a token", right: record.MayEdit, needs: alive | incomplete | held, action: "complete"},
	OpTokenEnable:      {name: "enable a token", right: record.MayEdit, needs: alive, action: "enable"},
	OpTokenDisable:     {name: "disable a token", right: record.MayEdit, needs: alive, action: "disable"},
	OpTokenAssign:      {name: "assign a token", right: record.MayEdit, needs: alive | unexpired | unheld, action: "assign"},
	OpTokenShare:       {name: "share a token", right: record.MayEdit, needs: alive | unexpired | held, action: "share"},
	OpTokenTake:        {name: "take a token from its holder for another", right: record.MayEdit, needs: alive | unexpired | held, action: "take"},
	OpTokenKeep:        {name: "keep the keys of a token that changes hands", right: record.MayManage, needs: alive},
	OpTokenShareKeys:   {name: "share a token that has keys", right: record.MayManage, keys: everyKey},
	OpTokenEmpty:       {name: "give away a card whose keys are destroyed by that", right: record.MayRemove, keys: cardKeys},
	OpTokenPassOn:      {name: "leave a card that has keys to its other holders", right: record.MayManage, keys: cardKeys},
	OpTokenWiden:       {name: "give one more holder back the use of keys", right: record.MayManage, keys: everyKey},
	OpTokenPlaceKey:    {name: "put the key of one holder on a card that others hold", right: record.MayManage, keys: anyToken},
	OpTokenUnassign:    {name: "unassign a token", right: record.MayEdit, needs: alive | held, action: "unassign"},
	OpTokenHolder:      {name: "change a holder's part in a token", right: record.MayEdit, needs: alive | held, action: "changeHolder"},
	OpTokenActivate:    {name: "begin the activation of a token", right: record.MayAdd, needs: alive | unexpired | held, action: "startActivation"},
	OpTokenActivated:   {name: "end the activation of a token", right: record.MayAdd, needs: alive | unexpired | notActivated, action: "activate"},
	OpTokenExpiry:      {name: "set when a token expires", right: record.MayEdit, needs: alive, action: "setExpiry"},
	OpTokenConfine:     {name: "close the download of a token", right: record.MayEdit, needs: alive, action: "confine"},
	OpTokenRelease:     {name: "open the download of a token", right: record.MayEdit, needs: alive, action: "release"},
	OpTokenDownload:    {name: "download a token", right: record.MayEdit, needs: alive | unexpired | released, action: "download"},
	OpTokenGroups:      {name: "set the groups of a token", right: record.MayEdit, needs: alive | unheld, action: "setGroups"},
	OpTokenVerify:      {name: "verify a one-time password", right: record.MayEdit, needs: alive | unexpired | held | activated | enabled | otp, action: "verify"},
	OpTokenSync:        {name: "synchronise a token", right: record.MayEdit, needs: alive | unexpired | otp, action: "synchronise"},
	OpTokenResetOTP:    {name: "reset the counter of a token", right: record.MayEdit, needs: alive | otp, action: "resetCounter"},
	OpTokenSeed:        {name: "hand out the seed of a token", right: record.MayAdd, needs: alive | unexpired | notActivated | released | otp | soft | unenrolled, action: "enrol"},
	OpTokenReseed:      {name: "give a token another seed", right: record.MayAdd, needs: alive | unexpired | held | notActivated | otp | soft},
	OpTokenPolicy:      {name: "set the algorithm policy of a token", right: record.MayManage, needs: alive, action: "setPolicy"},
	OpTokenDecease:     {name: "end a token", right: record.MayRemove, needs: alive, action: "decease"},
	OpTokenDelete:      {name: "delete a token", right: record.MayRemove, action: "delete"},
}

// String says what the operation does, as in "create a token".
func (op Operation) String() string {
	if op < 0 || op >= numberOfOperations {
		return "do something unknown"
	}
	return rules[op].name
}

// Action returns the name among the actions that a token allows, such as "unassign";
// empty for an operation that is none.
func (op Operation) Action() string {
	if op < 0 || op >= numberOfOperations {
		return ""
	}
	return rules[op].action
}

// Roles returns the named roles of callers. Each includes the ones before it.
func Roles() []record.Role {
	return []record.Role{record.RoleView, record.RoleEdit, record.RoleAdmin, record.RoleSystem}
}
