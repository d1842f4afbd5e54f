package idprime_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// TestTenantSecret: the secret of a tenant is in no answer and no log, and what is
// kept of a tenant survives a change of its policy.
func TestTenantSecret(t *testing.T) {
	w := newWorld(t)
	w.Key = w.NewKey(w.Tenant, record.RoleSystem)
	path := "/IDPrimeVirtual/SystemTenant/V1/Tenants/" + string(w.Tenant)
	w.want(200, 0, "POST", path, `{"tenantName":"Sales","idpClientSecret":"secret canary","isSksMode":true}`, with("Content-Type", "application/json"))
	made, err := w.Core.TenantNamed(t.Context(), provisioning.System("test"), "Sales")
	require.NoError(t, err)
	_, err = w.Core.SetTenantPolicy(t.Context(), provisioning.System("test"), made.ID, "legacy")
	require.NoError(t, err)
	_, body := w.ask("GET", "/IDPrimeVirtual/SystemTenant/V1/Tenants/"+string(made.ID)+"/Configuration", "", nil)
	if text := string(body) + w.Log.String(); strings.Contains(text, "canary") || !strings.Contains(text, `"hasIdpClientSecret":true`) || !strings.Contains(text, `"isSksMode":true`) {
		t.Error(text)
	}
	_, kept, err := w.Core.TenantSettings(t.Context(), provisioning.System("test"), made.ID, "idprime")
	if err != nil || !strings.Contains(string(kept), "secret canary") {
		t.Errorf("the secret is not kept: %v", err)
	}
	w.want(409, provisioning.WrongState, "PUT", path, `{"tenantId":"`+string(w.Tenant)+`","tenantName":"other"}`, with("Content-Type", "application/json"))
}
