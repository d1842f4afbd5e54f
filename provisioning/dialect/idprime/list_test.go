package idprime_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// TestListOfOthers: the tokens that other APIs made are in the list of V2.0, as the
// API's document says, whatever they are.
func TestListOfOthers(t *testing.T) {
	w := newWorld(t)
	for _, n := range []provisioning.NewToken{{}, {Kind: record.KindOTP, OTP: &provisioning.NewOTP{}}} {
		n.Tenant, n.User = w.Tenant, "alice"
		_, err := w.Core.CreateToken(t.Context(), provisioning.System("test"), n)
		require.NoError(t, err)
	}
	_, body := w.ask("GET", "/IDPrimeVirtual/Provisioning/V2.0/Tenants/"+string(w.Tenant)+"/Users/alice/Tokens", "", nil)
	if bytes.Count(body, []byte(`"maxRsaKeySize":8192`)) != 2 {
		t.Errorf("the list is %s", body)
	}
}
