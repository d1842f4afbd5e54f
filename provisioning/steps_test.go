package provisioning_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
)

// taking says of each operation what it takes away from somebody, empty for nothing. What
// it names is in the table of the keystore (urgency.go), which has it counted before it
// is acknowledged.
var taking = map[provisioning.Operation]string{
	provisioning.OpTenantCreate: "", provisioning.OpTenantList: "", provisioning.OpTenantGet: "", provisioning.OpTenantChange: "other settings",
	provisioning.OpTenantDelete:   "a token that is deleted, a user who is deleted, an API key that is revoked",
	provisioning.OpTenantPolicy:   "another policy, tokens that are PIN-bound",
	provisioning.OpTenantQuota:    "a smaller quota",
	provisioning.OpTenantSettings: "",
	provisioning.OpTenantOSUsers:  "an operating system user less",
	provisioning.OpExchangeKey:    "",
	provisioning.OpUserCreate:     "", provisioning.OpUserList: "", provisioning.OpUserGet: "", provisioning.OpUserEnable: "",
	provisioning.OpUserMap:     "an operating system user less",
	provisioning.OpUserMapAny:  "an operating system user less",
	provisioning.OpUserDisable: "a user who is switched off",
	provisioning.OpUserChange:  "a login or alias less",
	provisioning.OpUserDelete:  "a user who is deleted",
	provisioning.OpGroupCreate: "", provisioning.OpGroupList: "",
	provisioning.OpGroupDelete:  "a group that is deleted",
	provisioning.OpAPIKeyCreate: "another secret, another role, an earlier end",
	provisioning.OpAPIKeyList:   "",
	provisioning.OpAPIKeyRevoke: "an API key that is revoked",
	provisioning.OpSessionList:  "", provisioning.OpSessionEnd: "",
	provisioning.OpTokenCreate: "", provisioning.OpTokensImport: "", provisioning.OpTokenList: "", provisioning.OpTokenGet: "",
	provisioning.OpTokenObjects: "", provisioning.OpTokenImport: "", provisioning.OpTokenLabel: "",
	provisioning.OpTokenResetPIN:  "another PIN, a PIN that has to be changed",
	provisioning.OpTokenPINBySO:   "another PIN, a wrong PIN",
	provisioning.OpTokenClearPIN:  "another PIN",
	provisioning.OpTokenUnlock:    "an unlocked PIN",
	provisioning.OpTokenComplete:  "a token that is sealed",
	provisioning.OpTokenEnable:    "",
	provisioning.OpTokenDisable:   "a token that is switched off",
	provisioning.OpTokenAssign:    "other groups",
	provisioning.OpTokenShare:     "",
	provisioning.OpTokenTake:      "a holder less, an object that is destroyed",
	provisioning.OpTokenKeep:      "a holder less",
	provisioning.OpTokenShareKeys: "",
	provisioning.OpTokenEmpty:     "an object that is destroyed",
	provisioning.OpTokenUnassign:  "a holder less",
	provisioning.OpTokenPassOn:    "a holder less",
	provisioning.OpTokenHolder:    "a holder who is suspended, begins later, ends earlier or has fewer uses",
	provisioning.OpTokenWiden:     "",
	provisioning.OpTokenActivate:  "another activation code",
	provisioning.OpTokenActivated: "another activation code, a wrong activation code",
	provisioning.OpTokenExpiry:    "an earlier end",
	provisioning.OpTokenConfine:   "a token that is confined",
	provisioning.OpTokenRelease:   "",
	provisioning.OpTokenDownload:  "a token that was downloaded",
	provisioning.OpTokenGroups:    "other groups",
	provisioning.OpTokenVerify:    "a used one-time password, a wrong one-time password, a use of a holder",
	provisioning.OpTokenSync:      "a used one-time password, a wrong one-time password",
	provisioning.OpTokenResetOTP:  "unlocked one-time passwords",
	provisioning.OpTokenSeed:      "",
	provisioning.OpTokenReseed:    "another seed",
	provisioning.OpTokenPolicy:    "another policy",
	provisioning.OpTokenDecease:   "a token that ends",
	provisioning.OpTokenPlaceKey:  "", provisioning.OpTokenCertificate: "", provisioning.OpCSR: "", provisioning.OpCSRList: "",
	provisioning.OpCSRDelete:   "a pending key that is deleted",
	provisioning.OpTokenDelete: "a token that is deleted",
}

// TestEveryOperationTakesOrNot: a new operation says what it takes away.
func TestEveryOperationTakesOrNot(t *testing.T) {
	for op := provisioning.OpTenantCreate; op <= provisioning.OpTokenDelete; op++ {
		_, is := taking[op]
		require.True(t, is, "%s: say what it takes away", op)
	}
}
