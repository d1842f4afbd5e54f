package idprime_test

import (
	"testing"

	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/provisioning/dialect/idprime"
)

// TestBadInput sends every bad form of every golden request.
func TestBadInput(t *testing.T) {
	dialecttest.BadInput(t, idprime.New, dialecttest.BadInputOptions{
		Accepted: map[string]string{
			"createToken*/unknown userId":   "a user comes into being with the first token",
			"updateTenant/foreign tenantId": "a system key may touch every tenant",
			"getTenant*/foreign tenantId":   "a system key may touch every tenant",
			"createToken*/foreign userId":   "the login is free in this tenant",
		},
		Known: systemKey,
		Once:  []string{"completeToken", "deleteToken", "createApiKey", "storeCertificate"}, Manages: []string{"listApiKeys", "listTenants", "getTenant", "getTenantConfiguration"},
	})
}
